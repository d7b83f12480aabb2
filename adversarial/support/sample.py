"""Samples of scored rows with what describes them: of a batch, and those a detector was made on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy
from numpy.typing import NDArray

from adversarial.support.novelty import Described

Floats = NDArray[np.float32]

INPUTS, FEATURES = "inputs", "features"
"""Columns of lists: what a representation gives of the input, and the penultimate layer."""
NOVEL = "novel"
"""Column of damaged rows made for one batch: 1 where a row is novel beyond normal, else 0."""
NORMAL = ""
"""Stands for a family where rows are normal."""
OUTPUTS = (
    "prediction",
    "confidence",
    "adversarial_score",
    "reconstruction_prediction",
    "reconstruction_confidence",
)
"""Columns of a score table that an estimate is made from."""
SMALLEST_ODDS = 1e-4
"""Probabilities are kept this far from 0 and 1, so that their log-odds are within ±9.2."""
SMALLEST_SCORE = 1e-3
"""Added to a score in nats before its logarithm is taken."""


def with_description(outputs: pa.Table, rows: Described) -> pa.Table:
    """Return a table of n rows with what describes them beside: `inputs` and `features`."""
    table = outputs.append_column(INPUTS, _lists(rows.inputs))
    return table if rows.features is None else table.append_column(FEATURES, _lists(rows.features))


def numbers(table: pa.Table, column: str) -> Floats:
    """Return a column of lists as an array, (n, d) float32."""
    lists = table[column].combine_chunks()
    width = lists.type.list_size
    values = lists.flatten().to_numpy(zero_copy_only=False)
    result: Floats = np.asarray(values, np.float32).reshape(len(table), width)
    return result


def log_odds_of(table: pa.Table, column: str) -> NDArray[np.float64]:
    """Return the log-odds of a score table's probabilities, (n,)."""
    p = table[column].to_numpy().astype(np.float64)
    odds: NDArray[np.float64] = scipy.special.logit(np.clip(p, SMALLEST_ODDS, 1 - SMALLEST_ODDS))
    return odds


def log_score(table: pa.Table) -> NDArray[np.float64]:
    """Return the logarithm of a score table's adversarial scores, (n,)."""
    score = table["adversarial_score"].to_numpy().astype(np.float64)
    logarithm: NDArray[np.float64] = np.log(score + SMALLEST_SCORE)
    return logarithm


def is_normal(table: pa.Table) -> NDArray[np.bool_]:
    """Return which rows of a sample are normal, (n,)."""
    return np.asarray(pc.equal(table["family"], NORMAL))


def classes_of(table: pa.Table, column: str, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the numbers of the classes in a column, (n,)."""
    names = pa.array(class_names, pa.string())
    return np.asarray(pc.index_in(table[column], names), np.int64)


def matrix(table: pa.Table, class_names: Sequence[str]) -> Floats:
    """Return a sample's rows as a learner takes them, (n, m) float32.

    Class of M(x), whether that of M(AE(x)) is the same, log-odds of both confidences, ln of the
    score; then the inputs and the features.
    """
    prediction, other = (
        classes_of(table, name, class_names).astype(np.float32)
        for name in ("prediction", "reconstruction_prediction")
    )

    columns = [
        prediction,
        (prediction == other).astype(np.float32),
        log_odds_of(table, "confidence").astype(np.float32),
        log_odds_of(table, "reconstruction_confidence").astype(np.float32),
        log_score(table).astype(np.float32),
    ]
    parts = [np.stack(columns, axis=1)]
    parts += [numbers(table, name) for name in (INPUTS, FEATURES) if name in table.column_names]
    return np.concatenate(parts, axis=1)


def _lists(values: Floats) -> pa.FixedSizeListArray:
    # Half precision is finer than what a learner is let to tell apart.
    flat = pa.array(np.ascontiguousarray(values, np.float16).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
