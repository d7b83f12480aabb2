"""The KS test against definitions too slow to use, its laws, and its promises by simulation."""

import math
import sys
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp, kstwobign

from drift_monitor.stats.ks import (
    EXACT_UP_TO,
    POWER,
    ks_test,
    ks_test_from_counts,
    minimum_detectable_d,
)
from drift_monitor.stats.multiple_testing import holm

Sample = NDArray[np.float64]


def samples(min_size: int = 1, max_size: int = 30) -> st.SearchStrategy[Sample]:
    """Return samples of small whole numbers, so that ties are frequent."""
    values = st.lists(st.integers(-8, 8), min_size=min_size, max_size=max_size)
    return values.map(lambda numbers: np.array(numbers, np.float64))


def distance_at(value: float, a: Sample, b: Sample) -> float:
    share_a, share_b = (float(sum(x <= value for x in s)) / len(s) for s in (a, b))
    return abs(share_a - share_b)


# The statistic


@given(a=samples(), b=samples())
def test_d_is_the_largest_distance_of_the_distribution_functions(a: Sample, b: Sample) -> None:
    result = ks_test(a, b)
    assert result.statistic == pytest.approx(max(distance_at(value, a, b) for value in [*a, *b]))
    assert result.statistic == pytest.approx(distance_at(result.location, a, b))
    assert (result.n_reference, result.n_current) == (len(a), len(b))


@given(a=samples(min_size=2), b=samples(min_size=2))
def test_of_many_rows_it_is_the_test_of_scipy(a: Sample, b: Sample) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drift_monitor.stats.ks.EXACT_UP_TO", 0)
        result = ks_test(a, b)
    expected = ks_2samp(a, b, method="asymp")
    assert result.method == "asymptotic"
    assert result.statistic == expected.statistic
    assert result.location == expected.statistic_location
    smallest = 2 / math.comb(len(a) + len(b), len(a))
    assert result.p_value == pytest.approx(max(expected.pvalue, smallest))


@given(a=samples(), b=samples())
def test_the_test_is_symmetric_in_its_samples(a: Sample, b: Sample) -> None:
    there, back = ks_test(a, b), ks_test(b, a)
    assert there.statistic == back.statistic
    assert there.p_value == pytest.approx(back.p_value, rel=1e-12)
    assert (there.low, there.high) == pytest.approx((back.low, back.high))


@given(a=samples(), b=samples())
@pytest.mark.parametrize(
    "transform",
    [lambda x: x**3, np.exp, lambda x: 2 * x + 5],
    ids=["cube", "exponential", "affine"],
)
def test_a_strictly_increasing_transform_changes_nothing_but_the_location(
    transform: Callable[[Sample], Sample], a: Sample, b: Sample
) -> None:
    plain, other = ks_test(a, b), ks_test(transform(a), transform(b))
    assert other == plain._replace(location=float(transform(np.array([plain.location]))[0]))


# The p-value


@settings(max_examples=40)
@given(sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)), seed=st.integers(0, 10**6))
def test_the_exact_p_value_is_the_share_of_splits_as_far_apart(
    sizes: tuple[int, int], seed: int
) -> None:
    n, m = sizes
    pooled = np.random.default_rng(seed).permutation(n + m).astype(float)
    result = ks_test(pooled[:n], pooled[n:])
    splits = list(combinations(range(n + m), n))
    far = 0
    for chosen in splits:
        rest = [i for i in range(n + m) if i not in chosen]
        a, b = np.array(chosen, float), np.array(rest, float)
        far += max(distance_at(v, a, b) for v in range(n + m)) >= result.statistic - 1e-9
    # SciPy rounds a probability of 1 beyond 1 now and then, and then gives the asymptotic one: 1.
    assert result.method == "exact" or far == len(splits)
    assert result.p_value == pytest.approx(far / len(splits))


def test_large_samples_have_an_asymptotic_p_value() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=EXACT_UP_TO), rng.normal(0.03, size=EXACT_UP_TO + 1)
    exact, asymptotic = ks_test(a, b[1:]), ks_test(a, b)
    assert (exact.method, asymptotic.method) == ("exact", "asymptotic")
    n, m = len(a), len(b)
    expected = kstwobign.sf(asymptotic.statistic * math.sqrt(n * m / (n + m)))
    assert asymptotic.p_value == pytest.approx(expected, rel=0.1)
    assert asymptotic.p_value == pytest.approx(exact.p_value, rel=0.1)


@pytest.mark.parametrize(("n", "m"), [(20_000, 1), (20_000, 3), (1, 20_000), (2, 5), (300, 2)])
def test_a_small_sample_gives_no_smaller_p_value_than_it_can(n: int, m: int) -> None:
    # Of the C(n+m, n) orders of the values, equally likely under the null, two have D = 1.
    result = ks_test(np.arange(float(n)), n + np.arange(float(m)))
    assert result.statistic == 1
    assert result.p_value >= 0.99 * 2 / math.comb(n + m, m)


@pytest.mark.parametrize(("n", "m"), [(30, 50), (400, 100)])
def test_the_test_rejects_equal_populations_no_more_often_than_alpha(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    p_values = [ks_test(rng.random(n), rng.random(m)).p_value for _ in range(500)]
    for alpha in (0.05, 0.2):
        assert np.mean(np.array(p_values) < alpha) < alpha + 3 * math.sqrt(alpha / 500)


# The interval of D


@given(a=samples(), b=samples(), alpha=st.sampled_from([0.01, 0.05, 0.3]))
def test_the_interval_of_d_adds_the_two_dkw_bands(a: Sample, b: Sample, alpha: float) -> None:
    result = ks_test(a, b, alpha)
    # P(sup |F_n − F| > ε) ≤ 2 exp(−2nε²), set to α/2 for each sample.
    band = sum(math.sqrt(-math.log(alpha / 2 / 2) / 2 / len(sample)) for sample in (a, b))
    assert result.low == pytest.approx(max(0, result.statistic - band))
    assert result.high == pytest.approx(min(1, result.statistic + band))
    assert 0 <= result.low <= result.statistic <= result.high <= 1


@pytest.mark.parametrize("d", [0.0, 0.1, 0.4, 0.95])
def test_the_interval_of_d_holds_the_populations_d_at_least_as_often_as_it_says(d: float) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        result = ks_test(rng.random(60), rng.random(90) + d, 0.2)
        held += result.low <= d <= result.high
    assert held / 300 >= 0.8


# The minimum detectable D


def shifted(d: float, size: int, rng: np.random.Generator) -> Sample:
    """Draw from a uniform distribution, shifted by `d`: it is `d` from the unshifted one."""
    return rng.random(size) + d


def mixed(d: float, size: int, rng: np.random.Generator) -> Sample:
    """Draw from the uniform distribution, but a share `d` of the rows from beyond it."""
    return rng.random(size) + (rng.random(size) < d)


def peaked(d: float, size: int, rng: np.random.Generator) -> Sample:
    """Draw so that the distance from the uniform distribution is `d` at the median alone.

    That is the hardest case: there the empirical distance varies most.
    """
    u = rng.random(size)
    return np.interp(u, [0, 0.5 + d, 1], [0, 0.5, 1])


@pytest.mark.parametrize("draw", [shifted, mixed, peaked], ids=lambda draw: draw.__name__)
@pytest.mark.parametrize(
    ("n", "m", "alpha"), [(50, 50, 0.05), (200, 60, 0.05), (500, 500, 0.05 / 3)]
)
def test_the_minimum_detectable_d_is_found_with_the_stated_power(
    draw: Callable[[float, int, np.random.Generator], Sample], n: int, m: int, alpha: float
) -> None:
    rng = np.random.default_rng(0)
    d = minimum_detectable_d(n, m, alpha)
    found = [ks_test(rng.random(n), draw(d, m, rng), alpha).p_value < alpha for _ in range(200)]
    assert np.mean(found) >= POWER


@given(n=st.integers(1, 10**6), m=st.integers(1, 10**6), alpha=st.sampled_from([0.01, 0.05]))
def test_more_rows_or_a_laxer_level_detect_smaller_d(n: int, m: int, alpha: float) -> None:
    d = minimum_detectable_d(n, m, alpha)
    assert 0 < d <= 1
    assert d == minimum_detectable_d(m, n, alpha)
    assert minimum_detectable_d(2 * n, m, alpha) <= d
    assert minimum_detectable_d(n, m, 2 * alpha) <= d
    if d < 1:
        assert minimum_detectable_d(4 * n, 4 * m, alpha) == pytest.approx(d / 2)


# Holm's adjustment

# Multiples of a power of two, so that products with small whole numbers are exact.
levels = st.integers(0, 1024).map(lambda k: k / 1024)


def rejected(p_values: list[float], alpha: float) -> list[bool]:
    """Step down from the smallest p-value until one is not below its level (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    found = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] * (len(p_values) - rank) > alpha:
            break
        found[index] = True
    return found


@given(p_values=st.lists(levels, max_size=6), alpha=levels.filter(lambda level: level < 1))
def test_an_adjusted_value_is_the_level_at_which_holms_procedure_rejects(
    p_values: list[float], alpha: float
) -> None:
    assert [p <= alpha for p in holm(p_values)] == rejected(p_values, alpha)


@given(p_values=st.lists(st.floats(0, 1), max_size=10))
def test_adjusted_values_keep_their_order_and_lie_between_p_and_1(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert len(adjusted) == len(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    by_p = [adjusted[i] for i in np.argsort(p_values, kind="stable")]
    assert by_p == sorted(by_p)


@given(p_values=st.lists(st.floats(0, 1), max_size=8), data=st.data())
def test_the_order_of_the_tests_does_not_matter(p_values: list[float], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(p_values))))
    adjusted = holm(p_values)
    assert holm([p_values[i] for i in order]) == [adjusted[i] for i in order]


# Errors

GOOD = np.arange(5.0)


@pytest.mark.parametrize(
    ("reference", "current", "message"),
    [
        ([], GOOD, "the reference sample is empty"),
        (GOOD, [], "the current sample is empty"),
        ([0, math.nan], GOOD, "the reference sample has values that are not finite"),
        (GOOD, [0, math.nan], "the current sample has values that are not finite"),
        (GOOD, [0, math.inf], "the current sample has values that are not finite"),
        ([-math.inf], GOOD, "the reference sample has values that are not finite"),
    ],
)
def test_a_sample_that_cannot_be_tested_is_named(
    reference: Sample, current: Sample, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ks_test(np.asarray(reference, float), np.asarray(current, float))


# From counts


@given(a=samples(), b=samples())
def test_counts_at_d_give_the_test_of_the_samples(a: Sample, b: Sample) -> None:
    expected = ks_test(a, b, 0.1)
    at_or_below = tuple(int(np.count_nonzero(side <= expected.location)) for side in (a, b))
    found = ks_test_from_counts(
        (at_or_below[0], at_or_below[1]), (len(a), len(b)), expected.location, 0.1
    )
    assert found == expected


@pytest.mark.parametrize("n", [300, EXACT_UP_TO + 1])
@pytest.mark.parametrize("shift", [0, 0.05, 20])
def test_counts_give_the_asymptotic_test_too(n: int, shift: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=n), rng.normal(size=400) + shift
    expected = ks_2samp(a, b, method="asymp")
    location = float(expected.statistic_location)
    at_or_below = int(np.count_nonzero(a <= location)), int(np.count_nonzero(b <= location))
    found = ks_test_from_counts(at_or_below, (n, 400), location, exact=False)
    assert found.method == "asymptotic"
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(max(expected.pvalue, sys.float_info.min), rel=1e-6)
