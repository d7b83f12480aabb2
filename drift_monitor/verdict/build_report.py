"""From the scores of an interval to its report: everything after scoring, without models."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import AccuracyEstimator
from adversarial.masking import mask_all, mask_secrets
from drift_monitor import __version__
from drift_monitor.analysis.accuracy import Unlabelled
from drift_monitor.analysis.findings import analyse
from drift_monitor.analysis.harm import outcome_words
from drift_monitor.analysis.input_tests import adjust_inputs
from drift_monitor.analysis.support import novel_excess, with_novel_rows
from drift_monitor.intervals import Interval
from drift_monitor.results.report import (
    Counts,
    DetectorInfo,
    ReferenceInfo,
    Report,
    ScoreQuantile,
    VerdictInfo,
)
from drift_monitor.results.score_columns import (
    ESTIMATES,
    ScoreColumn,
    with_column,
    without_columns,
)
from drift_monitor.scoring.examples import join_scores
from drift_monitor.scoring.repeated_ids import count_repeats
from drift_monitor.scoring.scored_rows import Classes, ScoredRows
from drift_monitor.verdict.health import health
from drift_monitor.verdict.next_action import next_action
from drift_monitor.verdict.redaction import redacted_examples, redacted_inputs
from drift_monitor.verdict.rules import Evidence, decide
from drift_monitor.verdict.scored_interval import ScoredInterval

SCORE_QUANTILES = np.linspace(0, 1, 501)
OUTPUT_QUANTILES = np.linspace(0, 1, 101)
"""For confidence and entropy, which get a test on D and an overview chart."""
CURRENT_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def build_report(scored: ScoredInterval) -> tuple[Report, pa.Table]:
    """Return an interval's report, and its score table with estimates, corrections and outcomes.

    Raises
    ------
    ConfigError
        If the policy demands a basis for which labels are missing.
    """
    monitor, interval, window = scored.monitor, scored.interval, scored.window
    manifest, scoring = scored.bundle.manifest, scored.scoring
    accuracy_estimator = window.accuracy_estimator
    segments = monitor.data.segments
    scores = with_estimates(scored.scores, accuracy_estimator)
    current = ScoredRows.of(scores, manifest.class_names, segments)
    reference = ScoredRows.of(
        with_estimates(window.table, accuracy_estimator), manifest.class_names, segments
    )
    support = scoring.support and with_novel_rows(
        scoring.support, current, window.novel_held_out, monitor.policy.alpha
    )
    rejected = scored.rejected.total()
    findings = analyse(
        current,
        reference,
        manifest.class_names,
        monitor.policy,
        accuracy_estimator,
        Unlabelled(support, novel_excess(support), rejected / max(1, scoring.n_read)),
    )
    scores = with_corrections(scores, findings.corrected, manifest.class_names)
    scores = with_column(scores, ScoreColumn.OUTCOME, outcome_words(findings.outcome))
    counts = Counts(
        read=scoring.n_read,
        scored=len(current),
        rejected=rejected,
        flagged=int(np.count_nonzero(current.flagged)),
        labelled=int(np.count_nonzero(current.label >= 0)),
        non_finite=int(np.count_nonzero(~current.finite)),
        **_times(scores, interval),
        logged=int(np.count_nonzero(current.logged >= 0)),
        served_otherwise=int(np.count_nonzero(current.served != current.prediction)),
        repeated_ids=(
            count_repeats(scores[ScoreColumn.ROW_ID])
            if ScoreColumn.ROW_ID in scores.column_names
            else None
        ),
    )
    inputs = scoring.inputs and adjust_inputs(scoring.inputs, monitor.policy)
    evidence = Evidence(counts, findings.harm, findings.accuracy, findings.tests, inputs, support)
    decision = decide(evidence, monitor.policy)
    action, commands = next_action(
        decision.verdict,
        counts,
        findings.harm,
        findings.accuracy,
        monitor,
        interval,
        inputs,
        support,
    )
    report = Report(
        drift_monitor_version=__version__,
        monitor=monitor.name,
        interval=interval.id,
        data_interval=interval,
        detector=DetectorInfo(
            path=mask_secrets(str(monitor.detector)),
            fingerprint=scored.bundle.fingerprint,
            class_names=list(manifest.class_names),
            threshold=manifest.threshold,
            fpr=manifest.fpr,
            temperature=manifest.temperature,
            score_temperature=manifest.score_temperature,
        ),
        scored_by=scoring.scored_by,
        data=scoring.files,
        labels=scoring.labels,
        reference=ReferenceInfo(
            kind="trailing" if window.intervals else "fixed",
            intervals=list(window.intervals),
            scores_sha256=list(window.scores_sha256),
            note=window.note,
            n=len(reference),
            n_labelled=int(np.count_nonzero(reference.label >= 0)),
            created=manifest.reference_created,
            score_quantiles=_quantiles(reference.score[reference.finite], SCORE_QUANTILES),
            confidence_quantiles=_quantiles(
                reference.confidence[reference.finite], OUTPUT_QUANTILES
            ),
            entropy_quantiles=_quantiles(reference.entropy[reference.finite], OUTPUT_QUANTILES),
        ),
        counts=counts,
        verdict=VerdictInfo(
            verdict=decision.verdict,
            rule=decision.rule,
            reason=decision.reason,
            next_action=action,
            commands=commands,
            p_value=decision.p_value,
        ),
        harm=findings.harm,
        accuracy=findings.accuracy,
        tests=findings.tests,
        support=support,
        inputs=redacted_inputs(inputs, monitor.data),
        score_quantiles=[
            ScoreQuantile(probability=p, score=score)
            for p, score in zip(
                CURRENT_QUANTILES,
                _quantiles(current.score[current.finite], CURRENT_QUANTILES),
                strict=False,
            )
        ],
        slices=findings.slices,
        corrections=findings.corrections,
        correction_gain=findings.correction_gain,
        examples=redacted_examples(join_scores(scoring.rendered, scores), monitor.data),
        detector_health=health(scored, reference, counts, labels_selected=findings.labels_selected),
        config=mask_all(monitor.model_dump(mode="json")),
    )
    return report, scores


def with_estimates(table: pa.Table, accuracy_estimator: AccuracyEstimator | None) -> pa.Table:
    """Set the estimator's probabilities in a score table; there are none without an estimator."""
    table = without_columns(table, ESTIMATES)
    if accuracy_estimator is None:
        return table
    for column, values in zip(ESTIMATES, accuracy_estimator.predict(table), strict=True):
        table = with_column(table, column, pa.array(values))
    return table


def with_corrections(table: pa.Table, corrected: Classes, class_names: Sequence[str]) -> pa.Table:
    """Set each row's class after correction, by name."""
    names = pa.array(class_names, pa.string()).take(pa.array(corrected))
    return with_column(table, ScoreColumn.CORRECTED_PREDICTION, names)


def _quantiles(
    values: NDArray[np.float64], probabilities: NDArray[np.float64] | tuple[float, ...]
) -> list[float]:
    """Return quantiles of finite values, none where there are no values."""
    if not len(values):
        return []
    result: list[float] = np.quantile(values, probabilities).tolist()
    return result


def _times(scores: pa.Table, interval: Interval) -> dict[str, int]:
    """Count the rows whose time lies outside the interval, and those without one."""
    if ScoreColumn.TIMESTAMP not in scores.column_names:
        return {}
    times = scores[ScoreColumn.TIMESTAMP]
    start, end = (pa.scalar(time, times.type) for time in (interval.start, interval.end))
    inside = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
    return {
        "outside_interval": pc.sum(pc.invert(inside)).as_py() or 0,
        "without_time": times.null_count,
    }
