"""The order-statistic rule, and the coverage of the interval for the rate it will have."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from adversarial.bundle import threshold
from adversarial.bundle.threshold import (
    describe_threshold,
    false_positive_rate,
    threshold_from_scores,
)
from adversarial.errors import ModelError

REPLICATIONS = 2000


def test_the_examples_hold() -> None:
    tried = doctest.testmod(threshold)
    assert tried.attempted > 3
    assert not tried.failed


@given(
    st.lists(st.floats(0, 16), min_size=1, max_size=60),
    st.sampled_from([0.01, 0.05, 0.07, 0.29, 0.5, 0.99]),
)
def test_the_threshold_is_the_smallest_score_exceeded_by_at_most_the_share(
    values: list[float], fpr: float
) -> None:
    scores = np.array(values)
    if fpr * len(scores) < 1 - 1e-9:
        with pytest.raises(ModelError, match="normal rows or a larger rate"):
            threshold_from_scores(scores, fpr)
        return
    t = threshold_from_scores(scores, fpr)
    allowed = round(fpr * len(scores), 6)
    assert t in scores
    assert np.count_nonzero(scores > t) <= allowed
    lower = scores[scores < t]
    assert not len(lower) or np.count_nonzero(scores > lower.max()) > allowed


@pytest.mark.parametrize("fpr", [0.07, 0.29])
def test_rounding_takes_no_row_away(fpr: float) -> None:
    scores = np.arange(100.0)
    assert np.count_nonzero(scores > threshold_from_scores(scores, fpr)) == round(100 * fpr)


@pytest.mark.parametrize("n", [1, 20, 5000])
def test_the_interval_above_the_largest_score_has_a_closed_form(n: int) -> None:
    """Of n rows none is above the largest; Beta(1, n) has the quantiles 1 − (1 − q)^(1/n)."""
    rate = false_positive_rate(np.arange(float(n)), float(n - 1))
    assert (rate.n_above, rate.n) == (0, n)
    expected = [-math.expm1(math.log1p(-q) / n) for q in (0.025, 0.975)]
    assert [rate.low, rate.high] == pytest.approx(expected)


@pytest.mark.parametrize(("n_above", "n"), [(0, 10), (8, 160), (250, 5000), (98, 100)])
def test_the_interval_agrees_with_the_binomial_one(n_above: int, n: int) -> None:
    """The rate above an order statistic lies between two ends of Clopper and Pearson's."""
    rate = false_positive_rate(np.arange(float(n)), float(n - 1 - n_above))
    assert rate.high == pytest.approx(binomtest(n_above, n).proportion_ci(0.95).high)
    assert rate.low == pytest.approx(binomtest(n_above + 1, n).proportion_ci(0.95).low)


@pytest.mark.parametrize(("n", "fpr"), [(100, 0.01), (200, 0.05), (1000, 0.2)])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_the_interval_covers_the_rate_on_new_rows(n: int, fpr: float, confidence: float) -> None:
    """Scores are exponential, so that the true rate above t is exp(−t)."""
    rng = np.random.default_rng(0)
    below = above = 0
    for _ in range(REPLICATIONS):
        scores = rng.exponential(size=n)
        t = threshold_from_scores(scores, fpr)
        rate = false_positive_rate(scores, t, confidence)
        below += math.exp(-t) < rate.low
        above += math.exp(-t) > rate.high
    tail = (1 - confidence) / 2
    tolerance = 3.5 * math.sqrt(tail / REPLICATIONS)
    assert below / REPLICATIONS == pytest.approx(tail, abs=tolerance)
    assert above / REPLICATIONS == pytest.approx(tail, abs=tolerance)


def test_the_upper_end_holds_where_scores_are_tied() -> None:
    """Scores take the values 0, 1, 2, …: the true rate above t is exp(−(t + 1))."""
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(REPLICATIONS):
        scores = np.floor(rng.exponential(size=200))
        t = threshold_from_scores(scores, 0.05)
        above += math.exp(-(t + 1)) > false_positive_rate(scores, t).high
    assert above / REPLICATIONS < 0.025 + 0.012


def test_a_threshold_below_every_score_is_refused() -> None:
    with pytest.raises(ModelError, match="none of 3 normal rows"):
        false_positive_rate(np.array([1.0, 2.0, 3.0]), 0.5)


def test_the_description_names_threshold_share_and_interval() -> None:
    text = describe_threshold(4749.0, 0.05, np.arange(5000.0))
    for part in ("4749 nats", "ε_FPR 0.05", "250 of 5,000", "4.43% to 5.64%", "95%"):
        assert part in text
