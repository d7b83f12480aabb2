"""The chi-squared test of a mix against closed forms, and the laws of its effect."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from drift_monitor.stats.chi_squared import (
    ChiSquaredResult,
    chi_squared_test,
    minimum_detectable_variation,
)

Counts = NDArray[np.int64]
filled = st.integers(1, 8).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 300), min_size=k, max_size=k)] * 2)
)


def made(reference: Counts, current: Counts, alpha: float = 0.05) -> ChiSquaredResult:
    found = chi_squared_test(reference, current, alpha)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("reference", "current"), [([50, 50], [70, 30]), ([500, 300, 200], [40, 40, 20])]
)
def test_the_statistic_is_pearsons_of_the_contingency_table(
    reference: list[int], current: list[int]
) -> None:
    table = np.array([reference, current], np.float64)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = ((table - expected) ** 2 / expected).sum()
    found = made(*table.astype(np.int64))
    assert found.statistic == pytest.approx(statistic)
    assert found.degrees_of_freedom == len(reference) - 1
    # The survival function of chi-squared with one and with two degrees of freedom.
    p = math.erfc(math.sqrt(statistic / 2)) if len(reference) == 2 else math.exp(-statistic / 2)
    assert found.p_value == pytest.approx(p)
    assert not found.p_value_is_bound


@given(sides=filled)
def test_the_effect_is_the_largest_difference_of_any_set_of_categories(
    sides: tuple[list[int], list[int]],
) -> None:
    reference, current = np.array(sides) + 10  # no category is pooled
    if len(reference) < 2:
        assert chi_squared_test(reference, current) is None
        return
    p, q = reference / reference.sum(), current / current.sum()
    subsets = range(2 ** len(p))
    chosen = [[bool(subset >> i & 1) for i in range(len(p))] for subset in subsets]
    found = chi_squared_test(reference, current)
    assume(found is not None and found.categories == len(p))
    assert found is not None
    assert found.effect == pytest.approx(max(p[c].sum() - q[c].sum() for c in chosen))
    assert found.low <= found.effect <= found.high


@given(sides=filled)
def test_the_test_is_symmetric_and_ignores_the_order_of_categories(
    sides: tuple[list[int], list[int]],
) -> None:
    reference, current = np.array(sides)
    found = chi_squared_test(reference, current)
    swapped = chi_squared_test(current, reference)
    order = np.random.default_rng(0).permutation(len(reference))
    shuffled = chi_squared_test(reference[order], current[order])
    if found is None:
        assert swapped is None
        assert shuffled is None
        return
    assert swapped is not None
    assert shuffled is not None
    for other in (swapped, shuffled):
        assert other.p_value == pytest.approx(found.p_value)
        assert other.effect == pytest.approx(found.effect)


@given(sides=filled)
def test_no_category_is_tested_with_fewer_expected_rows_than_five(
    sides: tuple[list[int], list[int]],
) -> None:
    reference, current = np.array(sides)
    found = chi_squared_test(reference, current)
    if found is None or found.categories == 2:  # two are needed, whatever they hold
        return
    smaller = min(found.n_reference, found.n_current)
    # k categories of at least 5 expected rows each need 5 k rows in the smaller sample.
    assert smaller >= 5 * found.categories - 1e-9


def test_rare_categories_are_pooled_not_dropped() -> None:
    reference, current = np.array([400, 400, 3, 2, 1, 4]), np.array([395, 390, 2, 4, 5, 3])
    found = made(reference, current)
    assert found.categories == 3
    assert (found.n_reference, found.n_current) == (reference.sum(), current.sum())
    joint = np.array([[400, 400, 10], [395, 390, 14]])
    assert found.p_value == pytest.approx(stats.chi2_contingency(joint, correction=False).pvalue)


@pytest.mark.parametrize(
    ("reference", "current"),
    [([0, 0], [5, 5]), ([5, 5], [0, 0]), ([100, 0], [90, 0]), ([2, 1], [1, 1]), ([], [])],
)
def test_there_is_no_test_without_rows_or_without_two_categories(
    reference: list[int], current: list[int]
) -> None:
    assert chi_squared_test(np.array(reference, np.int64), np.array(current, np.int64)) is None


def test_a_p_value_below_the_smallest_float_is_a_bound_and_not_zero() -> None:
    found = made(np.array([100_000, 100]), np.array([100, 100_000]))
    assert 0 < found.p_value < 1e-300
    assert found.p_value_is_bound


@pytest.mark.parametrize(("n", "m"), [(5000, 1000), (1000, 100_000)])
def test_equal_mixes_are_rejected_no_more_often_than_alpha(n: int, m: int) -> None:
    """Against a test that takes the reference for the truth: it rejects far more of these."""
    rng = np.random.default_rng(0)
    p = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    rejected = sum(
        made(rng.multinomial(n, p), rng.multinomial(m, p)).p_value < 0.05 for _ in range(600)
    )
    assert rejected / 600 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_interval_holds_the_populations_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(4, 3.0), 2)
    reference, current = rng.multinomial(3000, p), rng.multinomial(800, q)
    found = made(reference, current)
    if found.categories == 4:
        assert found.low - 1e-12 <= np.abs(p - q).sum() / 2 <= found.high + 1e-12


@pytest.mark.parametrize("k", [2, 10])
def test_the_minimum_detectable_distance_is_found_with_the_stated_power(k: int) -> None:
    n, m, alpha = 4000, 900, 0.01
    d = minimum_detectable_variation(n, m, k - 1, alpha)
    # The least visible move of d: between categories of one half of the rows and the other.
    p = np.full(k, 1 / k)
    q = p + np.where(np.arange(k) < k / 2, 1, -1) * 2 * d / k
    rng = np.random.default_rng(0)
    found = np.mean(
        [made(rng.multinomial(n, p), rng.multinomial(m, q)).p_value < alpha for _ in range(400)]
    )
    assert 0.76 < found < 0.9


def test_more_rows_detect_smaller_distances_and_none_is_above_one() -> None:
    assert minimum_detectable_variation(3, 3, 9) == 1
    distances = [minimum_detectable_variation(n, n, 3) for n in (50, 500, 5000)]
    assert distances == sorted(distances, reverse=True)
