"""The two-sample Kolmogorov-Smirnov test, with the effect size that makes it readable."""

import math
import sys
import warnings
from contextlib import suppress
from typing import Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

EXACT_UP_TO = 10_000
"""Sample size up to which SciPy computes the p-value exactly."""

POWER = 0.8
"""Power at which the minimum detectable D is stated."""


class KSResult(NamedTuple):
    """Two-sample KS test of a current against a reference sample.

    `statistic` is D, the largest vertical distance between the two empirical distribution
    functions, reached at `location`; `low` and `high` bound the D of the two populations. If
    `p_value_is_bound`, p is too small for a float, and `p_value` is the smallest float.
    """

    statistic: float
    low: float
    high: float
    location: float
    p_value: float
    p_value_is_bound: bool
    method: Literal["exact", "asymptotic"]
    n_reference: int
    n_current: int


def ks_test(
    reference: NDArray[np.float64], current: NDArray[np.float64], alpha: float = 0.05
) -> KSResult:
    """Test whether two samples come from the same distribution (two-sided; `scipy.stats.ks_2samp`).

    The interval for D comes from the Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant,
    applied to each sample at α/2: it holds for any two distributions at any sample size, and is
    conservative.

    Parameters
    ----------
    reference, current : (n,), (m,) float64
        The two samples: finite values, at least one in each.
    alpha : float
        1 − confidence of the interval for D.

    Raises
    ------
    ValueError
        If a sample is empty or has a value that is not finite.

    Examples
    --------
    >>> result = ks_test(np.arange(100.0), np.arange(100.0) + 30)
    >>> round(result.statistic, 3), result.method, result.n_current
    (0.3, 'exact', 100)
    """
    for name, sample in (("reference", reference), ("current", current)):
        if not len(sample):
            raise ValueError(f"the {name} sample is empty")
        if not np.isfinite(sample).all():
            raise ValueError(f"the {name} sample has values that are not finite")
    sizes = (len(reference), len(current))
    if max(sizes) <= EXACT_UP_TO:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            # SciPy warns if it cannot finish the exact computation.
            with suppress(RuntimeWarning):
                result = scipy.stats.ks_2samp(reference, current, method="exact")
                found = (float(result.statistic), float(result.statistic_location))
                return _result(found, float(result.pvalue), "exact", sizes, alpha)
    location, at_or_below = _farthest_apart(np.sort(reference), np.sort(current))
    return ks_test_from_counts(at_or_below, sizes, location, alpha, exact=False)


def _farthest_apart(
    reference: NDArray[np.float64], current: NDArray[np.float64]
) -> tuple[float, tuple[int, int]]:
    """Return where D of two sorted samples is reached, and how many of each lie there or below.

    It is the place that `ks_2samp` finds, which looks at every value. But between two neighbours of
    one sample its distribution function stays, so that the other's is farthest above it at the last
    value before the second of them, and farthest below at the first.
    """
    few, many = sorted((reference, current), key=len)
    before = np.searchsorted(many, few, side="left") - 1
    values = np.unique(np.concatenate([few, many[before[before >= 0]], many[-1:]]))
    i, j = (np.searchsorted(sample, values, side="right") for sample in (reference, current))
    difference = i / len(reference) - j / len(current)
    # Of several places, SciPy takes the first of the reference's values, before the current ones.
    first = np.argsort(reference[np.maximum(i - 1, 0)] != values, kind="stable")
    lowest, highest = (first[find(difference[first])] for find in (np.argmin, np.argmax))
    at = lowest if -difference[lowest] > difference[highest] else highest
    return float(values[at]), (int(i[at]), int(j[at]))


def ks_test_from_counts(
    at_or_below: tuple[int, int],
    sizes: tuple[int, int],
    location: float,
    alpha: float = 0.05,
    *,
    exact: bool = True,
) -> KSResult:
    """Make the test of samples that are known only where their distance is greatest.

    D and the sizes are all that p depends on, so this is `ks_test` of the samples themselves.

    Parameters
    ----------
    at_or_below : (int, int)
        Values of the reference, and of the current sample, at or below `location`.
    sizes : (int, int)
        Their numbers of values, n and m, at least 1.
    location : float
        Where D is reached.
    alpha : float
        1 − confidence of the interval for D.
    exact : bool
        Compute p exactly where both samples have up to 10,000 values; it can take 30 ms.

    Examples
    --------
    >>> round(ks_test_from_counts((100, 70), (100, 100), location=99.0).statistic, 3)
    0.3
    """
    (i, j), (n, m) = at_or_below, sizes
    if exact and max(n, m) <= EXACT_UP_TO:
        reference = np.repeat([0.0, 1.0], [i, n - i])
        current = np.repeat([0.0, 1.0], [j, m - j])
        return ks_test(reference, current, alpha)._replace(location=location)
    statistic = abs(i / n - j / m)
    # As `ks_2samp` does by method="asymp".
    p_value = float(scipy.stats.kstwo.sf(statistic, np.round(n * m / (n + m))))
    return _result((statistic, location), p_value, "asymptotic", sizes, alpha)


def _result(
    found: tuple[float, float],
    p_value: float,
    method: Literal["exact", "asymptotic"],
    sizes: tuple[int, int],
    alpha: float,
) -> KSResult:
    """Return the result of D and its location, with the interval for D."""
    (statistic, location), (n, m) = found, sizes
    if method == "asymptotic":
        # Of all orderings of the two samples, two have D = 1, so no p-value is smaller than this.
        log_orderings = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
        p_value = max(p_value, 2 * math.exp(-log_orderings))
    p_value, is_bound = above_underflow(p_value)
    band = sum(math.sqrt(math.log(4 / alpha) / (2 * size)) for size in (n, m))
    return KSResult(
        statistic=statistic,
        low=max(0.0, statistic - band),
        high=min(1.0, statistic + band),
        location=location,
        p_value=p_value,
        p_value_is_bound=is_bound,
        method=method,
        n_reference=n,
        n_current=m,
    )


def above_underflow(p_value: float) -> tuple[float, bool]:
    """Return a p-value above zero, and whether it is only a bound because the true one underflows.

    Examples
    --------
    >>> above_underflow(0.03), above_underflow(0.0)
    ((0.03, False), (2.2250738585072014e-308, True))
    """
    smallest = sys.float_info.min
    return max(p_value, smallest), p_value < smallest


def minimum_detectable_d(n: int, m: int, alpha: float = 0.05) -> float:
    """Return the D between two populations that the test at level α detects with 80 % power.

    It is the critical value of D plus the 80 % quantile of the empirical distance at one point,
    whose variance is at most (1/n + 1/m)/4: an upper bound, asymptotic in n and m, capped at 1.

    Examples
    --------
    >>> round(minimum_detectable_d(5000, 5000), 3)
    0.036
    """
    critical = float(scipy.stats.kstwobign.isf(alpha)) * math.sqrt((n + m) / (n * m))
    return min(1.0, critical + float(scipy.stats.norm.ppf(POWER)) * math.sqrt((1 / n + 1 / m) / 4))
