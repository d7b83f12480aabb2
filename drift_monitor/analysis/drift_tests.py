"""The tests of a batch against the reference, and the family they are adjusted in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_monitor.analysis.harm import HARMFUL, HARMLESS, Outcomes
from drift_monitor.config import HarmBy, Policy
from drift_monitor.results.report import TwoSampleTest
from drift_monitor.scoring.scored_rows import ScoredRows, Segment
from drift_monitor.stats.chi_squared import chi_squared_test, minimum_detectable_variation
from drift_monitor.stats.ks import ks_test, minimum_detectable_d
from drift_monitor.stats.multiple_testing import holm

EMPTY = "one of the two samples is empty"
ONE_CATEGORY = "fewer than two categories have rows enough"


@dataclass(frozen=True)
class _Made:
    """A test before its p is adjusted: the report's fields, and its detectable effect by level."""

    fields: dict[str, Any]
    detectable: Callable[[float], float] | None


def drift_tests(
    current: ScoredRows,
    reference: ScoredRows,
    outcome: Outcomes,
    reference_outcome: Outcomes,
    class_names: tuple[str, ...],
    harm_by: HarmBy,
    policy: Policy,
) -> list[TwoSampleTest]:
    """Return every test of the report.

    On the adversarial score, of all, of harmful and of harmless rows; on confidence and entropy; on
    the mix of predicted classes and of each segment. These are the family: p is adjusted by Holm
    for their number, and doubled, because half of α is theirs and half is for harm. Harmful against
    harmless rows of the batch is no drift test and stands outside.

    Rows whose score, confidence or entropy is not finite count in no test.
    """
    x, r = current.score, reference.score
    here, there = current.finite, reference.finite
    harmful, harmless = (here & (outcome == kind) for kind in (HARMFUL, HARMLESS))
    made = [
        _ks("score", "score: all rows", r[there], x[here], policy),
        _ks(
            "score_harmful",
            "score: harmful rows",
            r[there & (reference_outcome == HARMFUL)],
            x[harmful],
            policy,
        ),
        _ks(
            "score_harmless",
            "score: harmless rows",
            r[there & (reference_outcome == HARMLESS)],
            x[harmless],
            policy,
        ),
        _ks(
            "confidence",
            "confidence of the classifier",
            reference.confidence[there],
            current.confidence[here],
            policy,
        ),
        _ks(
            "entropy",
            "entropy of the classifier",
            reference.entropy[there],
            current.entropy[here],
            policy,
        ),
        _mix(
            "class_mix",
            "mix of predicted classes",
            np.bincount(reference.prediction, minlength=len(class_names)),
            np.bincount(current.prediction, minlength=len(class_names)),
            policy,
        ),
        *_segment_mixes(current, reference, policy),
    ]
    family = [test for test in made if test.fields["skipped"] is None]
    adjusted = holm([test.fields["p_value"] for test in family])
    level = policy.alpha / 2 / max(1, len(family))
    for test, p_value in zip(family, adjusted, strict=True):
        fields = test.fields
        fields["p_value_adjusted"] = min(1.0, 2 * p_value)
        fields["drift_detected"] = (
            fields["p_value_adjusted"] < policy.alpha and fields["effect"] >= policy.min_effect
        )
        if test.detectable:
            fields["minimum_detectable"] = test.detectable(level)
    # A set that was split by the score differs in it by construction, so `detector` has no such
    # test; and it says how well the score tells harm, not that anything drifted.
    if harm_by != "detector":
        test = _ks(
            "separation",
            "score: harmless against harmful rows of the batch",
            x[harmless],
            x[harmful],
            policy,
        )
        test.fields["in_family"] = False
        if test.detectable:
            test.fields["minimum_detectable"] = test.detectable(policy.alpha)
        made.append(test)
    return [TwoSampleTest.model_validate(test.fields) for test in made]


def _ks(
    name: str,
    compares: str,
    reference: NDArray[np.float64],
    current: NDArray[np.float64],
    policy: Policy,
) -> _Made:
    n, m = len(reference), len(current)
    fields = _blank(name, "ks", compares, n, m, policy)
    if not n or not m:
        return _Made(fields | {"skipped": EMPTY}, None)
    result = ks_test(reference, current, policy.alpha)
    found = result._asdict() | {"effect": result.statistic}
    return _Made(fields | found, lambda level: minimum_detectable_d(n, m, level))


def _mix(
    name: str,
    compares: str,
    reference: NDArray[np.int64],
    current: NDArray[np.int64],
    policy: Policy,
) -> _Made:
    n, m = int(reference.sum()), int(current.sum())
    fields = _blank(name, "chi_squared", compares, n, m, policy)
    result = chi_squared_test(reference, current, policy.alpha)
    if result is None:
        return _Made(fields | {"skipped": ONE_CATEGORY if n and m else EMPTY}, None)
    found = result._asdict() | {"method": "asymptotic"}
    del found["categories"]
    freedom = result.degrees_of_freedom
    return _Made(fields | found, lambda level: minimum_detectable_variation(n, m, freedom, level))


def _blank(name: str, kind: str, compares: str, n: int, m: int, policy: Policy) -> dict[str, Any]:
    return {
        **dict.fromkeys(TwoSampleTest.model_fields),
        "name": name,
        "kind": kind,
        "compares": compares,
        "in_family": True,
        "p_value_is_bound": False,
        "n_reference": n,
        "n_current": m,
        "threshold": policy.min_effect,
        "drift_detected": False,
    }


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


def align_segments(first: Segment, second: Segment) -> tuple[Segment, Segment]:
    """Return two segments whose codes speak of one list of values, in the order of their names."""
    values = tuple(sorted({*first.values, *second.values}))
    position = {value: at for at, value in enumerate(values)}

    def recode(segment: Segment) -> Segment:
        table = np.array([position[value] for value in segment.values], np.int64)
        return Segment(values, table[segment.codes] if len(segment.codes) else segment.codes)

    return recode(first), recode(second)
