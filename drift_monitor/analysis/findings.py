"""From scored rows to findings: harm, accuracy, tests, slices. No files, no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drift_monitor.analysis.accuracy import DropErrorModel, Unlabelled, compare_accuracy
from drift_monitor.analysis.class_accuracy import class_accuracy
from drift_monitor.analysis.corrections import (
    corrected_classes,
    correction_gain,
    correction_pairs,
    likelier,
    offered,
)
from drift_monitor.analysis.drift_tests import drift_tests
from drift_monitor.analysis.harm import Outcomes, compare_harm, judge_rows
from drift_monitor.analysis.slices import find_slices
from drift_monitor.config import HarmBy, Policy
from drift_monitor.errors import ConfigError
from drift_monitor.results.report_findings import (
    Accuracy,
    Correction,
    CorrectionGain,
    Harm,
    Slice,
    TwoSampleTest,
)
from drift_monitor.scoring.scored_rows import Classes, ScoredRows
from drift_monitor.stats.ks import ks_test

SELECTED_ALPHA = 0.001
"""Level at which labelled rows are called selected; low, as every report tests again."""


@dataclass(frozen=True)
class Findings:
    """What a batch shows against its reference.

    Attributes
    ----------
    outcome : (n,) int8
        Outcome of each scored row.
    corrected : (n,) int64
        Class of each row after the correction that the row by itself allows, offered or not.
    labels_selected : bool
        Whether the labelled rows are not a random sample (`is_selected`).
    harm, accuracy, tests, slices, corrections, correction_gain
        As in `report.json`.
    """

    outcome: Outcomes
    corrected: Classes
    labels_selected: bool
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
    unlabelled: Unlabelled | None = None,
) -> Findings:
    """Compare a batch with the reference window.

    Half of α is spent on harm: on one rule, or on two where the estimated accuracy decides too,
    each one-sided. So the intervals of harm and accuracy have a confidence of 1 − α or 1 − α/2.

    Parameters
    ----------
    current, reference : ScoredRows
        Rows with the estimator's probabilities, if there is an estimator.
    class_names : sequence of str
        The detector's classes.
    policy : Policy
        How harm is judged, α, minimum effect, margin.
    accuracy_estimator : AccuracyEstimator, optional
        The detector's.
    unlabelled : Unlabelled, optional
        What is known of the batch's support.

    Raises
    ------
    ConfigError
        If the policy demands a basis for which the columns are missing.
    """
    labels_selected = is_selected(current)
    harm_by = _choose_harm_by(current, reference, policy, labels_selected=labels_selected)
    here = judge_rows(current, harm_by)
    there = judge_rows(reference, harm_by, is_reference=True)
    estimated = accuracy_estimator is not None and bool(current.finite.any())
    decides = estimated and harm_by == "detector"
    alpha = policy.alpha / (2 if decides else 1)
    tests = drift_tests(here, there, class_names, harm_by, policy)
    accuracy = compare_accuracy(
        current, reference, accuracy_estimator, unlabelled, alpha, decides=decides
    )
    gain = correction_gain(current, unlabelled, alpha)
    given = offered(current, gain)
    return Findings(
        outcome=here.outcome,
        corrected=corrected_classes(current, likelier(current)),
        labels_selected=labels_selected,
        harm=compare_harm(here.outcome, there.outcome, harm_by, policy.harm_margin, alpha),
        accuracy=accuracy.model_copy(update={"by_class": class_accuracy(unlabelled, alpha)}),
        tests=tests,
        slices=find_slices(here, there, class_names, tests[0].location, alpha),
        corrections=correction_pairs(current, given, class_names),
        correction_gain=gain,
    )


def _choose_harm_by(
    current: ScoredRows, reference: ScoredRows, policy: Policy, *, labels_selected: bool
) -> HarmBy:
    labelled = int(np.count_nonzero(current.label >= 0))
    paired = min(labelled, int(np.count_nonzero(current.clean >= 0)))
    labelled_reference = bool((reference.label >= 0).any())
    if policy.harm_by == "auto" and labels_selected:
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
    """Whether the labelled rows are not a random sample: their scores differ from the others'.

    Rows that were labelled because they looked bad, or good, say nothing about the harm rate.
    """
    labelled = rows.finite & (rows.label >= 0)
    others = rows.finite & (rows.label < 0)
    if not labelled.any() or not others.any():
        return False
    return ks_test(rows.score[labelled], rows.score[others]).p_value < SELECTED_ALPHA
