"""Judge committed intervals again from their score tables."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adversarial.bundle.read import Bundle, read_bundle
from adversarial.errors import DriftMonitorError
from adversarial.storage.folder import ChangedError, Folder
from adversarial.storage.opening import join
from drift_monitor.config import Monitor
from drift_monitor.errors import StoreError
from drift_monitor.intervals import Interval
from drift_monitor.job.label_deliveries import adopt_labels, read_deliveries, with_deliveries
from drift_monitor.job.write import count_reasons, new_token, read_reference, write_interval
from drift_monitor.results.read import ATTEMPTS, read_rejected, read_result
from drift_monitor.results.report import Report
from drift_monitor.results.store import RUN, Store
from drift_monitor.scoring.reference_window import Judged, trailing_window
from drift_monitor.verdict.scored_interval import ScoredInterval, Scoring


def rejudge(monitor: Monitor, interval: Interval, *, bundle: Bundle | None = None) -> Report:
    """Rewrite a committed interval's report from its score table, without scoring again.

    Labels that it has been given and does not have yet are added. The index and other intervals are
    left as they are.

    Parameters
    ----------
    monitor, interval : Monitor, Interval
        Whose report to rewrite.
    bundle : Bundle, optional
        The monitor's detector, if it has already been verified.

    Raises
    ------
    StoreError
        If the interval is not committed, cannot be read, or was scored by a detector other than the
        monitor's.
    """
    store = Store(monitor.location)
    if not store.is_committed(interval.id):
        raise StoreError(f"{store.folder / interval.id} is not committed: run the interval first")
    adopt_labels(store, interval.id)
    for _ in range(ATTEMPTS):
        try:
            return _rejudge(monitor, interval, bundle)
        except ChangedError:
            continue
    raise ChangedError(f"{interval.id} is replaced whenever it is judged: run the command again")


def _rejudge(monitor: Monitor, interval: Interval, bundle: Bundle | None) -> Report:
    store = Store(monitor.location)
    folder = store.folder / interval.id
    seen = store.look(interval.id)
    result = read_result(folder)
    before = result.report
    bundle, window = read_reference(monitor, interval, bundle)
    check_detector(monitor, before, bundle)
    deliveries = read_deliveries(store, interval.id)
    known = [file.path for file in before.files.labels] if before.files else []
    new = [delivery for delivery in deliveries if delivery.file.path not in known]
    scores, labels = with_deliveries(result.scores, new, before.data, bundle.manifest.class_names)
    labels = list(dict.fromkeys([*before.labels, *labels]))
    rejected = read_rejected(folder)
    staging = store.start(interval.id, new_token())
    try:
        scored = ScoredInterval(
            monitor=monitor,
            interval=interval,
            bundle=bundle,
            window=window,
            scores=scores,
            rejected=count_reasons(rejected),
            scoring=Scoring.of(before).with_labels(labels),
        )
        files = [delivery.file for delivery in deliveries]
        report = write_interval(staging, scored, rejected, files, _read_run(folder))
        store.publish(staging, interval.id, seen)
    except BaseException:
        store.discard(staging)
        raise
    return report


def check_detector(monitor: Monitor, report: Report, bundle: Bundle) -> None:
    """Raise StoreError if a report is of another detector, whose scores cannot be judged."""
    of = report.detector.fingerprint
    if of != bundle.fingerprint:
        raise StoreError(
            f"{join(monitor.location, report.interval)} was scored by the detector {of[:12]}, but "
            f"{monitor.detector} is {bundle.fingerprint[:12]}: score it again (drift-monitor "
            "backfill, --overwrite)"
        )


@dataclass(frozen=True)
class Outdated:
    """Intervals whose reports were out of date.

    Attributes
    ----------
    done : list of str
        Those that have been judged again.
    failed : dict of str to str
        Why others could not be.
    compared : dict of str to set of str
        What those others are compared with, or are to be.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    compared: dict[str, set[str]] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """What is wrong, for the index to say."""
        return [f"{name} is out of date: {error}" for name, error in self.failed.items()]

    def raise_for(self, interval: str) -> None:
        """Raise StoreError if an interval that is compared with this one could not be judged."""
        failed = [
            f"{name}: {error}"
            for name, error in self.failed.items()
            if interval in {name, *self.compared[name]}
        ]
        if failed:
            raise StoreError(
                f"{interval} is committed, but intervals that are compared with it could not be "
                f"judged again: {'; '.join(failed)}"
            )


def rejudge_outdated(monitor: Monitor, bundle: Bundle | None = None) -> Outdated:
    """Judge the intervals again whose reports are not what they would be now.

    They lack labels that they have been given, or are compared with a trailing window that has
    changed since. Reports that cannot be read, or are of another detector, are skipped.

    Parameters
    ----------
    monitor : Monitor
        The monitor.
    bundle : Bundle, optional
        Its detector, if it has already been verified.
    """
    store = Store(monitor.location)
    result = Outdated()
    labels = store.all_labels()
    is_trailing = monitor.reference.kind == "trailing"
    judged: dict[str, Judged] = {}
    for name in store.committed() if is_trailing else sorted(labels):
        try:
            report = store.read(name)
        except StoreError:  # the index names it
            continue
        window: list[Judged] = []
        if is_trailing:
            window = trailing_window(monitor, report.detector.fingerprint, name, judged.values())
            judged[name] = Judged.of(report)
        used = [file.path for file in report.files.labels] if report.files else []
        if used == labels.get(name, []) and _is_compared_with(report, window):
            continue
        bundle = read_bundle(bundle or monitor.detector, monitor.detector_key)
        if report.detector.fingerprint != bundle.fingerprint:
            continue
        try:
            report = rejudge(monitor, monitor.interval(report.data_interval.start), bundle=bundle)
        except DriftMonitorError as error:
            result.failed[name] = str(error)
            result.compared[name] = {*report.reference.intervals, *(w.interval for w in window)}
        else:
            result.done.append(name)
            judged[name] = Judged.of(report)
    return result


def _is_compared_with(report: Report, window: list[Judged]) -> bool:
    """Whether a report's reference is this window; the detector's own where there is none."""
    used, names = report.reference, [judged.interval for judged in window]
    if used.intervals != names:
        return False
    # Reports of earlier versions do not say with which scores of these intervals they were made.
    return not used.scores_sha256 or used.scores_sha256 == [judged.scores for judged in window]


def _read_run(folder: Folder) -> Mapping[str, Any]:
    """Return what is known of the run that scored an interval, for `run.json`."""
    try:
        run = json.loads(folder.read(RUN))
    except (OSError, ValueError, RecursionError):  # nothing depends on it
        return {}
    return run if isinstance(run, dict) else {}
