"""The verdict: the first rule that holds, and the reason in words."""

from typing import NamedTuple

from drift_monitor.config import Policy
from drift_monitor.formatting import fixed, p_text, percent, points
from drift_monitor.results.report import Counts, VerdictName
from drift_monitor.results.report_findings import Accuracy, EstimatedAccuracy, Harm, TwoSampleTest


class Decision(NamedTuple):
    """A verdict, the rule that gave it, the reason in words, and the smallest adjusted p."""

    verdict: VerdictName
    rule: str
    reason: str
    p_value: float | None


def decide(
    counts: Counts, harm: Harm, accuracy: Accuracy, tests: list[TwoSampleTest], policy: Policy
) -> Decision:
    """Return the verdict.

    Rules, in order; the first that holds gives the verdict:

    1. `insufficient_data`: too few rows scored, too many rejected or without a finite score, or no
       row that can be judged.
    2. `harmful_drift`: the harm rate exceeds the reference's by at least `harm_margin`, and the
       interval of the difference lies above zero. D has no say: an attack on 2 % of the rows moves
       it by at most 0.02. Without labels, also where the estimated accuracy is below the
       reference's by at least `harm_margin`, and the interval of the difference lies below zero.
    3. `harmless_drift`: a test is significant after adjustment, with an effect of at least
       `min_effect`.
    4. `statistical_only`: a test is significant, but no significant effect reaches `min_effect`.
    5. `no_drift`.
    """
    if missing := _missing(counts, harm, policy):
        return Decision("insufficient_data", *missing, None)
    p_value = _smallest_p(harm, accuracy, tests)
    estimated = accuracy.estimated if accuracy.estimated and accuracy.estimated.decides else None
    texts = [_harm_text(harm), *([_accuracy_text(estimated, harm)] if estimated else [])]
    both = " ".join(texts)
    if harm.difference and _is_beyond(harm.difference.estimate, harm.difference.low, policy):
        return Decision(
            "harmful_drift",
            "harm rate above the reference's, beyond its interval and the margin",
            both,
            p_value,
        )
    if estimated and _is_beyond(-estimated.difference.estimate, -estimated.difference.high, policy):
        return Decision(
            "harmful_drift",
            "estimated accuracy below the reference's, beyond its interval and the margin",
            " ".join(reversed(texts)),
            p_value,
        )
    significant = [
        test
        for test in tests
        if test.p_value_adjusted is not None and test.p_value_adjusted < policy.alpha
    ]
    if drifted := [test for test in significant if test.drift_detected]:
        return Decision(
            "harmless_drift",
            "a test is significant with the minimum effect or more; harm not above",
            f"{_test_text(drifted)} {both}",
            p_value,
        )
    if significant:
        return Decision(
            "statistical_only",
            "a test is significant, its effect below the minimum; harm not above",
            f"{_test_text(significant)} That is below the minimum effect of "
            f"{policy.min_effect:g}. {both}",
            p_value,
        )
    return Decision(
        "no_drift",
        "no test is significant; harm not above",
        f"No test finds a difference from the reference. {both}",
        p_value,
    )


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


def _smallest_p(harm: Harm, accuracy: Accuracy, tests: list[TwoSampleTest]) -> float | None:
    """Return the smallest p, after Bonferroni for the two halves of α and the rules on harm."""
    rules = [harm.p_value]
    if accuracy.estimated and accuracy.estimated.decides:
        rules.append(accuracy.estimated.p_value)
    adjusted = [min(1.0, 2 * len(rules) * p) for p in rules if p is not None]
    adjusted += [test.p_value_adjusted for test in tests if test.p_value_adjusted is not None]
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
    difference = estimated.difference
    return (
        f"Estimated accuracy {percent(estimated.current.estimate)} against "
        f"{percent(estimated.reference.estimate)} ({points(difference.estimate)} points, "
        f"{points(difference.low)} to {points(difference.high)}): "
        f"{_conclusion(-difference.estimate, -difference.high, harm.margin, 'below')}."
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


def _test_text(tests: list[TwoSampleTest]) -> str:
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
