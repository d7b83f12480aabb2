"""Quantiles of each feature over the reference rows: what a batch's values are held against."""

import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import QUANTILE_PROBABILITIES, InputSpec


def feature_quantiles(x: NDArray[np.float32], spec: InputSpec) -> dict[str, list[float]] | None:
    """Return the quantiles of each feature at `QUANTILE_PROBABILITIES`; None of images.

    Parameters
    ----------
    x : (n, *input_shape) float32
        Reference rows, in the units the classifier takes.
    spec : InputSpec
        Names the features; where it has no names they are called "0", "1", ….

    Examples
    --------
    >>> found = feature_quantiles(np.float32([[0], [1], [3]]), InputSpec(shape=(1,)))
    >>> len(found["0"]), found["0"][0], found["0"][50], found["0"][100]
    (101, 0.0, 1.0, 3.0)
    """
    if len(spec.shape) != 1:
        return None
    names = spec.feature_names or [str(number) for number in range(spec.shape[0])]
    quantiles = np.quantile(x.astype(np.float64), QUANTILE_PROBABILITIES, axis=0)
    return dict(zip(names, quantiles.T.tolist(), strict=True))
