"""LORD++ against its formula, and the false discovery rate that it promises."""

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.stats import multiple_testing
from drift_monitor.stats.multiple_testing import lord

ALPHA = 0.05


def gamma(t: int) -> float:
    return 0.07720838 * math.log(max(t, 2)) / (t * math.exp(math.sqrt(math.log(t))))


def slow_levels(p_values: list[float], alpha: float) -> list[float]:
    """The levels, each summed anew from the formula."""
    w0 = alpha / 2
    rejected_at: list[int] = []
    levels = []
    for t, p in enumerate(p_values, start=1):
        level = gamma(t) * w0
        for place, tau in enumerate(rejected_at):
            level += ((alpha - w0) if place == 0 else alpha) * gamma(t - tau)
        levels.append(level)
        if p <= level:
            rejected_at.append(t)
    return levels


def rejected(p_values: list[float | None], alpha: float = ALPHA) -> list[bool]:
    return [decision.rejected for decision in lord(p_values, alpha) if decision]


def test_the_examples_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(multiple_testing)
    assert (tried.failed, tried.attempted) == (0, 2)


def test_gamma_is_a_decreasing_sequence_that_sums_to_no_more_than_1() -> None:
    n = 1_000_000
    sequence = multiple_testing._gamma(n)
    assert all(before > after for before, after in pairwise(sequence[:1000].tolist()))
    # The rest is at most the integral from n on, by u = √log t: 2 ∫ u³ exp(−u) du.
    u = math.sqrt(math.log(n))
    tail = 0.07720838 * 2 * math.exp(-u) * (u**3 + 3 * u**2 + 6 * u + 6)
    assert 0.95 < sequence.sum() + tail <= 1


def test_the_first_levels_are_those_computed_by_hand() -> None:
    found = lord([0.0, 0.9, 0.0, 0.9], ALPHA)
    g1, g2, g3, g4 = (gamma(t) for t in (1, 2, 3, 4))
    assert g1 == pytest.approx(0.0535168, abs=1e-7)
    expected = [
        0.025 * g1,
        0.025 * g2 + 0.025 * g1,
        0.025 * g3 + 0.025 * g2,
        0.025 * g4 + 0.025 * g3 + 0.05 * g1,
    ]
    assert [d.level for d in found if d] == pytest.approx(expected, rel=1e-12)
    assert [d.rejected for d in found if d] == [True, False, True, False]


@given(st.lists(st.floats(0, 1) | st.floats(0, 0.003), max_size=60), st.floats(0.01, 0.5))
def test_every_level_is_that_of_the_formula(p_values: list[float], alpha: float) -> None:
    found = [d.level for d in lord(list(p_values), alpha) if d]
    assert found == pytest.approx(slow_levels(p_values, alpha), rel=1e-9)


@given(st.lists(st.none() | st.floats(0, 0.01), max_size=40))
def test_a_missing_p_value_changes_nothing_for_the_others(p_values: list[float | None]) -> None:
    found = lord(p_values, ALPHA)
    assert [d is None for d in found] == [p is None for p in p_values]
    assert [d for d in found if d] == lord([p for p in p_values if p is not None], ALPHA)


@given(st.lists(st.floats(0, 0.01), min_size=1, max_size=30), st.integers(0, 29))
def test_a_decision_does_not_depend_on_what_comes_later(p_values: list[float], n: int) -> None:
    assert lord(list(p_values[:n]), ALPHA) == lord(list(p_values), ALPHA)[:n]


def test_the_order_counts() -> None:
    """An early discovery pays for a later one; the same two in the other order are one."""
    assert rejected([0.0001, 0.0015]) == [True, True]
    assert rejected([0.0015, 0.0001]) == [False, True]


def test_where_nothing_ever_happens_there_is_hardly_an_alarm() -> None:
    """With nulls only the FDR is the chance of any alarm."""
    rng = np.random.default_rng(0)
    alarmed = np.mean([any(rejected(list(rng.random(300)))) for _ in range(400)])
    assert alarmed <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 400)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_false_discovery_rate_of_a_mixture_is_below_alpha(share: float) -> None:
    rng = np.random.default_rng(1)
    proportions, found = [], []
    for _ in range(200):
        drifted = rng.random(300) < share
        p = np.where(drifted, rng.beta(0.05, 8, 300), rng.random(300))
        alarm = np.array(rejected(p.tolist()))
        proportions.append((alarm & ~drifted).sum() / max(1, alarm.sum()))
        found.append((alarm & drifted).sum() / drifted.sum())
    error = float(np.std(proportions)) / math.sqrt(200)
    assert np.mean(proportions) <= ALPHA + 3 * error
    assert np.mean(found) > 0.2


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p_value: float) -> None:
    with pytest.raises(ValueError, match="a p-value is"):
        lord([0.5, p_value], ALPHA)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_what_is_no_level_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha is"):
        lord([0.5], alpha)
