"""From score tables to findings: split, harm, accuracy, tests, parts. No files, no TensorFlow."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from drift_monitor.analysis.accuracy import DropErrorModel, estimated_accuracy, realised_accuracy
from drift_monitor.analysis.corrections import corrected_classes, gain, pairs
from drift_monitor.analysis.drift_tests import align_segments, drift_tests
from drift_monitor.analysis.harm import (
    HARMLESS,
    LEFT_OUT,
    Outcomes,
    harm_rate,
    split_by_detector,
    split_by_labels,
    split_paired,
)
from drift_monitor.analysis.slices import Side, compare_slices
from drift_monitor.config import HarmBy, Policy
from drift_monitor.errors import ConfigError
from drift_monitor.results.report import (
    Accuracy,
    Correction,
    CorrectionGain,
    Difference,
    Harm,
    Slice,
    TwoSampleTest,
)
from drift_monitor.scoring.scored_rows import Classes, ScoredRows, Segment
from drift_monitor.stats.ks import ks_test
from drift_monitor.stats.proportions import rate_difference, rise_p_value

DEFINITIONS: dict[HarmBy, str] = {
    "labels": "harmful where the prediction differs from the label",
    "paired": "harmful where the prediction turned from correct on the clean twin to incorrect",
    "detector": "harmful where the row is flagged and its reconstruction has another class",
}
SELECTED_ALPHA = 0.001
"""Level at which labelled rows are held for selected by their scores: each report looks again."""
NO_ESTIMATOR = (
    "the detector has no accuracy estimator: fit it, or its reference, with labels (drift-monitor "
    "reference, --label)"
)


@dataclass(frozen=True)
class Findings:
    """What a batch shows against its reference.

    Attributes
    ----------
    outcome : (n,) int8
        Outcome of each scored row.
    corrected : (n,) int64
        Class of each row after the corrections that are offered.
    harm, accuracy, tests, slices, corrections, correction_gain
        As in `report.json`.
    """

    outcome: Outcomes
    corrected: Classes
    harm: Harm
    accuracy: Accuracy
    tests: list[TwoSampleTest]
    slices: list[Slice]
    corrections: list[Correction]
    correction_gain: CorrectionGain


def analyse(
    current: ScoredRows,
    reference: ScoredRows,
    class_names: Sequence[str],
    policy: Policy,
    accuracy_estimator: DropErrorModel | None = None,
) -> Findings:
    """Compare a batch with the reference window.

    Half of α is spent on harm: by one rule, or by two where accuracy is estimated too, each
    one-sided. That sets the confidence of the intervals of harm and accuracy, 1 − α or 1 − α/2.

    Parameters
    ----------
    current, reference : ScoredRows
        With the estimator's probabilities where there is one.
    class_names : sequence of str
        The detector's classes.
    policy : Policy
        What tells harm, α, minimum effect, margin.
    accuracy_estimator : AccuracyEstimator, optional
        The detector's.

    Raises
    ------
    ConfigError
        If the policy demands a split for which the columns are missing.
    """
    harm_by = _choose_harm_by(current, reference, policy)
    outcome = _outcome(current, harm_by)
    reference_outcome = _outcome(reference, harm_by, is_reference=True)
    estimated = accuracy_estimator is not None and bool(current.finite.any())
    decides = estimated and harm_by == "detector"
    alpha = policy.alpha / (2 if decides else 1)
    tests = drift_tests(
        current, reference, outcome, reference_outcome, tuple(class_names), harm_by, policy
    )
    return Findings(
        outcome=outcome,
        corrected=corrected_classes(current),
        harm=_harm(outcome, reference_outcome, harm_by, policy, alpha),
        accuracy=_accuracy(
            current, reference, accuracy_estimator if estimated else None, alpha, decides=decides
        ),
        tests=tests,
        slices=_slices(
            current, reference, outcome, reference_outcome, class_names, tests[0].location, alpha
        ),
        corrections=[
            Correction(
                prediction=class_names[pair.prediction],
                reconstruction_prediction=class_names[pair.reconstruction],
                n=pair.n,
                offered=pair.offered,
                probability_before=pair.probability_before,
                probability_after=pair.probability_after,
            )
            for pair in pairs(current, len(class_names))
        ],
        correction_gain=_correction_gain(current, alpha),
    )


def _choose_harm_by(current: ScoredRows, reference: ScoredRows, policy: Policy) -> HarmBy:
    labelled = int(np.count_nonzero(current.label >= 0))
    paired = min(labelled, int(np.count_nonzero(current.clean >= 0)))
    labelled_reference = bool((reference.label >= 0).any())
    if policy.harm_by == "auto" and is_selected(current):
        return "detector"
    if policy.harm_by == "auto":
        if paired >= policy.min_rows:
            return "paired"
        return "labels" if labelled >= policy.min_rows and labelled_reference else "detector"
    if policy.harm_by == "labels" and not labelled_reference:
        raise ConfigError(
            "policy.harm_by is 'labels', but the detector's reference window holds no labels: fit "
            "the detector with --label, or set policy.harm_by to 'auto'"
        )
    return policy.harm_by


def is_selected(rows: ScoredRows) -> bool:
    """Whether the labelled rows are no random sample: their scores differ from the others'.

    Rows that were labelled because they looked bad, or good, say nothing of the harm rate.
    """
    labelled = rows.finite & (rows.label >= 0)
    others = rows.finite & (rows.label < 0)
    if not labelled.any() or not others.any():
        return False
    return ks_test(rows.score[labelled], rows.score[others]).p_value < SELECTED_ALPHA


def _outcome(rows: ScoredRows, harm_by: HarmBy, *, is_reference: bool = False) -> Outcomes:
    match harm_by:
        case "detector":
            outcome = split_by_detector(rows.flagged, rows.prediction, rows.reconstruction)
            outcome[~rows.finite] = LEFT_OUT
            return outcome
        case "labels":
            return split_by_labels(rows.served, rows.label)
        case "paired" if is_reference:
            # A reference row is its own clean twin, so its prediction is unchanged.
            return np.full(len(rows), HARMLESS, np.int8)
        case "paired":
            return split_paired(rows.prediction, rows.label, rows.clean)


def _harm(
    outcome: Outcomes, reference_outcome: Outcomes, harm_by: HarmBy, policy: Policy, alpha: float
) -> Harm:
    current = harm_rate(outcome, alpha)
    reference = harm_rate(reference_outcome, alpha)
    difference = rate_difference(current, reference) if current and reference else None
    return Harm.model_validate(
        {
            "by": harm_by,
            "definition": DEFINITIONS[harm_by],
            "margin": policy.harm_margin,
            "confidence": 1 - alpha,
            "left_out": int(np.count_nonzero(outcome == LEFT_OUT)),
            "current": asdict(current) if current else None,
            "reference": asdict(reference) if reference else None,
            "difference": difference and difference._asdict(),
            "p_value": rise_p_value(current, reference) if current and reference else None,
        }
    )


def _accuracy(
    current: ScoredRows,
    reference: ScoredRows,
    accuracy_estimator: DropErrorModel | None,
    alpha: float,
    *,
    decides: bool,
) -> Accuracy:
    here, there = realised_accuracy(current, alpha), realised_accuracy(reference, alpha)
    difference = rate_difference(here, there) if here and there else None
    estimated = None
    if (
        accuracy_estimator is not None
        and current.probability_correct is not None
        and reference.probability_correct is not None
    ):
        found = estimated_accuracy(
            current.probability_correct[current.finite],
            reference.probability_correct[reference.finite],
            accuracy_estimator,
            alpha,
        )
        estimated = {
            "current": found.current._asdict(),
            "reference": found.reference._asdict(),
            "difference": _difference(found.difference),
            "p_value": found.p_value,
            "decides": decides,
        }
    return Accuracy.model_validate(
        {
            "realised": {
                "current": asdict(here) if here else None,
                "reference": asdict(there) if there else None,
                "difference": difference and difference._asdict(),
            },
            "estimated": estimated,
            "estimated_missing": None
            if estimated
            else (
                NO_ESTIMATOR
                if accuracy_estimator is None and len(current)
                else "no row can be judged"
            ),
        }
    )


def _slices(
    current: ScoredRows,
    reference: ScoredRows,
    outcome: Outcomes,
    reference_outcome: Outcomes,
    class_names: Sequence[str],
    location: float | None,
    alpha: float,
) -> list[Slice]:
    at = np.inf if location is None else location
    columns: list[tuple[str, Segment, Segment | None]] = [
        (
            "prediction",
            Segment(tuple(class_names), current.prediction),
            Segment(tuple(class_names), reference.prediction),
        )
    ]
    for name, segment in current.segments.items():
        there = reference.segments.get(name)
        columns.append(
            (name, segment, None) if there is None else (name, *align_segments(segment, there))
        )
    found = []
    for by, here, there in columns:
        parts = compare_slices(
            Side(here.codes, outcome, current.score <= at),
            None if there is None else Side(there.codes, reference_outcome, reference.score <= at),
            len(here.values),
            alpha,
        )
        rows = [
            Slice.model_validate(
                {"by": by, "value": value}
                | part._asdict()
                | {
                    "current": asdict(part.current) if part.current else None,
                    "reference": asdict(part.reference) if part.reference else None,
                    "difference": part.difference and part.difference._asdict(),
                }
            )
            for value, part in zip(here.values, parts, strict=True)
            if part.n_current or part.n_reference
        ]
        found += sorted(rows, key=_rank)
    return found


def _rank(part: Slice) -> tuple[bool, float, float, str]:
    return (
        part.too_small,
        -(part.harm_contribution or 0.0),
        -(part.drift_contribution or 0.0),
        part.value,
    )


def _correction_gain(rows: ScoredRows, alpha: float) -> CorrectionGain:
    found = gain(rows, alpha)
    return CorrectionGain(
        proposed=found.proposed,
        offered=found.offered,
        expected=None if found.expected is None else Difference(**_difference(found.expected)),
        expected_of_all=found.expected_of_all,
        realised=found.realised,
    )


def _difference(values: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("estimate", "low", "high"), values, strict=True))
