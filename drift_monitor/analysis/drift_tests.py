"""The tests of a batch against the reference, and the family they are adjusted in."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift_monitor.analysis.harm import HARMFUL, HARMLESS, JudgedRows
from drift_monitor.config import HarmBy, Policy
from drift_monitor.results.report_findings import TwoSampleTest
from drift_monitor.scoring.scored_rows import ScoredRows, align_segments
from drift_monitor.stats.chi_squared import chi_squared_test, minimum_detectable_variation
from drift_monitor.stats.ks import ks_test, minimum_detectable_d
from drift_monitor.stats.multiple_testing import holm

EMPTY = "one of the two samples is empty"
ONE_CATEGORY = "fewer than two categories have enough rows"

FAMILY_SHARE = 1 / 4
"""Part of α for each family of tests, on scores and outputs and on inputs; harm has one half."""

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


class _Made(NamedTuple):
    """A test before its p is adjusted; if it was made, also the effect it detects at a level."""

    test: TwoSampleTest
    detectable: Callable[[float], float] | None


def drift_tests(
    current: JudgedRows,
    reference: JudgedRows,
    class_names: Sequence[str],
    harm_by: HarmBy,
    policy: Policy,
) -> list[TwoSampleTest]:
    """Return every test of the report.

    The family has tests on the adversarial score of all rows, of the harmful and of the harmless
    ones; on confidence and entropy; and on the mix of predicted classes and of each segment. p is
    adjusted by Holm over the family, and multiplied by four, because half of α is for harm and a
    quarter for the tests on inputs (`analysis.input_tests`). Harmful against harmless rows of the
    batch is not a drift test, and is outside the family.

    Tests on score, confidence and entropy leave out rows where any of them is not finite.
    """
    here, there = current.rows, reference.rows
    score, reference_score = here.score[here.finite], there.score[there.finite]
    harmful, harmless = _by_outcome(current)
    reference_harmful, reference_harmless = _by_outcome(reference)
    n_classes = len(class_names)
    made = [
        _ks("score", "score: all rows", reference_score, score, policy),
        _ks("score_harmful", "score: harmful rows", reference_harmful, harmful, policy),
        _ks("score_harmless", "score: harmless rows", reference_harmless, harmless, policy),
        *(
            _ks(name, f"{name} of the classifier", known[there.finite], new[here.finite], policy)
            for name, known, new in (
                ("confidence", there.confidence, here.confidence),
                ("entropy", there.entropy, here.entropy),
            )
        ),
        _mix(
            "class_mix",
            "mix of predicted classes",
            np.bincount(there.prediction, minlength=n_classes),
            np.bincount(here.prediction, minlength=n_classes),
            policy,
        ),
        *_segment_mixes(here, there, policy),
    ]
    _adjust(made, policy)
    # Rows that were split by the score differ in it by construction, so `detector` has no such
    # test. The test says how well the score tells harm, not that anything drifted.
    if harm_by != "detector":
        compares = "score: harmless against harmful rows of the batch"
        separation = _ks("separation", compares, harmless, harmful, policy)
        separation.test.in_family = False
        if separation.detectable:
            separation.test.minimum_detectable = separation.detectable(policy.alpha)
        made.append(separation)
    return [test for test, _ in made]


def _by_outcome(judged: JudgedRows) -> tuple[Numbers, Numbers]:
    """Return the finite scores of the harmful and of the harmless rows."""
    rows, outcome = judged
    return (
        rows.score[rows.finite & (outcome == HARMFUL)],
        rows.score[rows.finite & (outcome == HARMLESS)],
    )


def _adjust(made: Sequence[_Made], policy: Policy) -> None:
    """Adjust p over the tests that were made, and mark those that detect drift."""
    family = [(test, detectable) for test, detectable in made if detectable]
    adjusted = holm([test.p_value for test, _ in family if test.p_value is not None])
    level = FAMILY_SHARE * policy.alpha / max(1, len(family))
    for (test, detectable), p_value in zip(family, adjusted, strict=True):
        test.p_value_adjusted = min(1.0, p_value / FAMILY_SHARE)
        test.drift_detected = (
            test.p_value_adjusted < policy.alpha and (test.effect or 0) >= policy.min_effect
        )
        test.minimum_detectable = detectable(level)


def _ks(name: str, compares: str, reference: Numbers, current: Numbers, policy: Policy) -> _Made:
    n, m = len(reference), len(current)
    test = unmade_test(name, "ks", compares, (n, m), policy)
    if not n or not m:
        test.skipped = EMPTY
        return _Made(test, None)
    result = ks_test(reference, current, policy.alpha)
    test.statistic = test.effect = result.statistic
    test.low, test.high = result.low, result.high
    test.location = result.location
    test.p_value, test.p_value_is_bound = result.p_value, result.p_value_is_bound
    test.method = result.method
    return _Made(test, lambda level: minimum_detectable_d(n, m, level))


def _mix(name: str, compares: str, reference: Counts, current: Counts, policy: Policy) -> _Made:
    n, m = int(reference.sum()), int(current.sum())
    test = unmade_test(name, "chi_squared", compares, (n, m), policy)
    result = chi_squared_test(reference, current, policy.alpha)
    if result is None:
        test.skipped = ONE_CATEGORY if n and m else EMPTY
        return _Made(test, None)
    test.statistic, test.effect = result.statistic, result.effect
    test.low, test.high = result.low, result.high
    test.p_value, test.p_value_is_bound = result.p_value, result.p_value_is_bound
    test.method = "asymptotic"
    freedom = test.degrees_of_freedom = result.degrees_of_freedom
    return _Made(test, lambda level: minimum_detectable_variation(n, m, freedom, level))


def unmade_test(
    name: str,
    kind: Literal["ks", "chi_squared"],
    compares: str,
    sizes: tuple[int, int],
    policy: Policy,
) -> TwoSampleTest:
    """Return a test of the family without a result; sizes are of the reference and the batch."""
    return TwoSampleTest(
        name=name,
        kind=kind,
        compares=compares,
        in_family=True,
        skipped=None,
        statistic=None,
        effect=None,
        low=None,
        high=None,
        location=None,
        p_value=None,
        p_value_is_bound=False,
        p_value_adjusted=None,
        method=None,
        degrees_of_freedom=None,
        n_reference=sizes[0],
        n_current=sizes[1],
        minimum_detectable=None,
        threshold=policy.min_effect,
        drift_detected=False,
    )


def _segment_mixes(current: ScoredRows, reference: ScoredRows, policy: Policy) -> Iterator[_Made]:
    for name, segment in current.segments.items():
        if name in reference.segments:
            here, there = align_segments(segment, reference.segments[name])
            k = len(here.values)
            yield _mix(
                f"segment_mix:{name}",
                f"mix of {name}",
                np.bincount(there.codes, minlength=k),
                np.bincount(here.codes, minlength=k),
                policy,
            )
