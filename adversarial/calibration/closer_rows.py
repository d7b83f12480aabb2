"""Many rows of the kinds of damage that a batch looks like, made when the batch is there.

A calibration has room for a hundred rows of each kind, and knows only the kinds thought of
beforehand. Flat rows are scored in microseconds: of the few kinds that a batch looks like, and of
those fitted to it (`adversarial.support.fitted_damage`), as many rows are made as are normal.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.calibration.changed_rows import Changed, predict_changed
from adversarial.calibration.flat_cells import flat_cells
from adversarial.support.fitted_damage import fit_damage
from adversarial.support.sample import (
    INPUTS,
    NOVEL,
    OUTPUTS,
    classes_of,
    is_normal,
    numbers,
    with_description,
)

if TYPE_CHECKING:
    from adversarial.detector.scorer import Prediction, Scorer

Rows = NDArray[np.float32]
MAX_ROWS = 5_000
"""Of each kind of damage."""


def closer_rows(
    detector: Scorer,
    batch: pa.Table,
    kinds: Collection[tuple[str, float]],
    seed: int = 0,
) -> pa.Table | None:
    """Return normal rows, and many of each kind of damage that a batch may be of.

    Parameters
    ----------
    detector : Scorer
        With a calibration sample and an index of novelty.
    batch : pyarrow.Table
        Rows of the batch with what describes them (`drift_monitor.scoring.row_sample`).
    kinds : collection of (str, float)
        Family and severity of damage in the calibration sample.
    seed : int
        Of what is random in the damage.

    Returns
    -------
    pyarrow.Table or None
        As the calibration sample; None where rows are not flat.
    """
    known, index = detector.calibration.sample, detector.calibration.novelty
    if known is None or index is None or len(index.description.representation.shape) != 1:
        return None
    scaling = index.description.representation.scaling
    known = known.filter(pa.array(is_normal(known)))
    x = scaling.inverse(numbers(known.slice(0, MAX_ROWS), INPUTS))
    y = classes_of(known.slice(0, MAX_ROWS), "label", detector.class_names)

    def describe(table: pa.Table, rows: Rows, prediction: Prediction) -> pa.Table:
        described = index.description(rows, prediction.features)
        novel = (index.novelty(described) > 1).astype(np.float64)
        table = with_description(table.select(OUTPUTS), index.principal(described))
        return table.append_column(NOVEL, pa.array(novel))

    wanted, changed = set(kinds), []
    for number, cell in enumerate(flat_cells(x)):
        if (cell.family, cell.severity) in wanted:
            rng = np.random.default_rng([seed, number])
            changed.append(Changed(cell.family, cell.severity, cell.damage(x, rng, seed), y))
    for damage in fit_damage(scaling.inverse(numbers(batch, INPUTS)), x, seed):
        family = f"{damage.family}-{'+'.join(map(str, damage.columns))}"
        changed.append(Changed(family, 1.0, damage.rows, y))
    normal = known.append_column(NOVEL, pa.repeat(0.0, len(known)))
    tables = [predict_changed(detector, rows, describe) for rows in changed]
    columns = tables[0].column_names if tables else normal.column_names
    return pa.concat_tables([table.select(columns) for table in [normal, *tables]])
