"""Rows changed in one way, and what a detector says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from adversarial.detector.scorer import Prediction, Scorer

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
Describe = Callable[[pa.Table, Rows, "Prediction"], pa.Table]
"""Adds columns to a table of predictions, from the rows and what the detector says of them."""


class Changed(NamedTuple):
    """Rows changed in one way.

    Attributes
    ----------
    family : str
        What was done; the same for all severities.
    severity : float
        How much of it: a level, a radius, a number of standard deviations or a share.
    x : (n, *input_shape) float32
        The changed rows, in the units the classifier takes.
    y : (n,) int64
        Their true classes.
    """

    family: str
    severity: float
    x: Rows
    y: Classes


def predict_changed(
    detector: Scorer, changed: Changed, describe: Describe | None = None
) -> pa.Table:
    """Score changed rows.

    Returns
    -------
    pyarrow.Table
        The columns of `Prediction.to_table`, those that `describe` adds, `label` (the true class,
        by name), `family` and `severity`. Rows that are not finite, or of which the models give no
        finite number, are left out.
    """
    finite = np.isfinite(changed.x).reshape(len(changed.x), -1).all(axis=1)
    x = changed.x[finite]
    prediction = detector.predict(x)
    table = prediction.to_table(detector.class_names)
    if describe is not None:
        table = describe(table, x, prediction)
    names = pa.array(detector.class_names, pa.string())
    table = table.append_column("label", names.take(pa.array(changed.y[finite])))
    table = table.append_column("family", pa.repeat(changed.family, len(table)))
    table = table.append_column("severity", pa.repeat(changed.severity, len(table)))
    sound = np.isfinite(prediction.score) & np.isfinite(prediction.confidence)
    return table.filter(pa.array(sound))
