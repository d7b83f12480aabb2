"""The batch job: score an interval, report on it, publish the result; judge it again.

The three steps hand files to each other through a staging directory, so that each can be a task of
its own; only the first needs TensorFlow.
"""

import json
import os
import platform
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.read import Bundle, hold, read_bundle
from adversarial.errors import DriftMonitorError
from drift_monitor.batches import Batch
from drift_monitor.config import Interval, Monitor
from drift_monitor.errors import StoreError
from drift_monitor.gallery import views
from drift_monitor.judging import Scoring, judge
from drift_monitor.late_labels import with_kept_labels
from drift_monitor.reference_window import ReferenceWindow, is_current, reference_window
from drift_monitor.report.html import render_index, render_report
from drift_monitor.report.model import DataFile, Report, read_report
from drift_monitor.results import read_reports, read_scores
from drift_monitor.scoring import BatchScores, rejected_table, score_batch
from drift_monitor.store import PAGE, REJECTED, REPORT, RUN, SCORES, Store

if TYPE_CHECKING:
    from adversarial.detector.detector import AdversarialDetector

SCORING = "scoring.json"
"""What scoring leaves in the staging directory for the report; not published."""

ROW_GROUP_ROWS = 65_536

Progress = Callable[[int, int], None]
Change = tuple[pa.Table, list[dict[str, Any]]]


def score_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    token: str,
    detector: "AdversarialDetector | None" = None,
    progress: Progress | None = None,
) -> Path:
    """Score the interval's batch into a staging directory. The one step that needs TensorFlow.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    interval : Interval
        Which batch.
    token : str
        Names the run; the same token gives the same staging directory.
    detector : AdversarialDetector, optional
        The monitor's detector, where it is loaded already; loaded again if the bundle has been
        replaced since.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    Path
        The staging directory, with `scores.parquet` (no outcomes yet), `rejected.parquet` and
        what the report needs of the scoring.

    Raises
    ------
    DriftMonitorError
        If the batch or the bundle is missing or broken. Nothing is left behind.
    """
    started = time.monotonic()
    with hold(monitor.detector):
        bundle = read_bundle(monitor.detector)
        # Before TensorFlow, because a batch that is missing should be said so at once.
        batch = Batch(monitor.batch_path(interval), monitor.data, bundle.manifest.input)
        if detector is None or detector.fingerprint != bundle.fingerprint:
            from adversarial.detector.detector import AdversarialDetector

            detector = AdversarialDetector.load(monitor.detector, monitor.trust)
    store = Store(monitor.directory)
    staging = store.staging(interval.id, token)
    try:
        scores = BatchScores()
        _write_scores(staging / SCORES, detector, batch, scores, monitor, progress)
        pq.write_table(rejected_table(scores.rejected), staging / REJECTED)
        scoring = Scoring(
            fingerprint=bundle.fingerprint,
            files=[vars(file) for file in batch.files],
            n_read=batch.n_rows,
            views=views(detector, scores.examples, detector.feature_quantiles),
        )
        summary = {"scoring": vars(scoring), "seconds": time.monotonic() - started}
        (staging / SCORING).write_text(json.dumps(summary), encoding="utf-8")
    except BaseException:
        store.discard(staging)
        raise
    return staging


def write_report(monitor: Monitor, interval: Interval, staging: Path) -> Report:
    """Judge the scores in a staging directory; complete them and add `report.json` and the page.

    Labels that arrived after the batch of a committed result are kept (`with_kept_labels`).
    """
    if not (staging / SCORING).exists():
        raise StoreError(
            f"{staging} is gone: the interval has been published, or its run was cleaned up; score "
            "it again (in Airflow, clear the run from score_batch on)"
        )
    summary = json.loads((staging / SCORING).read_text(encoding="utf-8"))
    scoring = Scoring(**summary["scoring"])
    bundle, window = _reference(monitor, interval)
    if bundle.fingerprint != scoring.fingerprint:
        raise StoreError(
            f"{monitor.detector} has been replaced since {interval.id} was scored: score it again "
            "(in Airflow, clear the run from score_batch on)"
        )
    scores, scoring = _with_late_labels(
        monitor, interval, bundle, pq.read_table(staging / SCORES), scoring
    )
    run = {"scoring_seconds": round(summary["seconds"], 3)}
    return _write(staging, monitor, interval, bundle, window, scores, scoring, run)


def publish(monitor: Monitor, interval: Interval, staging: Path) -> Report:
    """Commit what a staging directory holds and bring the monitor's index up to date.

    Once done it may be called again: a retry finds the interval committed. Where the reference is
    trailing, intervals that are compared with this one are judged again, so that reports are those
    of a run in the order of time, whatever the order was.

    Returns
    -------
    Report
        The one that is committed: not the one that was written, if labels have arrived since.
    """
    store = Store(monitor.directory)
    directory = monitor.directory / interval.id
    if staging.exists():
        with store.held(interval.id):
            report = read_report(staging / REPORT)
            if _labels(directory) != report.labels:
                report = write_report(monitor, interval, staging)
            (staging / SCORING).unlink(missing_ok=True)
            store.publish(staging, interval.id)
    elif store.is_committed(interval.id):
        report = read_report(directory / REPORT)
    else:
        raise StoreError(f"{staging} is gone and {interval.id} is not committed: score it again")
    try:
        follow(monitor, interval)
    finally:
        write_index(monitor)
    return report


def run_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    detector: "AdversarialDetector | None" = None,
    progress: Progress | None = None,
) -> Report:
    """Score, report and publish one interval. Errors as in `score_interval`."""
    store = Store(monitor.directory)
    staging = score_interval(
        monitor, interval, token=_token(), detector=detector, progress=progress
    )
    try:
        write_report(monitor, interval, staging)
        return publish(monitor, interval, staging)
    except BaseException:
        store.discard(staging)
        raise


def rejudge(
    monitor: Monitor, interval: Interval, change: Callable[[Report, pa.Table], Change] | None = None
) -> Report:
    """Write a committed interval's report anew from its `scores.parquet`, without scoring again.

    Nobody else changes the interval meanwhile. The index is left as it is, and so are other
    intervals.

    Parameters
    ----------
    monitor, interval : Monitor, Interval
        Of which report.
    change : callable, optional
        Given the committed report and score table, returns the table with other labels, and the
        files by which labels have arrived so far.

    Raises
    ------
    StoreError
        If the interval is not committed, cannot be read, or was scored by another detector than the
        monitor's.
    """
    directory = monitor.directory / interval.id
    store = Store(monitor.directory)
    if not store.is_committed(interval.id):
        raise StoreError(f"{directory} is not committed: run the interval first")
    with store.held(interval.id):
        before = read_report(directory / REPORT)
        scoring = Scoring.of(before)
        bundle, window = _reference(monitor, interval)
        if bundle.fingerprint != scoring.fingerprint:
            raise StoreError(
                f"{directory} was scored by the detector {scoring.fingerprint[:12]}, and "
                f"{monitor.detector} is {bundle.fingerprint[:12]}: score it again (drift-monitor "
                "backfill, --overwrite)"
            )
        table = read_scores(directory)
        if change:
            table, labels = change(before, table)
            scoring = Scoring(**vars(scoring) | {"labels": labels})
        staging = store.staging(interval.id, _token())
        try:
            shutil.copyfile(directory / REJECTED, staging / REJECTED)
            run = json.loads((directory / RUN).read_text(encoding="utf-8"))
            report = _write(staging, monitor, interval, bundle, window, table, scoring, run)
            store.publish(staging, interval.id)
        except BaseException:
            store.discard(staging)
            raise
    return report


def follow(monitor: Monitor, interval: Interval) -> list[str]:
    """Judge again what a change of `interval` concerns, itself excepted where it is up to date.

    With a fixed reference that is nothing. Reports that cannot be read are left to the index, which
    names them.

    Returns
    -------
    list of str
        The intervals judged again.

    Raises
    ------
    StoreError
        If some cannot be judged again, after all others have been; names each with the reason.
    """
    if monitor.reference.kind == "fixed":
        return []
    fingerprint = read_bundle(monitor.detector).fingerprint
    done, failed = [], []
    for name in Store(monitor.directory).committed():
        if name < interval.id:
            continue
        try:
            report = read_report(monitor.directory / name / REPORT)
        except StoreError:  # the index names it
            continue
        if report.detector.fingerprint != fingerprint:
            continue
        compared = interval.id in report.reference.intervals
        if compared or not is_current(monitor, fingerprint, name, report.reference):
            try:
                rejudge(monitor, monitor.interval(report.data_interval.start))
            except DriftMonitorError as error:
                failed.append(f"{name}: {error}")
            else:
                done.append(name)
    if failed:
        raise StoreError(
            f"{interval.id} is committed, but intervals that are compared with it could not be "
            f"judged again: {'; '.join(failed)}"
        )
    return done


def rerender(monitor: Monitor, interval: str) -> Path:
    """Write a committed interval's page anew from its `report.json` and `scores.parquet` alone."""
    directory = monitor.directory / interval
    report = read_report(directory / REPORT)
    store = Store(monitor.directory)
    store.write(directory / PAGE, render_report(report, read_scores(directory)))
    return directory / PAGE


def write_index(monitor: Monitor) -> Path:
    """Write the monitor's `index.html` anew from its committed reports; names unreadable ones."""
    store = Store(monitor.directory)
    with store.locked():
        page = render_index(monitor.name, *read_reports(monitor.directory))
        store.write(monitor.directory / "index.html", page)
    return monitor.directory / "index.html"


def _write_scores(
    path: Path,
    detector: "AdversarialDetector",
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


def _with_late_labels(
    monitor: Monitor, interval: Interval, bundle: Bundle, scores: pa.Table, scoring: Scoring
) -> tuple[pa.Table, Scoring]:
    directory = monitor.directory / interval.id
    try:
        before = read_report(directory / REPORT)
        if not before.labels or tuple(before.detector.class_names) != bundle.manifest.class_names:
            return scores, scoring
        known = [file.model_dump() for file in before.data]
        changed = {file["path"] for file in scoring.files if file not in known}
        scores, kept = with_kept_labels(scores, read_scores(directory), changed)
    except StoreError:  # not committed, or damaged: a new run is what mends it
        return scores, scoring
    labels = [file.model_dump() for file in before.labels] if kept else []
    return scores, replace(scoring, labels=labels)


def _labels(directory: Path) -> list[DataFile]:
    """Return the files by which labels have arrived, of a report that may not be there."""
    try:
        return read_report(directory / REPORT).labels
    except StoreError:
        return []


def _reference(monitor: Monitor, interval: Interval) -> tuple[Bundle, ReferenceWindow]:
    with hold(monitor.detector):
        bundle = read_bundle(monitor.detector)
        return bundle, reference_window(monitor, bundle, interval)


def _write(
    staging: Path,
    monitor: Monitor,
    interval: Interval,
    bundle: Bundle,
    window: ReferenceWindow,
    scores: pa.Table,
    scoring: Scoring,
    run: dict[str, Any],
) -> Report:
    """Write everything but `rejected.parquet` into the staging directory, `report.json` last."""
    started = time.monotonic()
    rejected = Counter(pq.read_table(staging / REJECTED)["reason"].to_pylist())
    report, scores = judge(monitor, interval, bundle, window, scores, rejected, scoring)
    repeated = [
        field.name
        for field in scores.schema
        if pa.types.is_string(field.type) and field.name != "row_id"
    ]
    pq.write_table(
        scores,
        staging / SCORES,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        use_dictionary=repeated,
    )
    (staging / PAGE).write_text(render_report(report, scores), encoding="utf-8")
    run = run | {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "process": os.getpid(),
        "python": platform.python_version(),
        "report_seconds": round(time.monotonic() - started, 3),
    }
    (staging / RUN).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    (staging / REPORT).write_text(report.to_json(), encoding="utf-8")
    return report


def _token() -> str:
    return uuid.uuid4().hex[:8]
