"""The batch job: score an interval, report on it, publish the result.

The three steps pass files to each other through a staging folder, so that each can be a task of its
own. Only the first runs the models.
"""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import closing
from functools import cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from adversarial.calibration.closer_rows import closer_rows
from adversarial.storage.folder import ChangedError, Folder, writing
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.analysis.support import find_support
from drift_monitor.batches.batch import Batch
from drift_monitor.config import Monitor
from drift_monitor.errors import BatchError, StoreError
from drift_monitor.intervals import Interval
from drift_monitor.job.label_deliveries import adopt_labels, read_deliveries, with_deliveries
from drift_monitor.job.rejudge import rejudge_outdated
from drift_monitor.job.staged_scores import read_staged, stage
from drift_monitor.job.write import (
    count_reasons,
    new_token,
    read_reference,
    write_index,
    write_interval,
)
from drift_monitor.read_ahead import read_ahead
from drift_monitor.results.read import ATTEMPTS
from drift_monitor.results.report import Report, parse_report
from drift_monitor.results.store import REJECTED, REPORT, SCORING, Store
from drift_monitor.scoring.examples import render_examples
from drift_monitor.scoring.input_summary import summary_for
from drift_monitor.scoring.score_table import BatchScores, rejected_table, score_batch
from drift_monitor.verdict.redaction import describe_kept_inputs
from drift_monitor.verdict.scored_interval import ScoredInterval, Scoring

if TYPE_CHECKING:
    from adversarial.detector.scorer import Scorer


logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def score_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    token: str,
    detector: "Scorer | None" = None,
    bundle: Bundle | None = None,
    progress: Progress | None = None,
) -> Folder:
    """Score the interval's batch into a staging folder. The only step that runs the models.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    interval : Interval
        The batch's interval.
    token : str
        Names the run; the same token gives the same staging folder.
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
    Folder
        The staging folder, with the scores (no outcomes yet), `rejected.parquet` and what else the
        report needs from scoring.

    Raises
    ------
    DriftMonitorError
        If the batch or the bundle is missing or broken. Nothing is left behind.
    """
    started = time.monotonic()
    with bundle_lock(monitor.detector):
        bundle = read_bundle(bundle or monitor.detector, monitor.detector_key)
        if kept := describe_kept_inputs(bundle, monitor.data):
            _warn_once(f"{monitor.name}: {kept}")
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
    store = Store(monitor.location)
    staging = store.start(interval.id, token)
    try:
        spec = bundle.manifest.input
        inputs = summary_for(bundle.reference_inputs(), spec, files=batch.has_image_files)
        scores = BatchScores(inputs=inputs)
        with closing(_scored(detector, batch, scores, monitor, progress)) as tables:
            stage(staging, tables)
        with writing(staging, REJECTED) as path:
            pq.write_table(rejected_table(scores.rejected), path)
        scoring = Scoring(
            fingerprint=bundle.fingerprint,
            files=batch.files(),
            n_read=batch.n_rows,
            rendered=render_examples(detector, scores.examples),
            scored_by=detector.scored_by,
            inputs=find_moved_inputs(inputs, spec, monitor.policy),
            support=find_support(
                scores.sample,
                detector.calibration,
                detector.class_names,
                partial(closer_rows, detector),
            ),
            seconds=round(time.monotonic() - started, 3),
        )
        staging.write(SCORING, scoring.model_dump_json().encode())
    except BaseException:
        store.discard(staging)
        raise
    return staging


def write_report(
    monitor: Monitor, interval: Interval, staging: Folder, *, bundle: Bundle | None = None
) -> Report:
    """Judge the scores in a staging folder; add the report, the page and the tables as judged.

    Labels that the interval has been given later are used (`with_deliveries`). `bundle` is as in
    `score_interval`.
    """
    if not staging.exists(SCORING):
        raise StoreError(
            f"{staging} is gone: the interval has been published, or its run was cleaned up; score "
            "it again (in Airflow, clear the run from score_batch on)"
        )
    scoring = Scoring.model_validate_json(staging.read(SCORING))
    bundle, window = read_reference(monitor, interval, bundle)
    if bundle.fingerprint != scoring.fingerprint:
        raise StoreError(
            f"{monitor.detector} has been replaced since {interval.id} was scored: score it again "
            "(in Airflow, clear the run from score_batch on)"
        )
    store = Store(monitor.location)
    adopt_labels(store, interval.id)
    deliveries = read_deliveries(store, interval.id)
    scores = read_staged(staging)
    with staging.open(REJECTED) as file:
        rejected = pq.ParquetFile(file).read()
    scores, labels = with_deliveries(scores, deliveries, scoring.files, bundle.manifest.class_names)
    scored = ScoredInterval(
        monitor=monitor,
        interval=interval,
        bundle=bundle,
        window=window,
        scores=scores,
        rejected=count_reasons(rejected),
        scoring=scoring.with_labels(labels),
    )
    run = {"scoring_seconds": scoring.seconds}
    return write_interval(staging, scored, rejected, [d.file for d in deliveries], run)


def publish(
    monitor: Monitor, interval: Interval, staging: Folder, *, bundle: Bundle | None = None
) -> Report:
    """Commit what a staging folder holds and bring what depends on it up to date.

    It is safe to call again: a retry finds the interval committed. Whatever is out of date is
    judged and rendered again, also where an earlier run was killed before it could do so. `bundle`
    is as in `score_interval`.

    Returns
    -------
    Report
        The committed one, which is judged anew if labels have arrived since it was written.
    """
    store = Store(monitor.location)
    if staging.exists(SCORING):
        report = _commit(monitor, interval, staging, bundle)
    elif store.is_committed(interval.id):
        report = store.read(interval.id)
    else:
        raise StoreError(f"{staging} is gone and {interval.id} is not committed: score it again")
    outdated = rejudge_outdated(monitor, bundle)
    write_index(monitor, outdated.problems)
    outdated.raise_for(interval.id)
    return report


def _commit(monitor: Monitor, interval: Interval, staging: Folder, bundle: Bundle | None) -> Report:
    store = Store(monitor.location)
    report = parse_report(staging.read(REPORT), f"{staging}/{REPORT}")
    for _ in range(ATTEMPTS):
        seen = store.look(interval.id)
        used = [file.path for file in report.files.labels] if report.files else []
        if used != store.labels(interval.id):
            report = write_report(monitor, interval, staging, bundle=bundle)
        try:
            store.publish(staging, interval.id, seen)
        except ChangedError:  # perhaps with labels that have arrived since
            continue
        return report
    raise ChangedError(f"{interval.id} is replaced whenever it is to be published: run it again")


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
    store = Store(monitor.location)
    bundle = read_bundle(bundle or monitor.detector, monitor.detector_key)
    staging = score_interval(
        monitor, interval, token=new_token(), detector=detector, bundle=bundle, progress=progress
    )
    try:
        write_report(monitor, interval, staging, bundle=bundle)
        return publish(monitor, interval, staging, bundle=bundle)
    except BaseException:
        store.discard(staging)
        raise


def _scored(
    detector: "Scorer",
    batch: Batch,
    scores: BatchScores,
    monitor: Monitor,
    progress: Progress | None,
) -> Generator[pa.Table]:
    """Yield the score tables of the batch, and check in the end that no row is missing."""
    tables = read_ahead(
        score_batch(
            detector,
            batch,
            scores,
            batch_size=monitor.batch_size,
            n_examples=monitor.examples,
        ),
        1,
        "score",
    )
    with closing(tables):
        for table in tables:
            yield table
            if progress:
                progress(scores.n_scored + len(scores.rejected), batch.n_rows)
    if scores.n_scored + len(scores.rejected) != batch.n_rows:
        raise BatchError(
            f"{monitor.data.path}: the files hold {batch.n_rows:,} rows, but {scores.n_scored:,} "
            f"were scored and {len(scores.rejected):,} rejected: the files are damaged; write them "
            "again"
        )


@cache
def _warn_once(text: str) -> None:
    """Log what would be the same for every interval of a backfill."""
    logger.warning(text)
