"""Samples of scored rows with what describes them: of a batch, and those a detector was made on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.support.novelty import Described

Floats = NDArray[np.float32]

INPUTS, FEATURES = "inputs", "features"
"""Columns of lists: what a representation gives of the input, and the penultimate layer."""
OUTPUTS = (
    "prediction",
    "confidence",
    "adversarial_score",
    "reconstruction_prediction",
    "reconstruction_confidence",
)
SMALLEST_ODDS = 1e-4
SMALLEST_SCORE = 1e-3


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


def matrix(table: pa.Table, class_names: Sequence[str]) -> Floats:
    """Return a sample's rows as a learner takes them, (n, m) float32.

    Class of M(x), whether that of M(AE(x)) is the same, log-odds of both confidences, ln of the
    score; then the inputs and the features.
    """
    names = pa.array(class_names, pa.string())
    prediction, other = (
        pc.index_in(table[name], names).to_numpy().astype(np.float32)
        for name in ("prediction", "reconstruction_prediction")
    )

    def log_odds(name: str) -> Floats:
        p = np.clip(table[name].to_numpy().astype(np.float64), SMALLEST_ODDS, 1 - SMALLEST_ODDS)
        odds: Floats = np.log(p / (1 - p)).astype(np.float32)
        return odds

    columns = [
        prediction,
        (prediction == other).astype(np.float32),
        log_odds("confidence"),
        log_odds("reconstruction_confidence"),
        np.log(table["adversarial_score"].to_numpy() + SMALLEST_SCORE).astype(np.float32),
    ]
    parts = [np.stack(columns, axis=1)]
    parts += [numbers(table, name) for name in (INPUTS, FEATURES) if name in table.column_names]
    return np.concatenate(parts, axis=1)


def _lists(values: Floats) -> pa.FixedSizeListArray:
    # Half precision is finer than what a learner is let to tell apart.
    flat = pa.array(np.ascontiguousarray(values, np.float16).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
