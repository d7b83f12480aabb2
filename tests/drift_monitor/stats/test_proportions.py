"""Rates of rows that repeat."""

import numpy as np
import pytest

from drift_monitor.stats.chi_squared import chi_squared_test
from drift_monitor.stats.ks import ks_test, ks_test_from_counts
from drift_monitor.stats.proportions import counted, rate, rise_p_value, wilson


def test_the_interval_of_repeated_rows_is_that_of_so_many_fewer() -> None:
    once, again = rate(20, 100, 0.05), rate(200, 1000, 0.05, 10.0)
    assert once
    assert again
    assert (again.count, again.n, again.rate) == (200, 1000, 0.2)
    assert (again.low, again.high) == pytest.approx((once.low, once.high))
    assert wilson(0.2, 100, 0.05) == pytest.approx((once.low, once.high))


def test_p_of_repeated_rows_is_that_of_so_many_fewer() -> None:
    reference, once, again = rate(10, 1000), rate(5, 100), rate(50, 1000)
    assert reference
    assert once
    assert again
    assert rise_p_value(again, reference, 10.0) == rise_p_value(once, reference)
    assert rise_p_value(again, reference) < rise_p_value(once, reference) / 100
    assert counted((19, 1000), 10.0) == (1, 100)


def test_distances_of_repeated_rows_are_as_before_and_p_that_of_so_many_fewer() -> None:
    rng = np.random.default_rng(0)
    reference, row = rng.normal(size=2000), rng.normal(0.3, size=200)
    again, once = ks_test(reference, np.repeat(row, 10), 0.05, 10.0), ks_test(reference, row)
    assert again.statistic == pytest.approx(once.statistic)
    assert again.p_value == pytest.approx(once.p_value, rel=0.05)
    assert again.n_current == 2000
    assert again.low == pytest.approx(once.low)
    at = int((reference <= again.location).sum()), 10 * int((row <= again.location).sum())
    counts = ks_test_from_counts(at, (2000, 2000), again.location, rows_per_row=10.0)
    assert counts == pytest.approx(again)
    mixes = np.array([500, 300, 200]), np.array([30, 40, 30])
    fewer, more = chi_squared_test(*mixes), chi_squared_test(mixes[0], 10 * mixes[1], 0.05, 10.0)
    assert fewer
    assert more
    assert more[:6] == pytest.approx(fewer[:6])
    assert more.n_current == 1000
