"""Rates and their differences, with intervals."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.stats.estimates import Estimate, PairedDifference, Rate
from drift_monitor.stats.paired_differences import detectable_difference


def rate(count: int, n: int, alpha: float = 0.05) -> Rate | None:
    """Return the share `count` / `n` with its interval, or None if `n` is zero.

    Parameters
    ----------
    count, n : int
        Number of hits, and of rows.
    alpha : float
        1 − confidence of the Wilson score interval.
    """
    if not n:
        return None
    interval = scipy.stats.binomtest(count, n).proportion_ci(1 - alpha, method="wilson")
    return Rate(
        count=count, n=n, rate=count / n, low=float(interval.low), high=float(interval.high)
    )


def rise_p_value(current: Rate, reference: Rate) -> float:
    """Return the one-sided p-value of Fisher's exact test that the current rate is not higher.

    Examples
    --------
    Fisher's lady tasting tea, who identified 3 of 4 cups: 0.243.

    >>> round(rise_p_value(rate(3, 4), rate(1, 4)), 3)
    0.243
    """
    return rise_of_counts((current.count, current.n), (reference.count, reference.n))


def rise_of_counts(current: tuple[int, int], reference: tuple[int, int]) -> float:
    """Return `rise_p_value` of hits and rows; quick where nothing is hit.

    Examples
    --------
    >>> rise_of_counts((0, 4), (1, 4)), round(rise_of_counts((3, 4), (1, 4)), 3)
    (1.0, 0.243)
    """
    if not current[0]:
        return 1.0
    table = np.array([[hits, n - hits] for hits, n in (current, reference)])
    return float(scipy.stats.fisher_exact(table, alternative="greater").pvalue)


def rate_difference(current: Rate, reference: Rate) -> Estimate:
    """Return current minus reference, with Newcombe's hybrid score interval (1998, method 10).

    The interval has the rates' own confidence.

    Examples
    --------
    Newcombe's example (a): 56/70 against 48/80 gives 0.2 (0.0524 to 0.3339).

    >>> found = rate_difference(rate(56, 70), rate(48, 80))
    >>> print(f"{found.low:.4f} {found.high:.4f}")
    0.0524 0.3339
    """
    estimate = current.rate - reference.rate
    below = math.hypot(current.rate - current.low, reference.high - reference.rate)
    above = math.hypot(current.high - current.rate, reference.rate - reference.low)
    return Estimate(estimate=estimate, low=estimate - below, high=estimate + above)


def difference_of_shares(
    first: NDArray[np.bool_], second: NDArray[np.bool_], alpha: float = 0.05
) -> PairedDifference:
    """Return the difference between two shares of the same rows.

    The interval is Newcombe's square-and-add interval with a continuity-corrected correlation
    (Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10).

    Parameters
    ----------
    first, second : (n,) bool
        Whether each row is a hit for the first and for the second system; n at least 1.
    alpha : float
        1 − confidence.

    Examples
    --------
    Of 161 rows, 59 are hits for both, 6 for the first only and 16 for the second only.

    >>> first = np.repeat([True, True, False, False], [59, 6, 16, 80])
    >>> second = np.repeat([True, False, True, False], [59, 6, 16, 80])
    >>> difference = difference_of_shares(first, second)
    >>> round(difference.estimate, 4), round(difference.low, 4), round(difference.high, 4)
    (0.0621, 0.0046, 0.1186)
    """
    n = len(first)
    both = int(np.count_nonzero(first & second))
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(~first & second))
    neither = n - both - only_first - only_second
    hits = [both + only_first, both + only_second]
    intervals = [
        scipy.stats.binomtest(k, n).proportion_ci(1 - alpha, method="wilson") for k in hits
    ]
    below = [k / n - float(ci.low) for k, ci in zip(hits, intervals, strict=True)]
    above = [float(ci.high) - k / n for k, ci in zip(hits, intervals, strict=True)]

    covariance = float(both * neither - only_first * only_second)
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    spread = math.sqrt(math.prod(hits) * math.prod(n - k for k in hits))
    correlation = covariance / spread if spread else 0.0

    def add(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))

    estimate = (hits[1] - hits[0]) / n
    # As if one of two further rows differed: if none does, the spread is small but not zero.
    discordant = (only_first + only_second + 1) / (n + 2)
    return PairedDifference(
        estimate=estimate,
        low=estimate - add(below[1], above[0]),
        high=estimate + add(above[1], below[0]),
        detectable=detectable_difference(math.sqrt(discordant / n), alpha),
    )
