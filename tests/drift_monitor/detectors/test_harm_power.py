"""The power of the rules on harm, against batches drawn and judged by the rules themselves."""

from dataclasses import replace

import numpy as np
import pytest

from drift_monitor.analysis.accuracy import Unlabelled, estimated_accuracy
from drift_monitor.analysis.harm import compare_harm
from drift_monitor.config import Policy
from drift_monitor.detectors.harm_power import Estimated, HarmPower
from drift_monitor.results.report import Counts
from drift_monitor.results.report_findings import (
    Accuracy,
    LikelyExplanation,
    RealisedAccuracy,
    Support,
)
from drift_monitor.verdict.rules import Evidence, decide

N = 1_000


class Faultless:
    """An estimator that makes no error of its own."""

    def drop_error(self, drop: float) -> float:  # noqa: ARG002
        return 0.0


def rows(share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.arange(N) < share * N


def estimated(right: float, reference: float, unexplained: float = 0.0) -> Estimated:
    """Rows of which the estimate says how many are right, half of them in two kinds of row."""
    found = LikelyExplanation(
        name="normal", unexplained=unexplained, novel=0.0, correction=0.0, correction_error=0.0
    )
    spread = np.where(np.arange(N) % 2, 0.05, -0.05)
    support = Support(distance=0.0, by_chance=0.1, explanation=found)
    return Estimated(right + spread, reference + spread, Faultless(), Unlabelled(support, 0.0, 0.0))


@pytest.mark.parametrize("share", [0.07, 0.1, 0.3])
def test_the_rows_needed_are_those_of_eighty_percent(share: float) -> None:
    power = HarmPower(rows(share), 0.03, 1_000)
    needed = power.rows_needed(0.8)
    assert needed
    assert power.at(needed) >= 0.8 > power.at(needed - 1)
    assert power.at(needed) == power.of_rate(needed)


def test_a_rise_within_the_margin_is_not_found_with_any_number_of_rows() -> None:
    assert HarmPower(rows(0.035), 0.03, 1_000).rows_needed(0.8) is None


@pytest.mark.parametrize(("share", "right"), [(0.05, 0.94), (0.06, 0.935), (0.03, 0.935)])
def test_the_power_is_the_share_of_drawn_batches_that_are_called_harmful(
    share: float, right: float
) -> None:
    n, there = 1_000, 1_000
    power = HarmPower(rows(share), 0.03, there, estimated(right, 0.95))
    assert power.estimated
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        drawn = rng.integers(0, N, n)
        reference = (rng.random(there) < 0.03).astype(np.int8)
        harm = compare_harm(
            power.harmful[drawn].astype(np.int8), reference, "detector", 0.01, power.alpha
        )
        accuracy = estimated_accuracy(
            power.estimated.right[drawn],
            power.estimated.right_reference,
            Faultless(),
            power.estimated.unlabelled,
            power.alpha,
        )
        evidence = Evidence(
            Counts(read=n, scored=n, rejected=0, flagged=0, labelled=0, non_finite=0),
            harm,
            Accuracy(
                realised=RealisedAccuracy(current=None, reference=None, difference=None),
                estimated=accuracy,
                estimated_missing=None,
            ),
            [],
            None,
            power.estimated.unlabelled.support,
        )
        found.append(decide(evidence, Policy()).verdict == "harmful_drift")
    assert np.mean(found) == pytest.approx(power.at(n), abs=0.1)


def test_both_rules_find_more_than_one_and_the_estimate_nothing_outside_its_support() -> None:
    blind = HarmPower(rows(0.04), 0.03, 1_000)
    told = replace(blind, estimated=estimated(0.90, 0.95))
    assert told.at(5_000) > 0.99
    assert blind.at(5_000) < 0.5
    outside = replace(blind, estimated=estimated(0.90, 0.95, unexplained=0.25))
    assert outside.at(5_000) == pytest.approx(outside.of_rate(5_000), abs=1e-6)
