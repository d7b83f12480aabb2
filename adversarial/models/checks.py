"""Checks of what goes into a classifier and comes out of it."""

import numpy as np
from numpy.typing import NDArray

from adversarial.errors import ModelError

SUM_TOLERANCE = 5e-3
"""How far a row of probabilities may be from 1 in sum: those of float16 have three digits."""


def check_probabilities(output: NDArray[np.float32]) -> None:
    """Raise ModelError unless every row of `output` is a probability distribution."""
    result = None
    if output.ndim != 2 or output.shape[1] < 2:
        result = f"shape {output.shape}"
    elif not np.isfinite(output).all():
        result = "values that are not finite"
    elif output.min() < 0 or np.abs(output.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        result = f"values from {output.min():.3g} to {output.max():.3g} whose rows do not sum to 1"
    if result:
        raise ModelError(
            f"the classifier's output has {result}: expected (rows, classes) probabilities; "
            "end the model in a softmax layer, one unit per class"
        )


def check_finite(x: NDArray[np.float32]) -> None:
    """Raise ModelError, naming the row, if a value of any row is not finite."""
    finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
    if not finite.all():
        raise ModelError(
            f"row {int(finite.argmin())} has a value that is not finite: remove or repair it"
        )
