"""The verdict: the first rule that holds, and the reason in words."""

from collections.abc import Sequence
from typing import NamedTuple

from drift_monitor.analysis.support import novel_excess
from drift_monitor.config import Policy
from drift_monitor.formatting import fixed, p_text, percent, points
from drift_monitor.results.report import Counts, VerdictName
from drift_monitor.results.report_findings import (
    Accuracy,
    EstimatedAccuracy,
    Harm,
    InputFindings,
    Support,
    TwoSampleTest,
)
from drift_monitor.stats.proportions import rate

LEAST_UNKNOWN = 5e-4
"""A smaller share would be written as 0.0%."""


class Decision(NamedTuple):
    """A verdict, the rule that gave it, the reason in words, and the smallest adjusted p."""

    verdict: VerdictName
    rule: str
    reason: str
    p_value: float | None


class Evidence(NamedTuple):
    """What a verdict rests on, as in `report.json`."""

    counts: Counts
    harm: Harm
    accuracy: Accuracy
    tests: list[TwoSampleTest]
    inputs: InputFindings | None = None
    support: Support | None = None


def decide(evidence: Evidence, policy: Policy) -> Decision:
    """Return the verdict.

    Rules, in order; the first that holds gives the verdict:

    1. `insufficient_data`: too few rows scored, too many rejected or without a finite score, or no
       row that can be judged.
    2. `harmful_drift`: the harm rate exceeds the reference's by at least `harm_margin`, and the
       interval of the difference lies above zero. D has no say: an attack on 2 % of the rows moves
       it by at most 0.02. Without labels, also where even the upper bound of the accuracy lies
       below the reference's by at least `harm_margin`.
    3. `drift_harm_unknown`: something moved, and harm beyond `harm_margin` is not excluded: neither
       by labels nor by the lower bound of the accuracy. Moved are scores, outputs, inputs or their
       joint distribution, beyond chance and `min_effect`; or the share of novel or of rejected rows
       rose by `harm_margin`. Also where labels do not exclude harm and more predictions than
       `harm_margin`, beyond chance, were served that are not the classifier's: bounds are of its
       accuracy, not of what was served.
    4. `harmless_drift`: something moved.
    5. `statistical_only`: a test is significant, but nothing moved by as much as matters.
    6. `no_drift`.
    """
    counts, harm, accuracy, tests = evidence[:4]
    if missing := _missing(counts, harm, policy):
        return Decision("insufficient_data", *missing, None)
    p_value = _smallest_p(harm, accuracy, tests, evidence.inputs)
    estimated = accuracy.estimated if accuracy.estimated and accuracy.estimated.decides else None
    texts = [_harm_text(harm), *([_accuracy_text(estimated, harm)] if estimated else [])]
    both = " ".join(texts)
    if harm.difference and _is_beyond(harm.difference.estimate, harm.difference.low, policy):
        rule = "harm rate above the reference's, beyond its interval and the margin"
        return Decision("harmful_drift", rule, both, p_value)
    if estimated and _accuracy_fell(estimated, evidence.support, policy):
        rule = "accuracy below the reference's, beyond its bounds and the margin"
        return Decision("harmful_drift", rule, " ".join(reversed(texts)), p_value)
    return Decision(*_without_harm_shown(evidence, estimated, both, policy), p_value)


def _without_harm_shown(
    evidence: Evidence, estimated: EstimatedAccuracy | None, both: str, policy: Policy
) -> tuple[VerdictName, str, str]:
    """Return verdict, rule and reason where harm is not shown; `both` says what is known of it."""
    by_labels = labels_exclude_harm(evidence.harm)
    served = None if by_labels else _served_otherwise(evidence.counts, policy)
    excluded = by_labels or (
        evidence.harm.by == "detector"
        and served is None
        and estimate_excludes_harm(evidence.harm, estimated)
    )
    moved = _moved(evidence, estimated, policy)
    if moved or served:
        what = " ".join([*([served] if served else []), *moved, both])
        if not excluded:
            rule = "something moved, and harm beyond the margin is not excluded"
            return "drift_harm_unknown", rule, what
        rule = "something moved by the minimum effect or more; harm beyond the margin is excluded"
        return "harmless_drift", rule, what
    significant = [
        test
        for test in [*evidence.tests, *(evidence.inputs.tests if evidence.inputs else ())]
        if test.p_value_adjusted is not None and test.p_value_adjusted < policy.alpha
    ]
    if significant:
        rule = "a test is significant, its effect below the minimum; no harm shown"
        below = f"That is below the minimum effect of {policy.min_effect:g}."
        return "statistical_only", rule, f"{_test_text(significant)} {below} {both}"
    rule = "no test is significant; no harm shown"
    return "no_drift", rule, f"No test finds a difference from the reference. {both}"


def _moved(evidence: Evidence, estimated: EstimatedAccuracy | None, policy: Policy) -> list[str]:
    """Return a sentence for each thing that moved beyond chance by as much as matters.

    A small change in how inputs and outputs hang together matters where what the batch may be does
    harm: a shuffled column leaves hardly another trace.
    """
    counts, support, inputs = evidence.counts, evidence.support, evidence.inputs
    sentences = []
    if drifted := [test for test in evidence.tests if test.drift_detected]:
        sentences.append(_test_text(drifted))
    if inputs and inputs.moved:
        first = inputs.moved[0]
        others = len(inputs.moved) - 1
        more = f", and {others} more inputs moved" if others else ""
        sentences.append(
            f"Of the inputs {first.name} moved most ({' and '.join(first.moved_by)}){more}."
        )
    if (
        not sentences
        and support
        and support.distance is not None
        and support.differs
        and (support.distance >= policy.min_effect or _may_harm(estimated, policy))
    ):
        sentences.append(
            f"Inputs and outputs hang together in another way (D = {fixed(support.distance)} for a "
            "learner that tells the batch from normal rows)."
        )
    if (excess := novel_excess(support)) >= policy.harm_margin and support and support.novel:
        sentences.append(
            f"{percent(support.novel.rate)} of the rows are like none that the detector was "
            f"calibrated on, {points(excess)} points more than of normal rows."
        )
    if counts.rejected and counts.rejected >= policy.harm_margin * counts.read:
        sentences.append(f"{counts.rejected:,} of {counts.read:,} rows could not be scored.")
    return sentences


def _served_otherwise(counts: Counts, policy: Policy) -> str | None:
    """Return what to say where another model was served than the one of which harm is known."""
    if not served_by_another(counts, policy):
        return None
    other = counts.served_otherwise or 0
    return (
        f"{other:,} of {counts.logged:,} predictions that were served are not those of the "
        "detector's classifier, of which alone anything is known."
    )


def served_by_another(counts: Counts, policy: Policy) -> bool:
    """Say whether the predictions that were served differ, beyond chance and the margin."""
    if not counts.logged or not counts.served_otherwise:
        return False
    differ = rate(counts.served_otherwise, counts.logged, policy.alpha)
    return differ is not None and _reaches(differ.low, policy.harm_margin)


def _may_harm(estimated: EstimatedAccuracy | None, policy: Policy) -> bool:
    return estimated is not None and _reaches(estimated.largest_drop, policy.harm_margin)


def labels_exclude_harm(harm: Harm) -> bool:
    """Say whether labels exclude harm beyond the margin."""
    return (
        harm.by != "detector"
        and harm.difference is not None
        and harm.difference.high <= harm.margin
    )


def estimate_excludes_harm(harm: Harm, estimated: EstimatedAccuracy | None) -> bool:
    """Say whether the lower bound of the accuracy excludes harm beyond the margin."""
    return estimated is not None and estimated.bounds.difference_low >= -harm.margin


def _accuracy_fell(estimated: EstimatedAccuracy, support: Support | None, policy: Policy) -> bool:
    """Say whether accuracy is below the reference's beyond the margin, whatever is not known.

    A detector that keeps no calibration rows can say nothing of support; its estimate counts for
    what it is.
    """
    if support is not None and support.explanation is not None:
        return _reaches(-estimated.bounds.difference_high, policy.harm_margin)
    return _is_beyond(-estimated.difference.estimate, -estimated.difference.high, policy)


def _missing(counts: Counts, harm: Harm, policy: Policy) -> tuple[str, str] | None:
    if counts.rejected > policy.max_rejected * counts.read:
        return (
            "share of rejected rows above max_rejected",
            f"{counts.rejected:,} of {counts.read:,} rows could not be scored, more than the "
            f"{policy.max_rejected:.0%} allowed; rejected.parquet says which and why.",
        )
    if counts.non_finite > policy.max_non_finite * counts.scored:
        return (
            "share of rows without a finite score above max_non_finite",
            f"{counts.non_finite:,} of {counts.scored:,} scored rows have no finite score, more "
            f"than the {policy.max_non_finite:.0%} allowed: the classifier or the autoencoder "
            "returns NaN or infinity (adversarial_score in scores.parquet shows on which rows).",
        )
    if counts.scored < policy.min_rows:
        return (
            "fewer scored rows than min_rows",
            f"{counts.scored:,} rows were scored; a verdict needs {policy.min_rows:,}.",
        )
    if harm.current is None or harm.reference is None:
        side = "batch" if harm.current is None else "reference"
        return (
            "no row that can be judged",
            f"No row in the {side} can be judged by {harm.by}: {harm.definition}.",
        )
    return None


def _smallest_p(
    harm: Harm,
    accuracy: Accuracy,
    tests: Sequence[TwoSampleTest],
    inputs: InputFindings | None,
) -> float | None:
    """Return the smallest p, after Bonferroni for the two halves of α and the rules on harm."""
    rules = [harm.p_value]
    if accuracy.estimated and accuracy.estimated.decides:
        rules.append(accuracy.estimated.p_value)
    adjusted = [min(1.0, 2 * len(rules) * p) for p in rules if p is not None]
    every = [*tests, *(inputs.tests if inputs else ())]
    adjusted += [test.p_value_adjusted for test in every if test.p_value_adjusted is not None]
    return min(adjusted, default=None)


def _is_beyond(rise: float, low: float, policy: Policy) -> bool:
    return low > 0 and _reaches(rise, policy.harm_margin)


def _harm_text(harm: Harm) -> str:
    current, reference, difference = harm.current, harm.reference, harm.difference
    if current is None or reference is None or difference is None:
        raise ValueError("a verdict on harm needs both rates")
    return (
        f"Harm rate {percent(current.rate)} against {percent(reference.rate)} in the reference "
        f"({points(difference.estimate)} points, {100 * harm.confidence:.4g}% interval "
        f"{points(difference.low)} to {points(difference.high)}): "
        f"{_conclusion(difference.estimate, difference.low, harm.margin, 'above')}."
    )


def _accuracy_text(estimated: EstimatedAccuracy, harm: Harm) -> str:
    difference, bounds = estimated.difference, estimated.bounds
    text = (
        f"Estimated accuracy {percent(estimated.current.estimate)} against "
        f"{percent(estimated.reference.estimate)} ({points(difference.estimate)} points"
    )
    if bounds.unknown >= 1:
        return f"{text}), of which nothing can be said: the rows are like no calibration rows."
    unknown = (
        f" whatever the {percent(bounds.unknown)} of rows are of which nothing is known"
        if bounds.unknown >= LEAST_UNKNOWN
        else ""
    )
    return (
        f"{text}, {points(bounds.difference_low)} to {points(bounds.difference_high)}{unknown}): "
        f"{_conclusion(-difference.estimate, -bounds.difference_high, harm.margin, 'below')}."
    )


def _conclusion(rise: float, low: float, margin: float, side: str) -> str:
    return {
        (True, True): f"{side} the reference by more than the {100 * margin:g}-point margin",
        (True, False): f"within the {100 * margin:g}-point margin",
        (False, True): "not distinguishable from none",
        (False, False): f"not {side}",
    }[low > 0, _reaches(rise, margin)]


def _reaches(difference: float, margin: float) -> bool:
    return difference >= margin - 1e-12  # 60/1000 − 50/1000 is 0.00999…


def _test_text(tests: Sequence[TwoSampleTest]) -> str:
    """Say which test moved most; tests on the score come before others."""
    on_score = [test for test in tests if test.name.startswith("score")]
    test = max(on_score or tests, key=lambda test: test.effect or 0)
    what = "The scores moved" if on_score else f"The {test.compares} moved"
    effect = "D" if test.kind == "ks" else "total variation"
    p = p_text(test.p_value_adjusted)
    return (
        f"{what}: {effect} = {fixed(test.effect)} ({test.compares}; adjusted "
        f"p {p if p.startswith('<') else f'= {p}'})."
    )
