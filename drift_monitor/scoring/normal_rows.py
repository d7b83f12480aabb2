"""The normal row that is shown beside a row: alike, and with the same prediction."""

import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.runtime_sample import RuntimeSample

FARTHEST = 3.0
"""Standard deviations beyond which a value is no farther. A column in a wrong unit would otherwise
choose the row by itself."""

Rows = NDArray[np.float32]


def nearest_normal_row(x: Rows, prediction: int, sample: RuntimeSample | None) -> Rows | None:
    """Return the row of a detector's sample that looks most like a row, among those of its class.

    Parameters
    ----------
    x : (*input_shape) float32
        The row.
    prediction : int
        Its class by M.
    sample : RuntimeSample, optional
        Reference rows with what M says of them; None where the detector keeps none.

    Returns
    -------
    (*input_shape) float32 or None
        The row of the least sum of differences in standard deviations; None where no row of the
        sample has that prediction.
    """
    if sample is None:
        return None
    alike = np.flatnonzero(sample.probabilities.argmax(axis=1) == prediction)
    if not len(alike):
        return None
    spread = sample.x.std(axis=0)
    differences = np.abs(sample.x[alike] - x) / np.where(spread > 0, spread, 1)
    distance = np.minimum(differences, FARTHEST).reshape(len(alike), -1).sum(axis=1)
    nearest: Rows = sample.x[alike[np.argmin(distance)]]
    return nearest
