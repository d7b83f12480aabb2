"""What a report finds in its scores: parts, corrections, accuracy, verdict and examples."""

import base64
import io

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from drift_monitor.results.report import VerdictInfo, VerdictName
from drift_monitor.results.report_findings import (
    Accuracy,
    AccuracyBounds,
    BoundedShare,
    ClassAccuracy,
    ClassProbability,
    Correction,
    CorrectionGain,
    EstimatedAccuracy,
    Example,
    FeatureValue,
    LikelyExplanation,
    RealisedAccuracy,
    Resemblance,
    Slice,
    Support,
    TwoSampleTest,
)
from drift_monitor.stats.estimates import Estimate, EstimatedShare, Rate
from tests.support.reports.cases import REFERENCE_ROWS, Case
from tests.support.reports.scores import difference, rate


def make_verdict(
    case: Case,
    current: Rate | None,
    reference: Rate,
    change: Estimate | None,
    tests: list[TwoSampleTest],
) -> VerdictInfo:
    harm = (
        f"Harm rate {current.rate:.1%} against {reference.rate:.1%} in the reference "
        f"({100 * change.estimate:+.1f} points, 95% interval {100 * change.low:+.1f} to "
        f"{100 * change.high:+.1f})"
        if current and change
        else ""
    )
    monitor = f"monitors/{case.monitor}.yaml"
    texts: dict[VerdictName, tuple[str, str, str, list[str]]] = {
        "insufficient_data": (
            "fewer scored rows than min_rows",
            f"{case.rows} rows were scored; a verdict needs 100.",
            "Check the job that writes the batch, then run the interval again.",
            [f"drift-monitor run {monitor} --date {case.interval}"],
        ),
        "harmful_drift": (
            "harm rate above the reference's, beyond its interval and the margin",
            f"{harm}: above the 1-point margin.",
            "Look at the harmed rows, and fix the input or hold the "
            "predictions back before retraining.",
            [
                f"drift-monitor rows {monitor} --date {case.interval} --outcome harmful",
                f"drift-monitor rows {monitor} --date {case.interval} --outcome harmful "
                "--random 100 --output to_label.csv",
            ],
        ),
        "drift_harm_unknown": (
            "a test is significant with the minimum effect or more; harm not excluded",
            f"The scores moved: D = {tests[0].effect or 0:.3f}. {harm}: not shown. Accuracy may be "
            "anything from 2.0% to 99.6%: 97.6% of the rows are unlike any that are known.",
            "Look first at income (D = 0.812). To know whether it harms, label rows drawn at "
            "random.",
            [
                f"drift-monitor rows {monitor} --date {case.interval} --random 200 "
                "--output TO_LABEL.csv",
                f"drift-monitor rows {monitor} --date {case.interval}",
            ],
        ),
        "harmless_drift": (
            "a test is significant with D at least the minimum effect; harm rate not above",
            f"The scores moved: D = {tests[0].effect or 0:.3f}. {harm}: not above.",
            "No action on the model. If the change is here to stay, renew the reference.",
            [f"drift-monitor reference {monitor} --start {case.interval}"],
        ),
        "statistical_only": (
            "a test is significant, D below the minimum effect; harm rate not above",
            f"The scores moved by less than matters: D = {tests[0].effect or 0:.3f}. {harm}.",
            "None: the difference is real but too small to matter.",
            [],
        ),
        "no_drift": (
            "no test is significant; harm rate not above",
            f"No test finds a difference from the reference. {harm}: not above.",
            "None.",
            [],
        ),
    }
    rule, reason, action, commands = texts[case.verdict]
    rng = np.random.default_rng(case.seed)
    small = {
        "harmful_drift": 1e-9,
        "drift_harm_unknown": 1e-12,
        "harmless_drift": 3e-7,
        "statistical_only": 0.012,
    }
    p = small.get(case.verdict, float(rng.uniform(0.06, 1)))
    return VerdictInfo(
        verdict=case.verdict,
        rule=rule,
        reason=f"{reason}{f' Class {case.word}.' if case.word else ''}",
        next_action=action,
        commands=commands,
        p_value=None if case.verdict == "insufficient_data" else p,
    )


def make_accuracy(
    case: Case, current: Rate | None, reference: Rate, change: Estimate | None
) -> Accuracy:
    def right(harm: Rate) -> Rate:
        return rate(harm.n - harm.count, harm.n)

    realised = RealisedAccuracy(current=None, reference=None, difference=None)
    if case.labels and current and change:
        own, before = right(current), right(reference)
        realised = RealisedAccuracy(
            current=own, reference=before, difference=difference(own, before)
        )
    estimated = None
    if case.accuracy_estimator and case.rows:
        unknown = 0.976 if case.verdict == "drift_harm_unknown" else 0.004
        fall = {"harmful_drift": 0.052, "harmless_drift": 0.006}.get(case.verdict, 0.001)
        fall += 0.004 * np.sin(case.seed)
        estimated = EstimatedAccuracy(
            current=EstimatedShare(
                estimate=0.913 - fall, low=0.893 - fall, high=0.931 - fall, n=case.rows
            ),
            reference=EstimatedShare(estimate=0.913, low=0.905, high=0.92, n=REFERENCE_ROWS),
            difference=Estimate(estimate=-fall, low=-fall - 0.02, high=-fall + 0.018),
            largest_drop=fall,
            p_value=0.0003 if fall > 0.03 else 0.4,
            bounds=AccuracyBounds(
                low=(1 - unknown) * (0.893 - fall),
                high=(1 - unknown) * (0.931 - fall) + unknown,
                difference_low=(1 - unknown) * (0.893 - fall) - 0.913,
                difference_high=(1 - unknown) * (0.931 - fall) + unknown - 0.913,
                unknown=unknown,
            ),
            decides=not case.labels,
        )
    missing = (
        "no row was scored" if case.accuracy_estimator else "the detector has no accuracy estimator"
    )
    return Accuracy(
        realised=realised,
        estimated=estimated,
        estimated_missing=None if estimated else missing,
        by_class=make_classes(case) if estimated and not case.labels else [],
    )


def make_classes(case: Case) -> list[ClassAccuracy]:
    """Return recall and precision of each class; the last class is too rare to say."""
    found = []
    for number, name in enumerate(case.class_names):
        fall = 0.2 * number / len(case.class_names)
        share = BoundedShare(
            estimate=0.93 - fall, low=0.9 - 2 * fall, high=0.96 - fall, reference=0.94
        )
        rare = number == len(case.class_names) - 1
        known = None if rare else share
        found.append(ClassAccuracy(name=name, recall=known, precision=known))
    return found


def make_support(case: Case) -> Support | None:
    """Return what is known of the rows' support; None for a detector that knows nothing of it."""
    if not case.accuracy_estimator:
        return None
    if not case.rows:
        return Support(missing="no row was scored")
    unknown = case.verdict == "drift_harm_unknown"
    flat = case.input == "flat"
    like = [
        Resemblance(damage="unit-0" if flat else "gaussian_blur", severity=3, share=0.38),
        Resemblance(damage="sentinel-some" if flat else "dark", severity=0.5, share=0.12),
    ]
    return Support(
        novel=rate(round((0.976 if unknown else 0.01) * case.rows), case.rows),
        novel_reference=rate(50, REFERENCE_ROWS),
        distance=0.874 if unknown else 0.021,
        by_chance=0.058,
        explanation=LikelyExplanation(
            name="damage" if unknown else "normal",
            unexplained=0.26 if unknown else 0.0,
            novel=0.12 if unknown else 0.0,
            correction=-0.02 if unknown else 0.0,
            correction_error=0.01 if unknown else 0.0,
        ),
        resembles=like if unknown else [],
    )


def make_slices(case: Case, scores: pa.Table, outcome: NDArray[np.object_]) -> list[Slice]:
    if not case.rows:
        return []
    found = []
    rng = np.random.default_rng(case.seed)
    for by, column, values in [
        ("predicted class", "prediction", case.class_names),
        *[(f"{case.word}{name}", f"{case.word}{name}", None) for name, _ in case.segments],
    ]:
        own = np.array(scores[column].to_pylist(), dtype=object)
        parts = []
        for value in values or sorted(set(own)):
            rows = own == value
            n, before = int(rows.sum()), int(REFERENCE_ROWS * rows.mean() * rng.uniform(0.8, 1.2))
            current = rate(int((outcome[rows] == "harmful").sum()), n) if n else None
            reference = rate(int(before * 0.033), before) if before else None
            parts.append(
                Slice(
                    by=by,
                    value=str(value),
                    n_current=n,
                    n_reference=before,
                    share_current=n / case.rows,
                    share_reference=before / REFERENCE_ROWS,
                    current=current,
                    reference=reference,
                    difference=difference(current, reference) if current and reference else None,
                    harm_contribution=(current.count if current else 0) / case.rows
                    - 0.033 * before / REFERENCE_ROWS,
                    drift_contribution=float(rng.normal(0.3, 0.4)) * n / case.rows,
                    too_small=min(n, before) < 30,
                )
            )
        parts.sort(key=lambda part: (part.too_small, -(part.harm_contribution or 0)))
        found += parts
    return found


def make_corrections(case: Case, scores: pa.Table) -> list[Correction]:
    frame = scores.select(
        ["prediction", "reconstruction_prediction", "corrected_prediction"]
    ).to_pylist()
    pairs: dict[tuple[str, str], list[bool]] = {}
    for row in frame:
        before, after, chosen = row.values()
        if before != after:
            pairs.setdefault((before, after), []).append(chosen == after)
    return [
        Correction(
            prediction=before,
            reconstruction_prediction=after,
            n=len(offered),
            offered=sum(offered),
            probability_before=0.41 if case.accuracy_estimator else None,
            probability_after=0.632 if case.accuracy_estimator else None,
        )
        for (before, after), offered in sorted(pairs.items(), key=lambda item: -len(item[1]))
    ]


def make_gain(case: Case, scores: pa.Table) -> CorrectionGain:
    corrections = make_corrections(case, scores)
    proposed, likelier = sum(c.n for c in corrections), sum(c.offered for c in corrections)
    expected = withheld = None
    if not case.accuracy_estimator:
        withheld = "the detector has no accuracy estimator"
    elif likelier:
        expected = Estimate(estimate=0.0093, low=0.0041, high=0.0138)
    return CorrectionGain(
        proposed=proposed,
        within_support=proposed - proposed // 5 if case.accuracy_estimator else None,
        likelier=likelier,
        offered=likelier,
        withheld=withheld if proposed else None,
        expected=expected,
        realised=0.0071 if case.labels and corrections else None,
    )


def make_examples(case: Case, scores: pa.Table, rng: np.random.Generator) -> list[Example]:
    sample = scores["adversarial_score"].to_numpy()
    worst = np.argsort(-sample)[: case.examples]
    classes = case.class_names
    found = []
    for position in worst.tolist():
        row = scores.slice(position, 1).to_pylist()[0]
        likeliest = dict.fromkeys(
            [row["prediction"], row["reconstruction_prediction"], *classes[:3]]
        )
        shares = rng.dirichlet(np.ones(len(likeliest)) / 2, 2)
        found.append(
            Example(
                position=position,
                row={name: row[name] for name in ("row_id", "file", "row") if name in row},
                prediction=row["prediction"],
                reconstruction_prediction=row["reconstruction_prediction"],
                corrected_prediction=row["corrected_prediction"],
                confidence=row["confidence"],
                adversarial_score=row["adversarial_score"],
                flagged=row["flagged"],
                probability_correct=row.get("probability_correct"),
                outcome=row["outcome"],
                label=row.get("label"),
                image=_png(rng) if case.input == "images" else None,
                reconstruction=_png(rng) if case.input == "images" else None,
                normal=_png(rng) if case.input == "images" else None,
                probabilities=[
                    ClassProbability(name=name, probability=p, reconstruction=q)
                    for name, p, q in zip(likeliest, *shares, strict=True)
                ],
                values=[
                    FeatureValue(
                        name=f"{case.word}{name}",
                        value=float(rng.normal(900, 300)),
                        reconstruction=float(rng.normal(600, 100)),
                        normal=float(rng.normal(550, 90)),
                        reference_median=551.3,
                        reference_quantile=quantile,
                    )
                    for name, quantile in (
                        ("worst area", 1.0),
                        ("mean concave points", 0.9994),
                        ("worst perimeter", 0.98),
                        ("mean texture", 0.031),
                    )
                    if case.input == "flat"
                ],
            )
        )
    return found


def _png(rng: np.random.Generator) -> str:
    ramp = np.hypot(*np.meshgrid(np.linspace(-1, 1, 28), np.linspace(-1, 1, 28)))
    pixels = np.clip(255 * (1.1 - ramp) + rng.normal(0, 25, ramp.shape), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
