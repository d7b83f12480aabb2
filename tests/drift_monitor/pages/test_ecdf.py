"""Distribution functions reduced to what can be seen are still distribution functions."""

import doctest

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.pages import ecdf
from drift_monitor.pages.ecdf import CURVE_POINTS, distribution_charts, reduce_ecdf
from tests.support.reports.cases import CASES
from tests.support.reports.make import make

SAMPLES = st.lists(st.floats(0, 16) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=700)


def test_the_example_in_the_docstring_holds() -> None:
    tried = doctest.testmod(ecdf, extraglobs={"np": np})
    assert (tried.failed, tried.attempted) == (0, 2)


@given(SAMPLES, st.floats(0, 16))
def test_every_point_lies_on_the_function(values: list[float], at: float) -> None:
    sample = np.array(values)
    curve = reduce_ecdf(sample, [at])
    expected = [np.mean(sample <= value) for value in curve.values]
    np.testing.assert_allclose(curve.shares, expected, atol=1e-12)
    assert at in curve.values
    assert len(curve.values) <= CURVE_POINTS + 1
    assert curve.shares[-1] == 1


@given(SAMPLES)
def test_no_more_than_a_point_s_share_is_lost(values: list[float]) -> None:
    sample = np.array(values)
    curve = reduce_ecdf(sample)
    steps = np.diff(np.concatenate([[0], curve.shares]))
    ties = np.max(np.unique(sample, return_counts=True)[1]) / len(sample)
    assert steps.max() <= 1 / min(len(sample), CURVE_POINTS) + ties + 2 / len(sample)


@pytest.mark.parametrize("case", ["harmful", "harmless", "no drift"])
def test_d_is_marked_with_its_exact_length_at_its_place(case: str) -> None:
    report, scores = make(CASES[case])
    drawn = distribution_charts(report, scores)[0]
    bar = next(mark for mark in drawn.marks if mark.kind == "bold")
    bottom, top = (float(n) / 1000 for n in bar.path.split(" ")[1].split("V"))
    test = report.test("score")
    sample = scores["adversarial_score"].to_numpy()
    assert test.statistic
    assert abs(bottom - top) == pytest.approx(test.statistic, abs=2e-4)
    assert 1 - bottom == pytest.approx(np.mean(sample <= test.location), abs=2e-4)


def test_nothing_is_drawn_of_no_rows() -> None:
    report, scores = make(CASES["no row scored"])
    assert distribution_charts(report, scores) == []


def test_equal_scores_and_zeros_can_be_drawn() -> None:
    report, scores = make(CASES["harmful"])
    place = scores.column_names.index("adversarial_score")
    zeros = scores.set_column(place, "adversarial_score", pa.array(np.zeros(len(scores))))
    assert all("nan" not in m.path for c in distribution_charts(report, zeros) for m in c.marks)
