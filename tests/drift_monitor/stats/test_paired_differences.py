"""Differences on the same rows: their intervals hold what they promise."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.stats.estimates import PairedDifference
from drift_monitor.stats.paired_differences import (
    difference_of_areas,
    difference_of_means,
)
from drift_monitor.stats.proportions import difference_of_shares

Draw = Callable[[np.random.Generator, int], tuple[object, object]]
cells = st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(any)


def pairs(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are hits by both, by the first alone, by the second alone, by neither."""
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
    )


def draw_shares(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A share of 0.9 and one of 0.85 in truth; 9 % of the rows differ."""
    return pairs(rng.multinomial(n, [0.83, 0.07, 0.02, 0.08]).tolist())


def draw_means(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    first = rng.integers(0, 6, n) / 5
    return first, np.clip(first - (rng.random(n) < 0.25) / 5, 0, None)


def draw_areas(
    rng: np.random.Generator, n: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Scores of two detectors that agree in part; the second's attacked rows stand out less."""
    image, attack = rng.normal(size=n), rng.normal(size=n)
    noise = rng.normal(size=(4, n))
    first = image + noise[0], 1.5 + attack + image + noise[1]
    return first, (image + noise[2], 1.0 + attack + image + noise[3])


CASES = [
    (difference_of_shares, draw_shares, -0.05),
    (difference_of_means, draw_means, -1 / 24),
    # Normal scores: normal rows have variance 2, attacked ones 3, and different rows are drawn.
    (difference_of_areas, draw_areas, -0.0763),
]


@pytest.mark.parametrize(("function", "draw", "truth"), CASES)
@pytest.mark.parametrize("n", [100, 1_000])
def test_the_interval_holds_the_truth_as_often_as_promised(
    function: Callable[..., PairedDifference], draw: Draw, truth: float, n: int
) -> None:
    rng = np.random.default_rng(1)
    found = [function(*draw(rng, n), alpha=0.1) for _ in range(1_000)]
    assert np.mean([d.estimate for d in found]) == pytest.approx(truth, abs=0.004)
    covered = np.mean([d.low <= truth <= d.high for d in found])
    assert 0.87 < covered < 0.94  # three standard errors of 1,000 draws about 0.9, and rounding


@pytest.mark.parametrize(("function", "draw", "truth"), CASES)
def test_a_detectable_difference_is_detected_with_the_power_stated(
    function: Callable[..., PairedDifference], draw: Draw, truth: float
) -> None:
    """At the number of rows at which the true difference is what is called detectable."""
    rng = np.random.default_rng(2)
    detectable = np.mean([function(*draw(rng, 1_000)).detectable for _ in range(50)])
    n = int(1_000 * (detectable / truth) ** 2)
    found = [function(*draw(rng, n)) for _ in range(400)]
    assert np.mean([d.high < 0 for d in found]) == pytest.approx(0.8, abs=0.08)


@given(cells)
def test_shares_that_change_places_change_the_sign(counts: list[int]) -> None:
    first, second = pairs(counts)
    one, other = difference_of_shares(first, second), difference_of_shares(second, first)
    assert one.estimate == pytest.approx(-other.estimate)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert -1 <= one.low <= one.estimate <= one.high <= 1


@given(cells, st.floats(0.001, 0.04))
def test_more_confidence_gives_a_wider_interval(counts: list[int], alpha: float) -> None:
    wide = difference_of_shares(*pairs(counts), alpha)
    narrow = difference_of_shares(*pairs(counts))
    assert wide.low <= narrow.low + 1e-12
    assert narrow.high <= wide.high + 1e-12
    assert wide.detectable >= narrow.detectable


def test_pairing_makes_the_interval_narrow() -> None:
    """The same two shares, on rows where they mostly agree and where they do not."""
    agree, differ = pairs([850, 50, 0, 100]), pairs([760, 140, 90, 10])
    widths = [d.high - d.low for d in (difference_of_shares(*agree), difference_of_shares(*differ))]
    assert widths[0] < widths[1] / 2


def test_the_same_answers_differ_in_nothing_however_they_are_measured() -> None:
    rng = np.random.default_rng(3)
    hits, scores = rng.random(200) < 0.7, (rng.random(200), rng.random(200))
    same = difference_of_areas(scores, scores)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    found = difference_of_shares(hits, hits)
    assert found.estimate == 0
    assert -0.02 < found.low < 0 < found.high < 0.02
    assert found.detectable > 0
