"""Checks of what is to be attacked: models, rows and classes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.criteria import Criterion
from adversarial.attacks.core.logits import check_output
from adversarial.attacks.core.victim import FINGERPRINT_ROWS, Classes, Rows
from adversarial.errors import ModelError

Bounds = tuple[float | NDArray[np.floating], float | NDArray[np.floating]]
"""Smallest and largest value of x; for flat rows, optionally arrays of one value per feature."""


def check_inputs(
    model: keras.Model | Criterion, x: Rows, y: NDArray[Any], bounds: Bounds
) -> Classes:
    """Return the classes as int64, or raise ModelError for what cannot be attacked.

    Parameters
    ----------
    model : keras.Model or Criterion
        A classifier, which is checked too, or a criterion, which is not.
    x : (n, *input_shape) float32
        Rows.
    y : (n,) array
        Their classes.
    bounds : (float, float), or a pair of arrays for flat rows
        Smallest and largest value of x.
    """
    if not isinstance(model, keras.Model | Criterion):
        raise ModelError(
            f"{type(model).__name__} cannot be attacked: give a keras.Model or a criterion; for "
            "a detector, its `classifier` or one of `adversarial.evaluation.threat_models`"
        )
    if not len(x) or y.shape != (len(x),):
        raise ModelError(
            f"{len(x)} rows and classes of shape {y.shape}: expected one class per row"
        )
    if not np.issubdtype(y.dtype, np.integer):
        raise ModelError(f"the classes are {y.dtype}: expected whole numbers")
    if isinstance(model, keras.Model):
        _check_classifier(model, x, y)
    low, high = (np.asarray(bound, np.float32) for bound in bounds)
    inside = ((x >= low) & (x <= high)).reshape(len(x), -1).all(axis=1)
    if not inside.all():
        raise ModelError(
            f"row {int(inside.argmin())} has a value that is not within the bounds "
            f"{bounds}: scale the rows, or give the attack their bounds"
        )
    if isinstance(model, keras.Model):
        check_output(model, x[:FINGERPRINT_ROWS])
    return y.astype(np.int64)


def _check_classifier(model: keras.Model, x: Rows, y: NDArray[Any]) -> None:
    if not model.built or isinstance(model.output_shape, list):
        raise ModelError(
            f"the model {model.name!r} has not been built or has several outputs: give one that "
            "has been called on rows, and has one output"
        )
    shape, n_classes = model.input_shape[1:], model.output_shape[-1]
    if x.ndim != len(shape) + 1 or any(
        have != want for have, want in zip(x.shape[1:], shape, strict=True) if want
    ):
        raise ModelError(f"rows have shape {x.shape[1:]}: the model takes {shape}")
    unknown = (y < 0) | (y >= n_classes)
    if unknown.any():
        row = int(unknown.argmax())
        raise ModelError(f"row {row} has class {y[row]}: the model has {n_classes}, from 0")
    if n_classes < 2:
        raise ModelError(
            "the model has one output: expected one per class, such as 1 − p and p of a sigmoid"
        )
