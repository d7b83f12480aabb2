"""The verdict: every rule, their order, and what the reason says."""

from typing import Any

import pytest

from drift_monitor.config import Policy
from drift_monitor.results.report import Counts
from drift_monitor.results.report_findings import Accuracy, Harm, Support, TwoSampleTest
from drift_monitor.stats.estimates import Estimate
from drift_monitor.verdict.rules import Decision, Evidence, decide
from tests.support.analysis.verdicts import POLICY, accuracy, counts, harm, ks, support

NOTHING = ks(0.02, 0.9)
SMALL = ks(0.05, 1e-6)
LARGE = ks(0.4, 1e-80)
HARMED = harm(0.02, 0.004)


CASES: dict[str, tuple[Counts, Harm, list[TwoSampleTest], str, str]] = {
    # counts, harm, tests, verdict, a part of the rule
    "nothing": (counts(), harm(), [NOTHING], "no_drift", "no test is significant"),
    "no test at all": (counts(), harm(), [], "no_drift", "no test is significant"),
    "all tests skipped": (counts(), harm(), [ks(None, None)], "no_drift", "no test"),
    "at alpha": (counts(), harm(), [ks(0.4, 0.05)], "no_drift", "no test"),
    "outside the family": (
        counts(),
        harm(),
        [ks(0.9, 1e-90, "separation", in_family=False)],
        "no_drift",
        "no test",
    ),
    "significant, small": (counts(), harm(), [SMALL], "statistical_only", "below the minimum"),
    "large, not significant": (
        counts(),
        harm(),
        [ks(0.4, 0.2), SMALL],
        "statistical_only",
        "below the minimum",
    ),
    "significant, large": (
        counts(),
        harm(),
        [LARGE],
        "harmless_drift",
        "the minimum effect or more",
    ),
    "at the minimum effect": (counts(), harm(), [ks(0.1, 1e-6)], "harmless_drift", "or more"),
    "one of several": (
        counts(),
        harm(),
        [NOTHING, ks(0.3, 1e-3, "score_harmful"), SMALL],
        "harmless_drift",
        "or more",
    ),
    "harm fell": (counts(), harm(-0.04, -0.05), [LARGE], "harmless_drift", "is excluded"),
    "harm, tests silent": (counts(), HARMED, [NOTHING], "harmful_drift", "beyond its interval"),
    "harm, no tests": (counts(), HARMED, [], "harmful_drift", "beyond its interval"),
    "harm and drift": (counts(), HARMED, [LARGE], "harmful_drift", "beyond its interval"),
    "harm at the margin": (counts(), harm(0.01, 0.001), [], "harmful_drift", "and the margin"),
    "harm within the margin": (counts(), harm(0.009, 0.005), [NOTHING], "no_drift", "no harm"),
    "harm within its interval": (
        counts(),
        harm(0.05, -0.001),
        [LARGE],
        "drift_harm_unknown",
        "not excluded",
    ),
    "the interval begins at zero": (counts(), harm(0.05, 0.0), [NOTHING], "no_drift", "no harm"),
    "more harm than is excluded": (
        counts(),
        harm(0.0, -0.011),
        [LARGE],
        "drift_harm_unknown",
        "not excluded",
    ),
    "a share is rejected": (
        counts(1000, 20),
        harm(0.0, -0.02),
        [NOTHING],
        "drift_harm_unknown",
        "not excluded",
    ),
    "few are rejected": (counts(1000, 5), harm(0.0, -0.02), [NOTHING], "no_drift", "no test"),
    "few rows": (counts(99), HARMED, [LARGE], "insufficient_data", "min_rows"),
    "just enough rows": (counts(100), HARMED, [LARGE], "harmful_drift", "margin"),
    "no rows": (counts(0, 10), HARMED, [], "insufficient_data", "max_rejected"),
    "many rejected": (counts(899, 101), HARMED, [LARGE], "insufficient_data", "max_rejected"),
    "just not too many rejected": (counts(900, 100), HARMED, [LARGE], "harmful_drift", "margin"),
    "rejected before few": (counts(50, 50), HARMED, [LARGE], "insufficient_data", "max_rejected"),
    "batch without rows that can be judged": (
        counts(),
        harm(current=None, difference=None),
        [LARGE],
        "insufficient_data",
        "no row that can be judged",
    ),
    "reference without rows that can be judged": (
        counts(),
        harm(reference=None, difference=None),
        [LARGE],
        "insufficient_data",
        "no row that can be judged",
    ),
    "few before no rows that can be judged": (
        counts(50),
        harm(current=None, difference=None),
        [],
        "insufficient_data",
        "min_rows",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_rule_that_holds_gives_the_verdict(case: str) -> None:
    found_counts, found_harm, tests, verdict, rule = CASES[case]
    decided = decide(Evidence(found_counts, found_harm, accuracy(), tests), POLICY)
    assert decided.verdict == verdict
    assert rule in decided.rule
    assert decided.reason


@pytest.mark.parametrize(
    ("estimated", "verdict", "words"),
    [
        (accuracy(0.07, 0.03), "harmful_drift", "83.0% against 90.0% (−7.0 points, −11.0 to −3.0"),
        (accuracy(0.01, 0.001), "harmful_drift", "below the reference by more than the 1-point"),
        (accuracy(0.009, 0.005), "no_drift", "within the 1-point margin"),
        (accuracy(0.07, -0.001), "no_drift", "not distinguishable from none"),
        (accuracy(-0.02, -0.03), "no_drift", "not below"),
        (accuracy(0.07, 0.03, decides=False), "no_drift", "not above."),
    ],
)
def test_estimated_accuracy_that_falls_is_harm_where_no_labels_decide(
    estimated: Accuracy, verdict: str, words: str
) -> None:
    decided = decide(Evidence(counts(), harm(), estimated, [NOTHING]), POLICY)
    assert decided.verdict == verdict
    assert words in decided.reason
    assert ("accuracy below" in decided.rule) == (verdict == "harmful_drift")


@pytest.mark.parametrize(
    ("estimated", "known", "tests", "verdict"),
    [
        # moved: comfort takes a lower bound
        (accuracy(0.0, bounds=(-0.008, 0.008)), support(), [LARGE], "harmless_drift"),
        (accuracy(0.0, bounds=(-0.012, 0.008)), support(), [LARGE], "drift_harm_unknown"),
        (accuracy(), None, [LARGE], "drift_harm_unknown"),  # no estimate: nothing is known
        # harm is shown by the upper bound, not by the interval
        (accuracy(0.3, 0.2, bounds=(-0.9, 0.02)), support(), [LARGE], "drift_harm_unknown"),
        (accuracy(0.3, 0.2, bounds=(-0.5, -0.1)), support(), [LARGE], "harmful_drift"),
        # an older detector knows nothing of support: its estimate may show harm, and not comfort
        (accuracy(0.3, 0.2, bounds=(-0.9, 0.1)), None, [LARGE], "harmful_drift"),
        (accuracy(0.0, bounds=(-0.9, 0.1)), None, [LARGE], "drift_harm_unknown"),
        # rows like no calibration row, with silent tests
        (accuracy(0.0, bounds=(-0.2, 0.1)), support(novel=0.1), [NOTHING], "drift_harm_unknown"),
        (accuracy(0.0, bounds=(-0.02, 0.1)), support(novel=0.015), [NOTHING], "no_drift"),
        # columns that hang together otherwise, each like the reference's
        (accuracy(0.0, bounds=(-0.2, 0.1)), support(distance=0.2), [NOTHING], "drift_harm_unknown"),
        (accuracy(0.0, bounds=(-0.02, 0.02)), support(distance=0.09), [NOTHING], "no_drift"),
        # less than the minimum effect, beyond chance, and what it may be does harm
        (accuracy(0.02, bounds=(-0.1, 0.1)), support(0.01, 0.06), [NOTHING], "drift_harm_unknown"),
        (accuracy(0.02, bounds=(-0.1, 0.1)), support(0.01, 0.04), [NOTHING], "no_drift"),
    ],
)
def test_no_word_of_comfort_without_a_bound(
    estimated: Accuracy, known: Support | None, tests: list[TwoSampleTest], verdict: str
) -> None:
    judged_by = harm(by="detector")
    decided = decide(Evidence(counts(), judged_by, estimated, tests, None, known), POLICY)
    assert decided.verdict == verdict, decided.reason


@pytest.mark.parametrize(
    ("served_otherwise", "evidence", "verdict"),
    [
        (0, harm(by="detector"), "no_drift"),
        (15, harm(by="detector"), "no_drift"),  # 1.5 %: by chance, perhaps 1 %
        (30, harm(by="detector"), "drift_harm_unknown"),
        (1000, harm(by="detector"), "drift_harm_unknown"),
        # labels are compared with what was served
        (
            1000,
            harm(by="labels", difference=Estimate(estimate=0, low=-0.01, high=0.01)),
            "no_drift",
        ),
        (1000, harm(0.0, -0.02), "drift_harm_unknown"),
        (1000, HARMED, "harmful_drift"),
    ],
)
def test_no_comfort_where_another_model_was_served(
    served_otherwise: int, evidence: Harm, verdict: str
) -> None:
    found = counts().model_copy(update={"logged": 1000, "served_otherwise": served_otherwise})
    fine = accuracy(0.0, bounds=(-0.005, 0.005))
    decided = decide(Evidence(found, evidence, fine, [NOTHING], None, support()), POLICY)
    assert decided.verdict == verdict, decided.reason
    if verdict == "drift_harm_unknown":
        assert decided.reason.startswith(f"{served_otherwise:,} of 1,000 predictions that were")


@pytest.mark.parametrize(("non_finite", "verdict"), [(10, "no_drift"), (11, "insufficient_data")])
def test_too_many_rows_without_a_finite_score_are_no_data(non_finite: int, verdict: str) -> None:
    decided = decide(Evidence(counts(non_finite=non_finite), harm(), accuracy(), [NOTHING]), POLICY)
    assert decided.verdict == verdict


@pytest.mark.parametrize(
    ("evidence", "estimated", "tests", "p_value"),
    [
        (harm(p_value=0.004), accuracy(), [NOTHING], 0.008),  # half of α is for harm
        (harm(p_value=0.004), accuracy(0.0), [NOTHING], 0.016),  # two rules share it
        (harm(), accuracy(0.0), [ks(0.2, 0.003)], 0.003),  # adjusted already
        (harm(p_value=0.8), accuracy(), [ks(0.9, 1e-9, in_family=False)], 1.0),
        (harm(current=None, difference=None), accuracy(), [NOTHING], None),
    ],
)
def test_the_p_value_of_an_interval_is_the_smallest_adjusted_for_its_number(
    evidence: Harm, estimated: Accuracy, tests: list[TwoSampleTest], p_value: float | None
) -> None:
    found = decide(Evidence(counts(), evidence, estimated, tests), POLICY).p_value
    assert found == (None if p_value is None else pytest.approx(p_value))


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        ({}, "harmful_drift"),
        ({"harm_margin": 0.03}, "drift_harm_unknown"),
        ({"harm_margin": 0.04}, "harmless_drift"),
        ({"harm_margin": 0.04, "min_effect": 0.5}, "statistical_only"),
        ({"harm_margin": 0.04, "min_effect": 0.5, "alpha": 1e-90}, "no_drift"),
        ({"min_rows": 2000}, "insufficient_data"),
    ],
)
def test_the_policy_moves_every_limit(policy: dict[str, Any], verdict: str) -> None:
    changed = Policy(**policy)
    test = ks(0.4, 1e-80, policy=changed)
    evidence = harm(0.02, 0.004, margin=changed.harm_margin)
    assert decide(Evidence(counts(), evidence, accuracy(), [test]), changed).verdict == verdict


def reason(
    found_counts: Counts | None = None,
    evidence: Harm | None = None,
    tests: tuple[TwoSampleTest, ...] = (),
) -> Decision:
    return decide(
        Evidence(found_counts or counts(), evidence or harm(), accuracy(), list(tests)), POLICY
    )


@pytest.mark.parametrize(
    ("found", "figures"),
    [
        (reason(counts(12)), ["12 rows", "100"]),
        (reason(counts(8000, 2345)), ["2,345 of 10,345", "10%", "rejected.parquet"]),
        (
            reason(evidence=harm(current=None, difference=None)),
            ["labels", "batch", "harmful where"],
        ),
        (reason(evidence=harm(reference=None, difference=None)), ["in the reference"]),
        (
            reason(evidence=harm(0.1234, 0.0567)),
            [
                "17.3%",
                "5.0%",
                "+12.3 points",
                "95%",
                "+5.7 to +19.0",
                "above the reference by more than",
            ],
        ),
        (reason(evidence=harm(0.009, 0.005)), ["+0.9", "+0.5 to +1.3", "within the "]),
        (reason(evidence=harm(0.03, -0.002)), ["+3.0", "−0.2 to +6.2", "not distinguishable"]),
        (reason(evidence=harm(-0.02, -0.03)), ["3.0%", "−2.0", "−3.0 to −1.0", "not above"]),
        (reason(tests=(SMALL,)), ["D = 0.050", "rows of score", "p = 1e-6", "0.1", "5.0%"]),
        (reason(tests=(LARGE,)), ["D = 0.400", "p = 1e-80", "5.0%"]),
        (
            reason(tests=(ks(0.2, 1e-9), ks(0.6, 0.004, "score_harmless"), ks(0.9, 0.3))),
            ["D = 0.600", "rows of score_harmless", "p = 0.004"],
        ),
        (reason(tests=(ks(0.4, 0.0),)), ["p < 1e-300"]),
    ],
)
def test_the_reason_holds_the_figures(found: Decision, figures: list[str]) -> None:
    assert [figure for figure in figures if figure not in found.reason] == []
