"""Realised accuracy row by row; estimated accuracy against draws from known probabilities."""

import math

import numpy as np
import pytest
from scipy import stats

from drift_monitor.analysis.accuracy import (
    Unlabelled,
    estimated_accuracy,
    realised_accuracy,
)
from drift_monitor.results.report_findings import LikelyExplanation, Support
from drift_monitor.scoring.scored_rows import ScoredRows
from tests.support.analysis.estimates import ends
from tests.support.analysis.score_tables import CLASSES, scores
from tests.support.analysis.verdicts import explanation


class Exact:
    """An accuracy estimator that never errs."""

    def drop_error(self, drop: float) -> float:
        return 0.0 * drop


class Rough:
    """An estimator that errs by a fifth of the drop it sees."""

    def drop_error(self, drop: float) -> float:
        return 0.2 * abs(drop)


def test_realised_accuracy_counts_what_was_served_on_labelled_rows() -> None:
    table = scores(
        ["cat", "cat", "dog", "owl", "cat"],
        label=["cat", "dog", "dog", None, "dog"],
        logged_prediction=[None, "dog", "cat", "owl", None],
    )
    found = realised_accuracy(ScoredRows.of(table, CLASSES, ()))
    assert found is not None
    assert (found.count, found.n) == (2, 4)
    unlabelled = ScoredRows.of(scores(["cat"], label=[None]), CLASSES, ())
    assert realised_accuracy(unlabelled) is None


def test_the_estimate_is_the_mean_probability_and_its_difference() -> None:
    found = estimated_accuracy(np.array([0.5, 0.7]), np.array([0.9, 0.7, 0.8]), Exact())
    assert found.current.estimate == pytest.approx(0.6)
    assert found.reference.estimate == pytest.approx(0.8)
    assert found.difference.estimate == pytest.approx(-0.2)
    assert (found.current.n, found.reference.n) == (2, 3)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_holds_the_accuracy_that_is_realised_as_often_as_it_says(alpha: float) -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(800):
        p = rng.beta(6, 2, 300)
        right = (rng.random(300) < p).mean()
        share = estimated_accuracy(p, p, Exact(), alpha=alpha).current
        inside += share.low <= right <= share.high
    assert abs(inside / 800 - (1 - alpha)) < 3.3 * math.sqrt(alpha * (1 - alpha) / 800) + 0.01


def test_batches_like_the_reference_are_found_lower_no_more_often_than_the_level() -> None:
    rng = np.random.default_rng(1)
    for error in (Exact(), Rough()):
        below = [
            estimated_accuracy(rng.beta(9, 1, 400), rng.beta(9, 1, 900), error) for _ in range(1000)
        ]
        share = np.mean([found.difference.high < 0 for found in below])
        assert share < 0.025 + 3 * math.sqrt(0.025 * 0.975 / 1000)
        assert all((found.p_value < 0.025) == (found.difference.high < 0) for found in below) or (
            isinstance(error, Rough)
        )


def test_the_p_value_is_that_of_the_normal_test_of_two_means() -> None:
    rng = np.random.default_rng(2)
    current, reference = rng.beta(8, 2, 500), rng.beta(9, 1, 700)
    found = estimated_accuracy(current, reference, Exact())
    expected = stats.ttest_ind(current, reference, equal_var=False, alternative="less").pvalue
    assert found.p_value == pytest.approx(expected, rel=0.1)


def test_an_error_of_the_map_widens_both_intervals() -> None:
    current, reference = np.full(10_000, 0.7), np.full(10_000, 0.9)
    exact = estimated_accuracy(current, reference, Exact())
    rough = estimated_accuracy(current, reference, Rough())
    z = stats.norm.isf(0.025)
    assert ends(exact.difference) == pytest.approx((-0.2, -0.2, -0.2))
    assert ends(rough.difference) == pytest.approx((-0.2, -0.2 - z * 0.04, -0.2 + z * 0.04))
    assert rough.current.high - rough.current.low > 2 * z * 0.04
    assert rough.reference == exact.reference


def test_equal_certain_rows_are_no_fall() -> None:
    found = estimated_accuracy(np.ones(5), np.ones(5), Exact())
    assert found.p_value == 1
    assert (*ends(found.current), found.current.n) == (1, 1, 1, 5)


def seen(
    *likely: LikelyExplanation, novel_excess: float = 0.0, rejected: float = 0.0
) -> Unlabelled:
    found = Support(explanation=likely[0], alternatives=list(likely[1:]))
    return Unlabelled(found, novel_excess, rejected)


def test_what_the_batch_may_be_as_well_widens_interval_and_bounds() -> None:
    p = np.full(400, 0.9)
    damage, selection = explanation("damage", correction=-0.2), explanation("selection")
    alone, either = (
        estimated_accuracy(p, p, Exact(), seen(*likely))
        for likely in ([damage], [damage, selection])
    )
    assert either.current.estimate == alone.current.estimate == pytest.approx(0.7)
    assert alone.bounds.high < 0.85
    assert either.bounds.high == pytest.approx(0.9, abs=0.01)
    assert either.bounds.low == alone.bounds.low
    assert either.difference.high > -0.01 > alone.difference.high
    assert alone.p_value < 1e-3 < either.p_value
    assert alone.largest_drop == either.largest_drop == pytest.approx(0.2)


def test_each_explanation_brings_what_it_leaves_unknown() -> None:
    p = np.full(400, 0.9)
    likely = [explanation("damage", unexplained=0.1), explanation("selection")]
    found = estimated_accuracy(p, p, Exact(), seen(*likely)).bounds
    assert found.unknown == pytest.approx(0.4)
    assert found.low == pytest.approx(0.6 * 0.9, abs=0.01)


@pytest.mark.parametrize(("explained", "unknown"), [(0.0, 0.3), (0.25, 0.05), (0.4, 0.0)])
def test_novel_rows_are_known_where_the_explanation_has_as_many(
    explained: float, unknown: float
) -> None:
    p = np.full(400, 0.9)
    rows = seen(explanation("damage", novel=explained), novel_excess=0.3)
    assert estimated_accuracy(p, p, Exact(), rows).bounds.unknown == pytest.approx(unknown)
