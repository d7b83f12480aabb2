"""Splits against a slow definition; Wilson and Newcombe against closed forms and their laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from drift_monitor.analysis.harm import (
    HARMFUL,
    HARMLESS,
    LEFT_OUT,
    harm_rate,
    split_by_detector,
    split_by_labels,
    split_paired,
)
from drift_monitor.stats.estimates import Rate
from drift_monitor.stats.proportions import rate_difference
from tests.support.analysis.estimates import ends, negated

alphas = st.sampled_from([0.01, 0.05, 0.2])
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def rate(harmful: int, n: int, alpha: float = 0.05, left_out: int = 0) -> Rate:
    outcome = np.repeat([HARMFUL, HARMLESS, LEFT_OUT], [harmful, n - harmful, left_out])
    found = harm_rate(outcome.astype(np.int8), alpha)
    assert found is not None
    return found


def wilson(harmful: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the interval by Wilson (1927), equation for the roots of a quadratic."""
    p, z = harmful / n, norm.isf(alpha / 2)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


# Splits, one row at a time


def by_labels(prediction: int, label: int) -> int:
    if label < 0:
        return LEFT_OUT
    return HARMLESS if prediction == label else HARMFUL


def paired(prediction: int, label: int, clean: int) -> int:
    if label < 0 or clean < 0:
        return LEFT_OUT
    if clean == label and prediction != label:
        return HARMFUL
    return HARMLESS if prediction == clean else LEFT_OUT


known = st.integers(0, 2)
maybe = st.integers(-1, 2)


@given(rows=st.lists(st.tuples(known, maybe)))
def test_the_split_by_labels_is_its_definition_row_by_row(rows: list[tuple[int, int]]) -> None:
    prediction, label = np.array(rows, np.int64).reshape(-1, 2).T
    outcome = split_by_labels(prediction, label)
    assert outcome.dtype == np.int8
    assert outcome.tolist() == [by_labels(*row) for row in rows]


@given(rows=st.lists(st.tuples(known, maybe, maybe)))
def test_the_paired_split_is_its_definition_row_by_row(rows: list[tuple[int, int, int]]) -> None:
    prediction, label, clean = np.array(rows, np.int64).reshape(-1, 3).T
    outcome = split_paired(prediction, label, clean)
    assert outcome.dtype == np.int8
    assert outcome.tolist() == [paired(*row) for row in rows]


@given(rows=st.lists(st.tuples(st.booleans(), known, known)))
def test_the_split_by_the_detector_is_its_definition_row_by_row(
    rows: list[tuple[bool, int, int]],
) -> None:
    flagged, prediction, corrected = np.array(rows, np.int64).reshape(-1, 3).T
    outcome = split_by_detector(flagged.astype(bool), prediction, corrected)
    assert outcome.dtype == np.int8
    assert outcome.tolist() == [int(f and p != c) for f, p, c in rows]


# Rates


@given(count=counts, alpha=alphas, left_out=st.integers(0, 9))
def test_the_rate_has_wilsons_interval_over_the_rows_not_left_out(
    count: tuple[int, int], alpha: float, left_out: int
) -> None:
    harmful, n = count
    found = rate(harmful, n, alpha, left_out)
    assert (found.count, found.n, found.rate) == (harmful, n, harmful / n)
    assert (found.low, found.high) == pytest.approx(wilson(harmful, n, alpha), abs=1e-12)


@given(count=counts, alpha=alphas)
def test_the_interval_of_a_rate_holds_it_and_stays_within_0_and_1(
    count: tuple[int, int], alpha: float
) -> None:
    found = rate(*count, alpha)
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.low < found.high


@pytest.mark.parametrize("outcome", [[], [LEFT_OUT], [LEFT_OUT] * 5])
def test_there_is_no_rate_where_every_row_is_left_out(outcome: list[int]) -> None:
    assert harm_rate(np.array(outcome, np.int8)) is None


# Differences


@pytest.mark.parametrize(
    ("current", "reference", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:873–890, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_newcombes_published_intervals_are_met(
    current: tuple[int, int], reference: tuple[int, int], low: float, high: float
) -> None:
    found = rate_difference(rate(*current), rate(*reference))
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@given(a=counts, b=counts, alpha=alphas)
def test_the_interval_of_a_difference_is_newcombes_of_two_wilson_intervals(
    a: tuple[int, int], b: tuple[int, int], alpha: float
) -> None:
    found = rate_difference(rate(*a, alpha), rate(*b, alpha))
    p, q = a[0] / a[1], b[0] / b[1]
    (l1, u1), (l2, u2) = wilson(*a, alpha), wilson(*b, alpha)
    low = p - q - math.sqrt((p - l1) ** 2 + (u2 - q) ** 2)
    high = p - q + math.sqrt((u1 - p) ** 2 + (q - l2) ** 2)
    assert ends(found) == pytest.approx((p - q, low, high), abs=1e-9)


@given(a=counts, b=counts, alpha=alphas)
def test_swapping_the_rates_negates_the_interval(
    a: tuple[int, int], b: tuple[int, int], alpha: float
) -> None:
    there = rate_difference(rate(*a, alpha), rate(*b, alpha))
    back = rate_difference(rate(*b, alpha), rate(*a, alpha))
    assert ends(back) == pytest.approx(negated(there), abs=1e-12)


@given(a=counts, b=counts, alpha=alphas)
def test_the_interval_of_a_difference_holds_it_and_stays_within_minus_1_and_1(
    a: tuple[int, int], b: tuple[int, int], alpha: float
) -> None:
    found = rate_difference(rate(*a, alpha), rate(*b, alpha))
    assert found.low <= found.estimate <= found.high
    assert found.low >= -1 - 1e-12
    assert found.high <= 1 + 1e-12


def test_a_difference_of_equal_rates_is_not_above_zero() -> None:
    same = rate(30, 1000)
    assert rate_difference(same, same).low < 0 < rate_difference(same, same).high


def test_the_interval_of_a_difference_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    p, n, q, m = 0.08, 300, 0.03, 900
    repeats = 500
    held = 0
    for k, j in zip(rng.binomial(n, p, repeats), rng.binomial(m, q, repeats), strict=True):
        found = rate_difference(rate(int(k), n, 0.1), rate(int(j), m, 0.1))
        held += found.low <= p - q <= found.high
    assert 0.86 < held / repeats < 0.94
