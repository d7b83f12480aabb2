"""Judge a committed interval again from its score table."""

import json
import shutil
from collections.abc import Callable

import pyarrow as pa

from adversarial.bundle.read import Bundle, read_bundle
from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor
from drift_monitor.errors import StoreError
from drift_monitor.intervals import Interval
from drift_monitor.job.write import new_token, read_reference, read_rejected_reasons, write_interval
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.read import read_scores
from drift_monitor.results.report import Report, read_report
from drift_monitor.results.store import REJECTED, REPORT, RUN, Store
from drift_monitor.scoring.reference_window import is_current
from drift_monitor.verdict.scored_interval import ScoredInterval, Scoring

Change = tuple[pa.Table, list[DataFile]]
"""A score table with other labels, and all files from which labels have been added so far."""


def rejudge(
    monitor: Monitor,
    interval: Interval,
    change: Callable[[Report, pa.Table], Change] | None = None,
    *,
    bundle: Bundle | None = None,
) -> Report:
    """Rewrite a committed interval's report from its `scores.parquet`, without scoring again.

    The interval is locked meanwhile. The index and other intervals are left as they are.

    Parameters
    ----------
    monitor, interval : Monitor, Interval
        Whose report to rewrite.
    change : callable, optional
        Given the committed report and score table, returns a `Change`.
    bundle : Bundle, optional
        The monitor's detector, if it has already been verified.

    Raises
    ------
    StoreError
        If the interval is not committed, cannot be read, or was scored by a detector other than the
        monitor's.
    """
    directory = monitor.directory / interval.id
    store = Store(monitor.directory)
    if not store.is_committed(interval.id):
        raise StoreError(f"{directory} is not committed: run the interval first")
    with store.lock_interval(interval.id):
        before = read_report(directory / REPORT)
        scoring = Scoring.of(before)
        bundle, window = read_reference(monitor, interval, bundle)
        if bundle.fingerprint != scoring.fingerprint:
            raise StoreError(
                f"{directory} was scored by the detector {scoring.fingerprint[:12]}, but "
                f"{monitor.detector} is {bundle.fingerprint[:12]}: score it again (drift-monitor "
                "backfill, --overwrite)"
            )
        table = read_scores(directory)
        if change:
            table, labels = change(before, table)
            scoring = scoring.with_labels(labels)
        staging = store.staging(interval.id, new_token())
        try:
            shutil.copyfile(directory / REJECTED, staging / REJECTED)
            scored = ScoredInterval(
                monitor=monitor,
                interval=interval,
                bundle=bundle,
                window=window,
                scores=table,
                rejected=read_rejected_reasons(staging),
                scoring=scoring,
            )
            run = json.loads((directory / RUN).read_text(encoding="utf-8"))
            report = write_interval(staging, scored, run)
            store.publish(staging, interval.id)
        except BaseException:
            store.discard(staging)
            raise
    return report


def rejudge_dependents(
    monitor: Monitor, interval: Interval, bundle: Bundle | None = None
) -> list[str]:
    """Judge again the intervals that are compared with `interval`, and itself if it is out of date.

    With a fixed reference there are none. Reports that cannot be read are skipped; the index names
    them. `bundle` is as in `rejudge`.

    Returns
    -------
    list of str
        The intervals judged again.

    Raises
    ------
    StoreError
        If some cannot be judged again, raised after all others have been; says which, and why.
    """
    if monitor.reference.kind == "fixed":
        return []
    bundle = read_bundle(bundle or monitor.detector)
    done, failed = [], []
    for name in Store(monitor.directory).committed():
        if name < interval.id:
            continue
        try:
            report = read_report(monitor.directory / name / REPORT)
        except StoreError:  # the index names it
            continue
        if report.detector.fingerprint != bundle.fingerprint:
            continue
        compared = interval.id in report.reference.intervals
        if compared or not is_current(monitor, bundle.fingerprint, name, report.reference):
            try:
                rejudge(monitor, monitor.interval(report.data_interval.start), bundle=bundle)
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
