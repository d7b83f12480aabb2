"""The verdict: the first rule that holds, and the reason in words."""

from drift_monitor.config import Policy
from drift_monitor.report.model import Counts, Harm, KSTest, VerdictInfo


def decide(counts: Counts, harm: Harm, tests: list[KSTest], policy: Policy) -> VerdictInfo:
    """Return the verdict, the rule that gave it, the reason, and what to do next.

    Rules, in order; the first that holds gives the verdict:

    1. `insufficient_data`: too few rows scored, too many rejected, or no row under the split.
    2. `harmful_drift`: the harm rate exceeds the reference's by at least `harm_margin`, and the
       interval of the difference lies above zero. Whatever D says: an attack on 2 % of the rows
       moves D by at most 0.02.
    3. `harmless_drift`: a test is significant after adjustment, with D at least `min_effect`.
    4. `statistical_only`: a test is significant, and no such D reaches `min_effect`.
    5. `no_drift`.
    """
    if missing := _missing(counts, harm, policy):
        return VerdictInfo(
            verdict="insufficient_data",
            rule=missing[0],
            reason=missing[1],
            next_action=(
                "Run the interval again when its labels are there."
                if counts.scored >= policy.min_rows and harm.split != "detector"
                else "Check the job that writes the batch, then run the interval again."
            ),
        )
    harm_text = _harm_text(harm)
    if (
        harm.difference is not None
        and harm.difference.low > 0
        and _reaches(harm.difference.estimate, policy.harm_margin)
    ):
        return VerdictInfo(
            verdict="harmful_drift",
            rule="harm rate above the reference's, beyond its interval and the margin",
            reason=harm_text,
            next_action=(
                "Inspect the harmful rows (outcome = 'harmful' in scores.parquet, the worst below)"
                + ("" if harm.split == "labels" else ", label a sample of them")
                + ", and mend the input or hold the predictions back before retraining."
            ),
        )
    family = [test for test in tests if test.in_family and test.statistic is not None]
    significant = [
        test
        for test in family
        if test.p_value_adjusted is not None and test.p_value_adjusted < policy.alpha
    ]
    drifted = [test for test in significant if test.drift_detected]
    if drifted:
        return VerdictInfo(
            verdict="harmless_drift",
            rule="a test is significant with D at least the minimum effect; harm rate not above",
            reason=f"{_test_text(drifted)} {harm_text}",
            next_action=(
                "No action on the model. If the change is here to stay, fit the detector's "
                "reference anew on recent rows."
            ),
        )
    if significant:
        return VerdictInfo(
            verdict="statistical_only",
            rule="a test is significant, D below the minimum effect; harm rate not above",
            reason=(
                f"{_test_text(significant)} That is below the minimum effect of "
                f"{policy.min_effect:g}. {harm_text}"
            ),
            next_action="None: the difference is real but too small to matter.",
        )
    return VerdictInfo(
        verdict="no_drift",
        rule="no test is significant; harm rate not above",
        reason=f"No test tells the batch from the reference. {harm_text}",
        next_action="None.",
    )


def _missing(counts: Counts, harm: Harm, policy: Policy) -> tuple[str, str] | None:
    if counts.rejected > policy.max_rejected * counts.read:
        return (
            "share of rejected rows above max_rejected",
            f"{counts.rejected:,} of {counts.read:,} rows could not be scored, more than the "
            f"{policy.max_rejected:.0%} allowed; rejected.parquet says which and why.",
        )
    if counts.scored < policy.min_rows:
        return (
            "fewer scored rows than min_rows",
            f"{counts.scored:,} rows were scored; a verdict needs {policy.min_rows:,}.",
        )
    if harm.current is None or harm.reference is None:
        side = "batch" if harm.current is None else "reference"
        return (
            "no row under the split",
            f"The split by {harm.split} finds no row in the {side}: {harm.definition}.",
        )
    return None


def _harm_text(harm: Harm) -> str:
    current, reference, difference = harm.current, harm.reference, harm.difference
    if current is None or reference is None or difference is None:
        raise ValueError("a verdict on harm needs both rates")
    above = difference.low > 0
    beyond = _reaches(difference.estimate, harm.margin)
    conclusion = {
        (True, True): f"above the {100 * harm.margin:g}-point margin",
        (True, False): f"within the {100 * harm.margin:g}-point margin",
        (False, True): "not distinguishable from none",
        (False, False): "not above",
    }[above, beyond]
    return (
        f"Harm rate {current.rate:.1%} against {reference.rate:.1%} in the reference "
        f"({100 * difference.estimate:+.1f} points, {harm.confidence:.0%} interval "
        f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}): {conclusion}."
    )


def _reaches(difference: float, margin: float) -> bool:
    return difference >= margin - 1e-12  # 60/1000 − 50/1000 is 0.00999…


def _test_text(tests: list[KSTest]) -> str:
    test = max(tests, key=lambda t: t.statistic or 0)
    return (
        f"The scores moved: D = {test.statistic:.3f} ({test.compares}; adjusted "
        f"{format_p(test.p_value_adjusted)})."
    )


def format_p(p: float | None) -> str:
    """Return a p-value for reading: `p = 0.031`, or a bound where it is small or underflows."""
    if p is None:
        return "p not computed"
    if p < 1e-300:
        return "p < 1e-300"
    if p < 1e-4:
        return f"p = {p:.0e}"
    return f"p = {p:.4f}".rstrip("0").rstrip(".")
