"""Statistics of scores and predictions, from arrays alone: no models, and no TensorFlow."""

from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

Scores = NDArray[np.float64]

PROBABILITY_FLOOR = 1e-7
"""Probabilities below this are raised to it before a logarithm is taken, once, and not rescaled."""


def kl_divergence(p: NDArray[np.floating], q: NDArray[np.floating]) -> Scores:
    """Return the Kullback-Leibler divergence D_KL(p ‖ q) in nats (Eq. 6), in float64.

    Both are clipped to [1e-7, 1] first, as in `adversarial.losses.kl_divergence`. Near p = q,
    ln(p/q) loses the digits that float32 has.

    Parameters
    ----------
    p, q : (…, n_classes) arrays
        Probabilities; their shapes are broadcast.

    Returns
    -------
    (…) float64
        Between 0 and 16.2 (−ln 1e-7) nats.

    Examples
    --------
    >>> kl_divergence(np.array([1.0, 0.0]), np.array([[0.5, 0.5], [1.0, 0.0]])).round(4)
    array([0.6931, 0.    ])
    """
    p = np.clip(np.asarray(p, np.float64), PROBABILITY_FLOOR, 1)
    q = np.clip(np.asarray(q, np.float64), PROBABILITY_FLOOR, 1)
    result: Scores = np.maximum((p * np.log(p / q)).sum(axis=-1), 0)
    return result


def scale_temperature(p: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return p sharpened (T < 1) or softened (T > 1): p^(1/T), normalised (Eq. 9), in float64.

    As in `adversarial.losses.scale_temperature`, of probabilities clipped to [1e-7, 1].

    Parameters
    ----------
    p : (…, n_classes) array
        Probabilities.
    temperature : float
        T, above 0.

    Examples
    --------
    >>> scale_temperature(np.array([[0.75, 0.25]]), 0.5)
    array([[0.9, 0.1]])
    """
    logits = np.log(np.clip(np.asarray(p, np.float64), PROBABILITY_FLOOR, 1)) / temperature
    scaled = np.exp(logits - logits.max(axis=-1, keepdims=True))  # of which one is 1
    result: NDArray[np.float64] = scaled / scaled.sum(axis=-1, keepdims=True)
    return result


def entropy(probabilities: NDArray[np.floating]) -> Scores:
    """Return the entropy of each row of probabilities, (n, n_classes), in nats.

    Examples
    --------
    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(4)
    array([0.    , 0.6931])
    """
    result: Scores = scipy.special.entr(np.asarray(probabilities, np.float64)).sum(axis=1)
    return result


def placements(scores: Scores, among: Scores) -> Scores:
    """Return, for each score, the share of the other sample that lies below it; ties count half.

    Parameters
    ----------
    scores, among : (n,), (m,) float64
        Two samples.

    Returns
    -------
    (n,) float64
        From 0 to 1; NaN where it depends on a score that is NaN.

    Examples
    --------
    >>> placements(np.array([0.0, 1.0, 2.0]), among=np.array([1.0, 1.5]))
    array([0.  , 0.25, 1.  ])
    """
    ordered = np.sort(among)
    below = np.searchsorted(ordered, scores) + np.searchsorted(ordered, scores, side="right")
    is_unknown = np.isnan(scores) | np.isnan(among).any()
    shares: Scores = np.where(is_unknown, np.nan, below / (2 * len(among)))
    return shares


def ks_distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return D, the greatest distance between the distribution functions of two samples.

    Examples
    --------
    >>> ks_distance(np.array([1.0, 2.0, 3.0]), np.array([2.5, 3.5]))
    0.6666666666666667
    """
    at = np.concatenate([one, other])
    shares = (np.searchsorted(np.sort(side), at, side="right") / len(side) for side in (one, other))
    return float(np.abs(np.subtract(*shares)).max())


def roc_area(normal: Scores, attacked: Scores) -> float:
    """Return the area under the ROC curve, by ranks.

    It is the chance that an attacked row scores higher than a normal one; ties count half.

    Parameters
    ----------
    normal, attacked : (n,), (m,) float64
        Scores, n and m at least 1.

    Examples
    --------
    >>> roc_area(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.9]))
    0.75
    """
    return float(placements(attacked, among=normal).mean())


def mcnemar_test(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    alternative: Literal["two-sided", "greater"] = "two-sided",
) -> float:
    """Return p of McNemar's exact test for two properties of the same rows.

    Of the rows that have only one of the two, each has either with probability one half under the
    null hypothesis (McNemar 1947).

    Parameters
    ----------
    first, second : (n,) bool
        Which rows have the property.
    alternative : {"two-sided", "greater"}
        That the shares differ; or that more rows have the first.

    Returns
    -------
    float
        1 where no row has only one of them.

    Examples
    --------
    >>> mcnemar_test(np.array([True, True, True, False]), np.array([False, False, False, False]))
    0.25
    """
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    if not only_first + only_second:
        return 1.0
    test = scipy.stats.binomtest(only_first, only_first + only_second, alternative=alternative)
    return float(test.pvalue)
