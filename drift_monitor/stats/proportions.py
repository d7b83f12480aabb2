"""Rates and their differences, with intervals."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from drift_monitor.stats.paired_differences import Difference, detectable_difference


@dataclass(frozen=True)
class Rate:
    """A share of rows with its Wilson score interval."""

    count: int
    n: int
    rate: float
    low: float
    high: float


def rate(count: int, n: int, alpha: float = 0.05) -> Rate | None:
    """Return the share of `count` of `n` rows, or None where n is zero.

    Parameters
    ----------
    count, n : int
        Rows.
    alpha : float
        1 − confidence of the Wilson score interval.
    """
    if not n:
        return None
    interval = stats.binomtest(count, n).proportion_ci(1 - alpha, method="wilson")
    return Rate(count, n, count / n, float(interval.low), float(interval.high))


def rise_p_value(current: Rate, reference: Rate) -> float:
    """Return the p-value of Fisher's exact test against a current rate above the reference's.

    Examples
    --------
    Fisher's tea-tasting lady, who told 3 of 4 cups: 0.243.

    >>> round(rise_p_value(rate(3, 4), rate(1, 4)), 3)
    0.243
    """
    table = np.array([[side.count, side.n - side.count] for side in (current, reference)])
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


class RateDifference(NamedTuple):
    """Current minus reference rate, with Newcombe's hybrid score interval."""

    estimate: float
    low: float
    high: float


def rate_difference(current: Rate, reference: Rate) -> RateDifference:
    """Return the difference of two rates (Newcombe 1998, method 10), at the rates' own confidence.

    Examples
    --------
    Newcombe's example (a): 56/70 against 48/80 gives 0.2 (0.0524 to 0.3339).

    >>> low, high = rate_difference(rate(56, 70), rate(48, 80))[1:]
    >>> print(f"{low:.4f} {high:.4f}")
    0.0524 0.3339
    """
    estimate = current.rate - reference.rate
    return RateDifference(
        estimate,
        estimate - math.hypot(current.rate - current.low, reference.high - reference.rate),
        estimate + math.hypot(current.high - current.rate, reference.rate - reference.low),
    )


def difference_of_shares(
    first: NDArray[np.bool_], second: NDArray[np.bool_], alpha: float = 0.05
) -> Difference:
    """Return the difference of two shares of the same rows.

    The interval is Newcombe's square-and-add interval with a continuity-corrected correlation
    (Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10).

    Parameters
    ----------
    first, second : (n,) bool
        Whether each row is a hit, by the one system and by the other; n at least 1.
    alpha : float
        1 − confidence.

    Examples
    --------
    Of 161 rows 59 are hits by both, 6 by the first alone, 16 by the second alone.

    >>> first = np.repeat([True, True, False, False], [59, 6, 16, 80])
    >>> second = np.repeat([True, False, True, False], [59, 6, 16, 80])
    >>> found = difference_of_shares(first, second)
    >>> round(found.estimate, 4), round(found.low, 4), round(found.high, 4)
    (0.0621, 0.0046, 0.1186)
    """
    n = len(first)
    both = int(np.count_nonzero(first & second))
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(~first & second))
    neither = n - both - only_first - only_second
    hits = [both + only_first, both + only_second]
    intervals = [stats.binomtest(k, n).proportion_ci(1 - alpha, method="wilson") for k in hits]
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
    # As if one of two more rows differed: where none does, the spread is small but not nothing.
    discordant = (only_first + only_second + 1) / (n + 2)
    return Difference(
        estimate,
        estimate - add(below[1], above[0]),
        estimate + add(above[1], below[0]),
        detectable_difference(math.sqrt(discordant / n), alpha),
    )
