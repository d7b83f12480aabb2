"""The batch job: score an interval, report on it, publish the result.

The three steps pass files to each other through a staging directory, so that each can be a task of
its own. Only the first runs the models.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.analysis.support import find_support
from drift_monitor.batches.batch import Batch
from drift_monitor.config import Monitor
from drift_monitor.errors import BatchError, StoreError
from drift_monitor.intervals import Interval
from drift_monitor.job.late_labels import with_kept_labels
from drift_monitor.job.rejudge import rejudge_dependents
from drift_monitor.job.write import (
    SCORING,
    new_token,
    read_reference,
    read_rejected_reasons,
    write_index,
    write_interval,
)
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.read import read_scores
from drift_monitor.results.report import Report, read_report
from drift_monitor.results.store import REJECTED, REPORT, SCORES, Store
from drift_monitor.scoring.examples import render_examples
from drift_monitor.scoring.input_summary import summary_for
from drift_monitor.scoring.score_table import BatchScores, rejected_table, score_batch
from drift_monitor.verdict.scored_interval import ScoredInterval, Scoring

if TYPE_CHECKING:
    from adversarial.detector.scorer import Scorer


Progress = Callable[[int, int], None]


def score_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    token: str,
    detector: "Scorer | None" = None,
    bundle: Bundle | None = None,
    progress: Progress | None = None,
) -> Path:
    """Score the interval's batch into a staging directory. The only step that runs the models.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    interval : Interval
        The batch's interval.
    token : str
        Names the run; the same token gives the same staging directory.
    detector : Scorer, optional
        The monitor's detector, if it is already loaded; loaded again if the bundle has been
        replaced since.
    bundle : Bundle, optional
        The monitor's detector, if it has already been verified; verified again if it has been
        replaced since.
    progress : callable, optional
        Called with rows done and total rows.

    Returns
    -------
    Path
        The staging directory, with `scores.parquet` (no outcomes yet), `rejected.parquet` and
        what else the report needs from scoring.

    Raises
    ------
    DriftMonitorError
        If the batch or the bundle is missing or broken. Nothing is left behind.
    """
    started = time.monotonic()
    with bundle_lock(monitor.detector):
        bundle = read_bundle(bundle or monitor.detector)
        # Before the models are loaded, so that a missing batch is reported at once.
        batch = Batch(
            monitor.batch_path(interval),
            monitor.data,
            bundle.manifest.input,
            monitor.memory_limit,
        )
        if detector is None or detector.fingerprint != bundle.fingerprint:
            from adversarial.detector.loading import load_scorer

            detector = load_scorer(
                bundle, monitor.trust, runtime=monitor.runtime, precision=monitor.precision
            )
    store = Store(monitor.directory)
    staging = store.staging(interval.id, token)
    try:
        spec = bundle.manifest.input
        inputs = summary_for(bundle.reference_inputs(), spec, files=batch.has_image_files)
        scores = BatchScores(inputs=inputs)
        _write_scores(staging / SCORES, detector, batch, scores, monitor, progress)
        pq.write_table(rejected_table(scores.rejected), staging / REJECTED)
        scoring = Scoring(
            fingerprint=bundle.fingerprint,
            files=batch.files(),
            n_read=batch.n_rows,
            rendered=render_examples(
                detector, scores.examples, detector.calibration.feature_quantiles
            ),
            scored_by=detector.scored_by,
            inputs=find_moved_inputs(inputs, spec, monitor.policy),
            support=find_support(scores.sample, detector.calibration, detector.class_names),
            seconds=round(time.monotonic() - started, 3),
        )
        (staging / SCORING).write_text(scoring.model_dump_json(), encoding="utf-8")
    except BaseException:
        store.discard(staging)
        raise
    return staging


def write_report(
    monitor: Monitor, interval: Interval, staging: Path, *, bundle: Bundle | None = None
) -> Report:
    """Judge the scores in a staging directory; complete them and add `report.json` and the page.

    If the interval has a committed result, labels that were added to it later are kept
    (`with_kept_labels`). `bundle` is as in `score_interval`.
    """
    if not (staging / SCORING).exists():
        raise StoreError(
            f"{staging} is gone: the interval has been published, or its run was cleaned up; score "
            "it again (in Airflow, clear the run from score_batch on)"
        )
    scoring = Scoring.model_validate_json((staging / SCORING).read_bytes())
    bundle, window = read_reference(monitor, interval, bundle)
    if bundle.fingerprint != scoring.fingerprint:
        raise StoreError(
            f"{monitor.detector} has been replaced since {interval.id} was scored: score it again "
            "(in Airflow, clear the run from score_batch on)"
        )
    scored = ScoredInterval(
        monitor=monitor,
        interval=interval,
        bundle=bundle,
        window=window,
        scores=pq.read_table(staging / SCORES),
        rejected=read_rejected_reasons(staging),
        scoring=scoring,
    )
    run = {"scoring_seconds": scoring.seconds}
    return write_interval(staging, _with_late_labels(scored), run)


def publish(
    monitor: Monitor, interval: Interval, staging: Path, *, bundle: Bundle | None = None
) -> Report:
    """Commit what a staging directory holds and bring the monitor's index up to date.

    It is safe to call again: a retry finds the interval committed. With a trailing reference,
    intervals that are compared with this one are judged again, so that the reports do not depend on
    the order in which intervals are run. `bundle` is as in `score_interval`.

    Returns
    -------
    Report
        The committed one, which is judged anew if labels have arrived since it was written.
    """
    store = Store(monitor.directory)
    directory = monitor.directory / interval.id
    if staging.exists():
        with store.lock_interval(interval.id):
            report = read_report(staging / REPORT)
            if _labels(directory) != report.labels:
                report = write_report(monitor, interval, staging, bundle=bundle)
            (staging / SCORING).unlink(missing_ok=True)
            store.publish(staging, interval.id)
    elif store.is_committed(interval.id):
        report = read_report(directory / REPORT)
    else:
        raise StoreError(f"{staging} is gone and {interval.id} is not committed: score it again")
    try:
        rejudge_dependents(monitor, interval, bundle)
    finally:
        write_index(monitor)
    return report


def run_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    detector: "Scorer | None" = None,
    bundle: Bundle | None = None,
    progress: Progress | None = None,
) -> Report:
    """Score one interval, report on it and publish the result.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    interval : Interval
        The batch's interval, such as `monitor.interval(date(2026, 11, 20))`.
    detector, bundle : Scorer, Bundle, optional
        The monitor's detector, if it is already loaded or verified; this is done again if it has
        been replaced since.
    progress : callable, optional
        Called with rows done and total rows.

    Returns
    -------
    Report
        The committed report.

    Raises
    ------
    DriftMonitorError
        If the batch or the bundle is missing or broken. Nothing is left behind.
    """
    store = Store(monitor.directory)
    bundle = read_bundle(bundle or monitor.detector)
    staging = score_interval(
        monitor, interval, token=new_token(), detector=detector, bundle=bundle, progress=progress
    )
    try:
        write_report(monitor, interval, staging, bundle=bundle)
        return publish(monitor, interval, staging, bundle=bundle)
    except BaseException:
        store.discard(staging)
        raise


def _write_scores(
    path: Path,
    detector: "Scorer",
    batch: Batch,
    scores: BatchScores,
    monitor: Monitor,
    progress: Progress | None,
) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for table in score_batch(
            detector,
            batch,
            scores,
            batch_size=monitor.batch_size,
            n_examples=monitor.examples,
        ):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
            if progress:
                progress(scores.n_scored + len(scores.rejected), batch.n_rows)
    finally:
        if writer:
            writer.close()
    if scores.n_scored + len(scores.rejected) != batch.n_rows:
        raise BatchError(
            f"{monitor.data.path}: the files hold {batch.n_rows:,} rows, but {scores.n_scored:,} "
            f"were scored and {len(scores.rejected):,} rejected: the files are damaged; write them "
            "again"
        )


def _with_late_labels(scored: ScoredInterval) -> ScoredInterval:
    directory = scored.monitor.directory / scored.interval.id
    class_names = scored.bundle.manifest.class_names
    try:
        before = read_report(directory / REPORT)
        if not before.labels or tuple(before.detector.class_names) != class_names:
            return scored
        changed = {file.path for file in scored.scoring.files if file not in before.data}
        scores, kept = with_kept_labels(scored.scores, read_scores(directory), changed)
    except StoreError:  # not committed, or damaged: a new run fixes that
        return scored
    labels = before.labels if kept else []
    return replace(scored, scores=scores, scoring=scored.scoring.with_labels(labels))


def _labels(directory: Path) -> list[DataFile]:
    """Return the label files in a committed report; none if there is no report."""
    try:
        return read_report(directory / REPORT).labels
    except StoreError:
        return []
