"""Which input moved: against SciPy, on batches without drift, and on each kind of fault."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from adversarial.bundle.manifest import InputSpec
from adversarial.descriptors import descriptor_names
from drift_monitor.analysis.input_tests import CURVE_POINTS, CURVES, adjust_inputs
from drift_monitor.analysis.input_tests import find_moved_inputs as find
from drift_monitor.config import Policy
from drift_monitor.results.report_findings import InputFindings, InputTest
from drift_monitor.stats.multiple_testing import holm
from tests.support.inputs import chunk, compared, findings, summed_up

Column = NDArray[np.float32]


def columns(n: int, seed: int) -> NDArray[np.float64]:
    """Return columns of many kinds: heavy tail, whole numbers, classes, a constant, an atom."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            rng.lognormal(8, 1, n),
            rng.integers(18, 80, n),
            rng.choice(5, n, p=[0.5, 0.3, 0.15, 0.04, 0.01]),
            np.full(n, 7),
            np.where(rng.random(n) < 0.4, 0, rng.normal(size=n)),
            rng.normal(size=n),
        ],
        axis=1,
    )


def by_name(found: InputFindings) -> dict[str, InputTest]:
    return {test.name: test for test in found.tests}


SAMPLES = {
    "same": (columns(700, 0)[:, 0], columns(500, 1)[:, 0]),
    "shifted": (columns(700, 0)[:, 5], columns(500, 1)[:, 5] + 0.3),
    "all above": (columns(700, 0)[:, 5], columns(500, 1)[:, 5] + 100),
    "another unit": (columns(700, 0)[:, 0], columns(500, 1)[:, 0] * 1e5),
    "all below": (columns(700, 0)[:, 5], columns(500, 1)[:, 5] - 100),
    "whole numbers": (columns(900, 0)[:, 1], columns(800, 1)[:, 1] + 2),
    "an atom": (columns(700, 0)[:, 4], columns(500, 1)[:, 5]),
    "frozen": (columns(700, 0)[:, 0], np.full(500, 3000.0)),
    "one row": (columns(700, 0)[:, 0], np.array([3000.0])),
    "zeros of both signs": (columns(700, 0)[:, 4], np.where(np.arange(500) % 2, 0.0, -0.0)),
    "asymptotic": (columns(11_000, 0)[:, 0], columns(9_000, 1)[:, 0] * 1.05),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_the_distribution_test_is_scipy_s(case: str) -> None:
    reference, current = (np.asarray(side, np.float32) for side in SAMPLES[case])
    test = compared(reference, current)
    exact = max(len(reference), len(current)) <= 10_000
    expected = stats.ks_2samp(reference, current, method="exact" if exact else "asymp")
    assert test.kind == "ks"
    assert test.method == ("exact" if exact else "asymptotic")
    assert test.statistic == test.effect == expected.statistic
    assert test.location == expected.statistic_location
    assert test.p_value == pytest.approx(max(expected.pvalue, np.finfo(float).tiny), rel=1e-9)


few = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0])
many = st.floats(-4, 4, width=32, allow_subnormal=False)


@given(
    arrays(np.float32, st.integers(21, 60), elements=many, unique=True),
    arrays(np.float32, st.integers(1, 60), elements=st.one_of(few, many)),
)
def test_d_and_its_place_are_scipy_s_whatever_the_values(
    reference: Column, current: Column
) -> None:
    test = compared(reference, current)
    expected = stats.ks_2samp(reference, current, method="exact")
    assert test.statistic == expected.statistic
    assert test.location == expected.statistic_location


def test_few_values_are_categories() -> None:
    reference, current = columns(2000, 0)[:, 2], columns(1500, 1)[:, 2]
    current[:90] = 9
    test = compared(reference, current)
    table = [
        [np.count_nonzero(side == v) for v in (0, 1, 2, 3, 4, 9)] for side in (reference, current)
    ]
    expected = stats.chi2_contingency(table, correction=False)
    assert test.kind == "chi_squared"
    assert test.statistic == pytest.approx(expected.statistic)
    assert test.p_value == pytest.approx(expected.pvalue)
    shares = [np.array(side) / sum(side) for side in table]
    assert test.effect == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
    assert test.unseen
    assert test.unseen.current == 90 / 1500


def test_the_family_is_adjusted_by_holm_for_a_quarter_of_alpha() -> None:
    tests = findings(
        chunk(columns(600, 0)), chunk(columns(500, 1) * 1.05, [3, 0, 0, 0, 0, 0])
    ).tests
    made = [t for test in tests for t in (test, test.outside, test.unseen, test.missing)]
    pairs = [(t.p_value, t.p_value_adjusted) for t in made if t and t.p_value is not None]
    adjusted = holm([p for p, _ in pairs])
    assert [p for _, p in pairs] == [min(1, 4 * p) for p in adjusted]
    assert len(pairs) == 3 * 6 + 3  # three of the columns have values that repeat


@pytest.mark.parametrize("n", [300, 2000])
def test_a_batch_like_the_reference_seldom_shows_anything(n: int) -> None:
    runs = 150
    found = 0
    p_values = []
    for seed in range(runs):
        tests = findings(chunk(columns(1000, seed)), chunk(columns(n, seed + 10_000))).tests
        made = [t for test in tests for t in (test, test.outside, test.unseen, test.missing) if t]
        found += any((t.p_value_adjusted or 1) < 0.05 for t in made)
        p_values += [test.p_value or 0 for test in tests if test.name == "5"]
    # A quarter of alpha is theirs, and Holm is conservative.
    assert found <= stats.binom.ppf(0.999, runs, 0.0125)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def every(k: int, x: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """Return a column with a value in place of every k-th row's."""
    return np.where(np.arange(len(x)) % k, x, value)


Change = Callable[[NDArray[np.float64]], NDArray[np.float64]]
FAULTS: dict[str, tuple[int, Change, set[str]]] = {
    "unit": (0, lambda x: x * 100, {"distribution", "outside"}),
    "one row in fifty": (0, lambda x: every(50, x, 1e9), {"outside"}),
    "sentinel": (5, lambda x: every(4, x, -999), {"distribution", "outside"}),
    "frozen": (1, lambda x: np.full(len(x), 30.0), {"distribution"}),
    "fraction": (1, lambda x: x + 0.25, {"unseen"}),
    "new class": (2, lambda x: every(8, x, 9), {"distribution", "outside", "unseen"}),
    "not constant": (3, lambda x: every(8, x, 8), {"distribution", "outside", "unseen"}),
    "shift": (4, lambda x: x + 0.5, {"distribution"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_what_it_changes(fault: str) -> None:
    at, change, moved_by = FAULTS[fault]
    x = columns(2000, 1)
    x[:, at] = change(x[:, at])
    found = findings(chunk(columns(2000, 0)), chunk(x))
    assert found.tests[0].name == str(at)
    assert moved_by <= set(found.tests[0].moved_by)
    assert found.moved == [found.tests[0]]
    assert found.tests[0].drift_detected == ("distribution" in moved_by)
    assert found.tests[0].constant == (fault == "frozen")


def test_missing_values_are_compared_with_those_of_the_reference() -> None:
    reference = chunk(columns(2000, 0), [40, 0, 0, 0, 0, 0])
    quiet = by_name(findings(reference, chunk(columns(1000, 1), [21, 0, 0, 0, 0, 0])))
    assert quiet["0"].missing
    assert quiet["0"].missing.current == 21 / 1021
    assert quiet["0"].missing.reference == 40 / 2040
    assert not quiet["0"].moved_by
    moved = findings(reference, chunk(columns(1000, 1), [20, 0, 0, 0, 0, 60])).moved
    assert [test.name for test in moved] == ["5"]
    assert moved[0].moved_by == ["missing"]
    assert not moved[0].drift_detected


def test_what_is_beyond_chance_but_small_has_not_moved() -> None:
    x = columns(5000, 1)
    x[:, 5] += 0.2  # D = .08
    x[:20, 0] = 1e9  # 0.4 %
    reference = chunk(columns(5000, 0))
    tests = by_name(findings(reference, chunk(x)))
    assert (tests["5"].p_value_adjusted or 1) < 0.05
    assert tests["0"].outside
    assert (tests["0"].outside.p_value_adjusted or 1) < 0.05
    assert not tests["5"].moved_by
    assert not tests["0"].moved_by
    strict = by_name(findings(reference, chunk(x), min_effect=0.05, harm_margin=0.003))
    assert strict["5"].moved_by == ["distribution"]
    assert strict["0"].moved_by == ["outside"]


def test_judging_again_by_another_policy_needs_no_rows() -> None:
    reference, x = columns(3000, 0), columns(3000, 1)
    x[:, 5] += 0.2
    spec = InputSpec(shape=(6,))
    summary = summed_up(chunk(reference), chunk(x))
    found = find(summary, spec, Policy())
    again = adjust_inputs(found, Policy(min_effect=0.05))
    expected = find(summary, spec, Policy(min_effect=0.05))
    assert [test.moved_by for test in again.tests] == [test.moved_by for test in expected.tests]
    assert adjust_inputs(again, Policy()) == found
    assert InputFindings.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
def test_parts_merged_in_any_order_give_the_same_bytes(order: tuple[int, ...]) -> None:
    reference, x = chunk(columns(1500, 0)), columns(4000, 1)
    x[:, 0] *= 3
    x[::7, 4] = -0.0
    whole = summed_up(reference, chunk(x))
    parts = [
        summed_up(reference, *(chunk(piece) for piece in np.array_split(part, 7)))
        for part in np.split(x, [100, 1300, 1301])
    ]
    merged = parts[order[0]]
    for at in order[1:]:
        merged.merge(parts[at])
    spec = InputSpec(shape=(6,))
    texts = [find(s, spec, Policy()).model_dump_json() for s in (whole, merged)]
    assert texts[0] == texts[1]
    for one, other in zip(whole.columns, merged.columns, strict=True):
        assert one.outside == other.outside
        for name in ("below", "at_or_below", "greatest", "low", "high"):
            assert np.asarray(getattr(one, name)).tobytes() == (
                np.asarray(getattr(other, name)).tobytes()
            )


@pytest.mark.parametrize("case", SAMPLES)
def test_the_curves_lie_on_the_distribution_functions(case: str) -> None:
    reference, current = (np.asarray(side, np.float32) for side in SAMPLES[case])
    curves = compared(reference, current).curves
    assert curves
    assert len(curves.values) <= CURVE_POINTS
    assert curves.values == sorted(set(curves.values))
    start = float(current.min())
    for value, there, here in zip(curves.values, curves.reference, curves.current, strict=True):
        assert there == pytest.approx(np.mean(reference <= value))
        if value == start and here == 0:  # where the batch begins
            continue
        assert here == pytest.approx(np.mean(current <= value))
    assert (curves.reference[-1], curves.current[-1]) == (1, 1)
    if current.min() > reference.max():  # drawn where the batch is, too
        assert sum(0 < share < 1 for share in curves.current) >= 3


def test_only_the_inputs_that_moved_most_have_curves() -> None:
    x = np.random.default_rng(0).normal(size=(800, 12))
    found = findings(chunk(x[:400]), chunk(x[400:] + np.linspace(0, 2, 12)))
    assert [test.curves is not None for test in found.tests] == [True] * CURVES + [False] * 7
    assert [test.name for test in found.tests[:3]] == ["11", "10", "9"]
    changes = [test.change for test in found.moved]
    assert changes == sorted(changes, reverse=True)


@pytest.mark.parametrize("n_columns", [1, 500])
def test_any_number_of_columns(n_columns: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, n_columns))
    x[300:, 0] += 1
    found = findings(chunk(x[:300]), chunk(x[300:]))
    assert len(found.tests) == n_columns
    assert [test.name for test in found.moved] == ["0"]


def test_a_column_that_is_constant_in_both_has_not_moved() -> None:
    test = compared(np.full(300, 2.0), np.full(200, 2.0))
    assert test.skipped == "one value, as in the reference"
    assert (test.constant, test.moved_by) == (True, [])
    moved = compared(np.full(300, 2.0), np.full(200, 3.0))
    assert (moved.effect, moved.constant) == (1, True)
    assert moved.moved_by == ["distribution", "outside", "unseen"]


@pytest.mark.parametrize("low_and_high", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_images_are_compared_by_their_descriptors(low_and_high: tuple[float, float]) -> None:
    low, high = low_and_high
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.7, (600, 8, 8, 3))
    bright = x[300:] + rng.choice([0.0, 0.2], (300, 1, 1, 1))
    spec = InputSpec(shape=(8, 8, 3), value_range=low_and_high)
    scaled, changed = (chunk(low + (high - low) * side) for side in (x[:300], bright))
    found = find(summed_up(scaled, changed, spec=spec), spec, Policy())
    tests = by_name(found)
    assert set(tests) == set(descriptor_names((8, 8, 3)))
    assert found.of == "descriptors"
    assert tests["brightness"].drift_detected
    assert not tests["contrast"].drift_detected
    assert tests["brightness"].reference_low == pytest.approx(0.4, abs=0.1)
    assert all(test.missing is None for test in found.tests)


def test_values_beyond_any_image_are_finite_in_the_report() -> None:
    spec = InputSpec(shape=(8, 8, 1))
    x = np.random.default_rng(0).random((60, 8, 8, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        summary = summed_up(chunk(x), chunk(np.full((50, 8, 8, 1), 3e38)), spec=spec)
    found = find(summary, spec, Policy())
    assert json.loads(found.model_dump_json())["tests"][0]["moved_by"]


def test_what_cannot_be_tested_says_why() -> None:
    policy = Policy()
    empty = find(summed_up(chunk(columns(50, 0))), InputSpec(shape=(6,)), policy)
    assert (empty.skipped, empty.tests) == ("no row was scored", [])
    older = find(None, InputSpec(shape=(6,)), policy)
    assert older.skipped
    assert "drift-monitor reference" in older.skipped
    odd = find(None, InputSpec(shape=(4, 5)), policy)
    assert odd.skipped == "rows of shape (4, 5) are neither columns nor images of 1 or 3 channels"
