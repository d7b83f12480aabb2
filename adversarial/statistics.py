"""Statistics of scores and predictions, from arrays alone: no models, and no TensorFlow."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Scores = NDArray[np.float64]


def entropy(probabilities: NDArray[np.floating]) -> Scores:
    """Return the entropy of each row of probabilities, (n, n_classes), in nats.

    Examples
    --------
    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(4)
    array([0.    , 0.6931])
    """
    result: Scores = special.entr(np.asarray(probabilities, np.float64)).sum(axis=1)
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
    test = stats.binomtest(only_first, only_first + only_second, alternative=alternative)
    return float(test.pvalue)
