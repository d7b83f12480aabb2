"""Differences between two systems on the same rows, with intervals that use the pairing."""

import math

import scipy

from adversarial.statistics import Scores, placements, roc_area
from drift_monitor.stats.estimates import PairedDifference

POWER = 0.8
"""Power at which the smallest detectable difference is stated."""


def difference_of_means(first: Scores, second: Scores, alpha: float = 0.05) -> PairedDifference:
    """Return the difference between two means over the same rows, with Student's t interval.

    Parameters
    ----------
    first, second : (n,) float64
        One value per row, n at least 2.
    alpha : float
        1 − confidence.

    Examples
    --------
    >>> difference_of_means(np.array([0.0, 0.5, 1.0]), np.array([0.5, 1.0, 1.5])).estimate
    0.5
    """
    return _from_parts(second - first, alpha)


def difference_of_areas(
    first: tuple[Scores, Scores], second: tuple[Scores, Scores], alpha: float = 0.05
) -> PairedDifference:
    """Return the difference between two areas under the ROC curve of scores of the same rows.

    DeLong et al. (1988), "Comparing the areas under two or more correlated receiver operating
    characteristic curves", with each row as a cluster of its original and its attacked form
    (Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data").

    Parameters
    ----------
    first, second : pair of (n,) float64
        Scores of the originals and of the attacked rows, in the same order; n at least 2.
    alpha : float
        1 − confidence.
    """
    one, other = (_cluster_placements(*scores) for scores in (first, second))
    difference = _from_parts(other - one, alpha)
    # Placements sum both sides of the curve; their mean is twice the area.
    shift = (roc_area(*second) - roc_area(*first)) - difference.estimate
    return PairedDifference(
        estimate=difference.estimate + shift,
        low=difference.low + shift,
        high=difference.high + shift,
        detectable=difference.detectable,
    )


def _cluster_placements(normal: Scores, attacked: Scores) -> Scores:
    """Return the placements of each row as a cluster of its original and its attacked form.

    They are the share of normal rows below the attacked form, plus the share of attacked rows above
    the original.
    """
    return placements(attacked, among=normal) + (1 - placements(normal, among=attacked))


def _from_parts(parts: Scores, alpha: float) -> PairedDifference:
    n = len(parts)
    estimate = float(parts.mean())
    error = float(parts.std(ddof=1)) / math.sqrt(n)
    margin = float(scipy.stats.t(n - 1).ppf(1 - alpha / 2)) * error
    return PairedDifference(
        estimate=estimate,
        low=estimate - margin,
        high=estimate + margin,
        detectable=detectable_difference(error, alpha),
    )


def detectable_difference(error: float, alpha: float) -> float:
    """Return the difference that is detected with 80 % power, given the standard error."""
    quantiles = float(scipy.stats.norm.ppf(1 - alpha / 2)) + float(scipy.stats.norm.ppf(POWER))
    return min(1.0, quantiles * error)
