"""The exact test of values outside a range: against all orders, and against its distribution."""

import doctest
import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from drift_monitor.stats import exceedance
from drift_monitor.stats.exceedance import outside_range_p_value


def test_the_examples_in_the_docstring_hold() -> None:
    tried = doctest.testmod(exceedance)
    assert tried.attempted
    assert not tried.failed


@pytest.mark.parametrize(("n", "m"), [(1, 3), (2, 3), (3, 5), (6, 4)])
def test_p_is_the_share_of_all_orders(n: int, m: int) -> None:
    outside = [places[0] + n + m - 1 - places[-1] for places in combinations(range(n + m), n)]
    for k in range(m + 1):
        expected = sum(found >= k for found in outside) / len(outside)
        assert outside_range_p_value(k, m, n) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(50, 80), (1000, 300)])
def test_the_number_outside_is_beta_binomial(n: int, m: int) -> None:
    for k in (1, 2, 5, 20):
        expected = stats.betabinom.sf(k - 1, m, 2, n - 1)
        assert outside_range_p_value(k, m, n) == pytest.approx(expected, rel=1e-9)


def test_a_million_rows_all_outside() -> None:
    p = outside_range_p_value(1_000_000, 1_000_000, 5000)
    assert 0 <= p < 1e-300
    assert math.isclose(outside_range_p_value(0, 10**6, 5000), 1)


def test_equal_values_make_it_only_more_cautious() -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(500):
        known, new = rng.geometric(0.3, 40), rng.geometric(0.3, 60)
        outside = int(np.count_nonzero((new < known.min()) | (new > known.max())))
        p.append(outside_range_p_value(outside, 60, 40))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p) <= level) <= level + 2 * math.sqrt(level / 500)
