"""The two-sample chi-squared test of class and segment mixes, with total variation distance."""

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.stats.ks import POWER, above_underflow

SMALLEST_EXPECTED = 5
"""Expected count below which categories are pooled (Cochran 1954)."""


class ChiSquaredResult(NamedTuple):
    """Chi-squared test of homogeneity of two samples of categories.

    `effect` is the total variation distance, the share of rows by which the two mixes differ;
    `low` and `high` bound that distance between the populations. `categories` is the number of
    categories left after pooling.
    """

    statistic: float
    effect: float
    low: float
    high: float
    p_value: float
    p_value_is_bound: bool
    degrees_of_freedom: int
    categories: int
    n_reference: int
    n_current: int


def chi_squared_test(
    reference: NDArray[np.int64], current: NDArray[np.int64], alpha: float = 0.05
) -> ChiSquaredResult | None:
    """Test whether two samples of categories come from the same mix.

    Pearson's chi-squared test of the 2 × k contingency table treats both sides as samples, rather
    than the reference as the truth. Categories whose expected count is below 5 in either sample are
    pooled, because the chi-squared approximation fails there; the total variation distance is
    computed from the pooled categories too. Its interval comes from the inequality of Bretagnolle,
    Huber and Carol (van der Vaart & Wellner 1996, A.6.6), P(Σ|p̂ − p| ≥ ε) ≤ 2^k exp(−n ε²/2),
    applied to each sample at α/2: it holds at any sample size and is conservative.

    Parameters
    ----------
    reference, current : (k,) int64
        Number of rows in each category, in the same order.
    alpha : float
        1 − confidence of the interval.

    Returns
    -------
    ChiSquaredResult or None
        None if a sample is empty or fewer than two categories remain after pooling.

    Examples
    --------
    >>> result = chi_squared_test(np.array([50, 50]), np.array([70, 30]))
    >>> round(result.statistic, 2), round(result.effect, 2), result.degrees_of_freedom
    (8.33, 0.2, 1)
    """
    n, m = int(reference.sum()), int(current.sum())
    if not n or not m:
        return None
    table = _pool(np.stack([reference, current]))
    k = table.shape[1]
    if k < 2:
        return None
    result = scipy.stats.chi2_contingency(table, correction=False)
    p_value, is_bound = above_underflow(float(result.pvalue))
    effect = float(np.abs(table[0] / n - table[1] / m).sum() / 2)
    band = sum(math.sqrt((k * math.log(2) + math.log(2 / alpha)) / (2 * size)) for size in (n, m))
    return ChiSquaredResult(
        statistic=float(result.statistic),
        effect=effect,
        low=max(0.0, effect - band),
        high=min(1.0, effect + band),
        p_value=p_value,
        p_value_is_bound=is_bound,
        degrees_of_freedom=k - 1,
        categories=k,
        n_reference=n,
        n_current=m,
    )


def minimum_detectable_variation(
    n: int, m: int, degrees_of_freedom: int, alpha: float = 0.05
) -> float:
    """Return the total variation distance that the test at level α detects with 80 % power.

    Two mixes at distance d have Cohen's w ≥ 2d (by Cauchy-Schwarz), so the power at
    non-centrality 4 d² n m/(n + m) is the lowest possible, and the result is an upper bound. It is
    capped at 1.

    Examples
    --------
    >>> round(minimum_detectable_variation(5000, 1000, 9), 3)
    0.069
    """
    critical = scipy.stats.chi2.isf(alpha, degrees_of_freedom)
    noncentrality = float(scipy.special.chndtrinc(critical, degrees_of_freedom, 1 - POWER))
    return min(1.0, math.sqrt(noncentrality * (n + m) / (n * m)) / 2)


def _pool(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pool the rarest categories, last, until every expected count is large enough."""
    table = table[:, table.sum(axis=0) > 0]
    table = table[:, np.argsort(-table.sum(axis=0), kind="stable")]
    smaller_sample = table.sum(axis=1).min() / table.sum()
    rare = table.sum(axis=0) * smaller_sample < SMALLEST_EXPECTED
    if not rare.any():
        return table
    first = int(rare.argmax())
    joint = table[:, first:].sum(axis=1, keepdims=True)
    if first and joint.sum() * smaller_sample < SMALLEST_EXPECTED:
        first -= 1
        joint = table[:, first:].sum(axis=1, keepdims=True)
    return np.hstack([table[:, :first], joint])
