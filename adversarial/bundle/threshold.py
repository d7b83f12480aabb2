"""The threshold t: chosen by ε_FPR on normal rows, and what it promises for rows to come.

Pure functions of scores and score tables; no TensorFlow.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy
from numpy.typing import NDArray

from adversarial.errors import ModelError

CONFIDENCE = 0.95
"""Confidence of the interval for the false positive rate."""

ROUNDING = 1e-9
"""Keeps 0.07 · 100 = 7.000000000000001 and 0.29 · 100 = 28.999999999999996 whole."""


class FalsePositiveRate(NamedTuple):
    """Normal rows above a threshold: `n_above` of `n` seen, a share `low` to `high` of new ones."""

    n_above: int
    n: int
    low: float
    high: float


def check_fpr(fpr: float, n: int) -> None:
    """Raise ModelError unless `fpr` is between 0 and 1 and allows one of `n` rows to be flagged."""
    if not 0 < fpr < 1:
        raise ModelError(f"fpr is {fpr}: expected a share between 0 and 1")
    if fpr * n < 1 - ROUNDING:
        raise ModelError(
            f"a false positive rate of {fpr:g} cannot be set from {n} rows: give at least "
            f"{math.ceil(1 / fpr)} normal rows or a larger rate"
        )


def threshold_from_scores(scores: NDArray[np.float64], fpr: float) -> float:
    """Return the smallest score that a share of at most `fpr` of the scores exceeds.

    Parameters
    ----------
    scores : (n,) float64
        Adversarial scores of normal rows that the autoencoder was not trained on, in nats.
    fpr : float
        ε_FPR, between 0 and 1.

    Returns
    -------
    float
        The threshold t, in nats: the (n − ⌊ε_FPR · n⌋)-th smallest score.

    Raises
    ------
    ModelError
        If `fpr` is not between 0 and 1, or so small that none of these n rows may be flagged.

    Examples
    --------
    >>> threshold_from_scores(np.arange(100.0), 0.05)
    94.0
    """
    check_fpr(fpr, len(scores))
    n_above = int(fpr * len(scores) + ROUNDING)
    return float(np.sort(scores)[-1 - n_above])


def false_positive_rate(
    scores: NDArray[np.float64], threshold: float, confidence: float = CONFIDENCE
) -> FalsePositiveRate:
    """Return an interval for the share of new normal rows that `threshold` will flag.

    Where `threshold` is one of `scores` and k of the n scores lie above it, the share of the
    population above it is distributed as Beta(k + 1, n − k), whatever the distribution of the
    scores is, as long as it is continuous (Wilks 1941, "Determination of Sample Sizes for Setting
    Tolerance Limits"). The interval is the middle part of that distribution. Where many scores
    equal the threshold, its upper end is Clopper and Pearson's, and still holds.

    It holds for rows drawn like those of `scores`, not for drifted ones.

    Parameters
    ----------
    scores : (n,) float64
        The normal rows' scores that the threshold was chosen from, in nats.
    threshold : float
        t, one of `scores`.
    confidence : float
        Chance that the interval contains the rate, over draws of the n rows.

    Raises
    ------
    ModelError
        If no score is at or below the threshold.

    Examples
    --------
    >>> found = false_positive_rate(np.arange(5000.0), 4749.0)
    >>> found.n_above, round(found.low, 4), round(found.high, 4)
    (250, 0.0443, 0.0564)
    """
    n = len(scores)
    n_above = int(np.count_nonzero(scores > threshold))
    if n_above == n:
        raise ModelError(
            f"none of {n} normal rows scores at or below the threshold of {threshold:g} nats: "
            "choose it from their scores by a false positive rate"
        )
    tail = (1 - confidence) / 2
    low, high = scipy.special.betaincinv(n_above + 1, n - n_above, [tail, 1 - tail])
    return FalsePositiveRate(n_above, n, float(low), float(high))


def describe_threshold(threshold: float, fpr: float, scores: NDArray[np.float64]) -> str:
    """Return threshold, ε_FPR and the interval for new rows as one line of text.

    Parameters and errors as in `false_positive_rate`; `fpr` is the ε_FPR asked for.

    Examples
    --------
    >>> describe_threshold(94.0, 0.05, np.arange(100.0))
    '94 nats (ε_FPR 0.05: flags 5 of 100 normal rows; 2.23% to 11.28% of new ones, 95% confidence)'
    """
    rate = false_positive_rate(scores, threshold)
    return (
        f"{threshold:.6g} nats (ε_FPR {fpr:g}: flags {rate.n_above:,} of {rate.n:,} normal rows; "
        f"{rate.low:.2%} to {rate.high:.2%} of new ones, {CONFIDENCE:.0%} confidence)"
    )


def correct_flagged(
    scores: NDArray[np.float64],
    threshold: float,
    prediction: NDArray[Any],
    reconstruction_prediction: NDArray[Any],
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return which rows are flagged, and the class of each row once those are corrected.

    This is the defence of Figure 2 of the paper.

    Parameters
    ----------
    scores : (n,) float64
        Adversarial scores, in nats.
    threshold : float
        t in nats: rows with a score above it are flagged.
    prediction, reconstruction_prediction : (n,) array
        Classes by M(x) and by M(AE(x)).

    Examples
    --------
    >>> correct_flagged(np.array([0.1, 2.0]), 1.0, np.array([3, 3]), np.array([7, 7]))
    (array([False,  True]), array([3, 7]))
    """
    flagged = scores > threshold
    return flagged, np.where(flagged, reconstruction_prediction, prediction)


def apply_threshold(window: pa.Table, threshold: float) -> pa.Table:
    """Return the reference window as if it had been scored with another threshold.

    Parameters
    ----------
    window : pyarrow.Table
        A reference window with `reconstruction_prediction`.
    threshold : float
        t in nats: decides `flagged`. No other column depends on it.
    """
    at = window.schema.get_field_index("flagged")
    flagged = pc.greater(window["adversarial_score"], threshold)
    window = window.set_column(at, window.schema.field(at), flagged)
    # Older bundles also hold a class that depends on the threshold they had; nothing reads it.
    stale = "corrected_prediction"
    return window.drop_columns(stale) if stale in window.column_names else window
