"""Add labels that have arrived since to committed intervals, without scoring again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from adversarial.bundle.read import read_bundle
from drift_monitor.config import Monitor
from drift_monitor.errors import LabelError, StoreError
from drift_monitor.formatting import percent, points
from drift_monitor.intervals import Interval
from drift_monitor.job.label_deliveries import Origin, adopt_labels, deliver
from drift_monitor.job.label_files import INEXACT, LabelColumns, LabelFiles, read_labels
from drift_monitor.job.late_labels import find_labels
from drift_monitor.job.rejudge import check_detector, rejudge, rejudge_outdated
from drift_monitor.results.read import read_result, read_scores
from drift_monitor.results.report import Report
from drift_monitor.results.score_columns import FILE_AND_ROW, ScoreColumn, inexact_id, row_keys
from drift_monitor.results.store import SCORES, Store


@dataclass(frozen=True)
class Labelling:
    """What labels will change.

    Attributes
    ----------
    labels : LabelFiles
        The labels.
    intervals : list of Interval
        Committed intervals with rows that the labels name, in time order, and those whose rows
        cannot be read: trying to label them says why.
    unnamed : list of Interval
        Committed intervals of the range in which the labels name no row.
    unmatched : int
        Number of labels for rows that no committed interval of the range has scored.
    """

    labels: LabelFiles
    intervals: list[Interval]
    unnamed: list[Interval]
    unmatched: int

    def describe(self) -> str:
        """Return what the files hold, and which part of it is of no use."""
        rows = self.labels.rows
        text = f"{len(rows.label):,} labels in {', '.join(f.path for f in self.labels.files)}"
        if rows.unlabelled:
            text += f"; {rows.unlabelled:,} further rows have none yet and are skipped"
        if self.unmatched:
            text += (
                f"\n{self.unmatched:,} of them are for rows that no interval of the range has "
                "scored"
            )
        if self.unnamed:
            names = ", ".join(interval.id for interval in self.unnamed)
            text += f"\nThey label no row of {names}: left unchanged"
        return text


@dataclass(frozen=True)
class Labelled:
    """An interval that has been given labels.

    Attributes
    ----------
    interval : str
        Name of the interval.
    named : int
        Number of its rows that the labels name.
    before, after : Report
        Its report without and with the labels.
    dependents : list of str
        Intervals that are compared with it and were judged again.
    """

    interval: str
    named: int
    before: Report
    after: Report
    dependents: list[str]

    def describe(self) -> str:
        """Return what has changed, in a few lines."""
        before, after = self.before, self.after
        verdicts = [report.verdict.verdict for report in (before, after)]
        realised, estimated = after.accuracy.realised.current, after.accuracy.estimated
        interval = f" ({percent(realised.low)} to {percent(realised.high)})" if realised else ""
        text = (
            f"{self.interval}: {verdicts[0]} -> {verdicts[1]}\n"
            f"  {after.counts.labelled:,} of {after.counts.scored:,} scored rows are labelled, "
            f"{self.named:,} of them by these files\n"
            f"  accuracy realised {percent(realised.rate if realised else None)}{interval}, "
            "estimated "
            f"{percent(estimated.current.estimate if estimated else None)}"
        )
        if after.harm.by == "labels" and (rise := after.harm.difference):
            text += (
                f"\n  errors by labels {points(rise.estimate)} points against the reference "
                f"({points(rise.low)} to {points(rise.high)})"
            )
        known = before.detector_health.warnings
        for warning in after.detector_health.warnings:
            if warning not in known:
                text += f"\n  Warning: {warning}"
        if self.dependents:
            text += f"\n  judged again, as they are compared with it: {', '.join(self.dependents)}"
        return text


def plan_labelling(
    monitor: Monitor,
    path: str,
    intervals: Sequence[Interval],
    id_column: str | None = None,
    label_column: str | None = None,
) -> Labelling:
    """Read label files and find the intervals they belong to. Changes nothing.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    path : str
        Parquet or CSV file, directory, glob or URL.
    intervals : sequence of Interval
        The range; intervals that are not committed are skipped.
    id_column, label_column : str, optional
        Columns of the files. When not given, those with the names of the monitor's `data.row_id`
        and `data.label`, or else `row_id` and `label`. If the monitor has no row id, the columns
        `file` and `row` name the row.

    Raises
    ------
    BatchError
        If a file cannot be read, or a label is not a class of the detector; names file and row.
    LabelError
        If a column is missing, two labels contradict each other, ids are too large to be exact, or
        no label is for a row in the range.
    StoreError
        If no interval of the range is committed.
    """
    store = Store(monitor.location)
    committed = [interval for interval in intervals if store.is_committed(interval.id)]
    if not committed:
        raise StoreError(
            f"{monitor.location} has no committed interval from {intervals[0].id} to "
            f"{intervals[-1].id}: run them first (drift-monitor backfill), or fix the dates"
        )
    columns = _columns(monitor, id_column, label_column)
    labels = read_labels(path, read_bundle(monitor.detector, monitor.detector_key), columns)
    if not len(labels.rows.label):
        raise LabelError(
            f"{path}: none of its {labels.rows.unlabelled:,} rows has a label yet: fill in the "
            f"column {' or '.join(columns.label)}"
        )
    matched = np.zeros(len(labels.rows.label), bool)
    named: list[Interval] = []
    unnamed: list[Interval] = []
    for interval in committed:
        try:
            within = labels.rows.within(_read_keys(monitor, interval))
        except StoreError:
            named.append(interval)
            continue
        matched |= within
        (named if within.any() else unnamed).append(interval)
    if not matched.any():
        example = labels.rows.key[0].as_py()
        raise LabelError(
            f"{path}: none of its {len(matched):,} labels is for a row of {committed[0].id} to "
            f"{committed[-1].id} ({example!r}); check the dates, and the column that names the row"
        )
    return Labelling(labels, named, unnamed, int(np.count_nonzero(~matched)))


def label_interval(monitor: Monitor, interval: Interval, labels: LabelFiles) -> Labelled:
    """Keep labels of a committed interval, judge it again, and those that are compared with it.

    The labels are kept before anything is judged: should this be killed, the next run or labelling
    judges what has not been. The index is not rewritten.

    Raises
    ------
    StoreError
        If the interval was scored by a detector other than the monitor's, or cannot be read.
    """
    _read_keys(monitor, interval)
    store = Store(monitor.location)
    adopt_labels(store, interval.id)
    before = read_result(store.folder / interval.id)
    check_detector(monitor, before.report, labels.bundle)
    given = find_labels(before.scores, labels.rows, labels.bundle.manifest.class_names)
    used = np.unique(labels.rows.source[labels.rows.within(before.scores)])
    origin = Origin(labels=[labels.files[i] for i in used], batch=before.report.data)
    deliver(store, interval.id, before.scores, given, origin)
    after = rejudge(monitor, interval, bundle=labels.bundle)
    outdated = rejudge_outdated(monitor, labels.bundle)
    outdated.raise_for(interval.id)
    named = len(given) - given.null_count
    return Labelled(interval.id, named, before.report, after, outdated.done)


def _columns(monitor: Monitor, id_column: str | None, label_column: str | None) -> LabelColumns:
    """Return the columns asked for, or else those of the monitor's names or of `rows --output`."""
    data = monitor.data
    if id_column and not data.row_id:
        raise LabelError(
            f"{monitor.file} names no row id (data.row_id), so labels are joined by the columns "
            f"'file' and 'row', not by {id_column!r}: leave --id out"
        )
    row_id = _names(id_column, data.row_id, ScoreColumn.ROW_ID) if data.row_id else ()
    return LabelColumns(row_id, _names(label_column, data.label, ScoreColumn.LABEL))


def _names(given: str | None, *usual: str | None) -> tuple[str, ...]:
    return (given,) if given else tuple(str(name) for name in usual if name)


def _read_keys(monitor: Monitor, interval: Interval) -> pa.Table:
    """Return the columns of a committed score table that name its rows."""
    directory = Store(monitor.location).folder / interval.id
    wanted = (ScoreColumn.ROW_ID,) if monitor.data.row_id else FILE_AND_ROW
    table = read_scores(directory, wanted)
    if len(table.column_names) < len(wanted):
        raise StoreError(
            f"{directory}/{SCORES} has no {' and '.join(wanted)}: the monitor's data.row_id has "
            "changed since; run the interval again (drift-monitor run)"
        )
    if (large := inexact_id(row_keys(table))) is not None:
        raise LabelError(f"{directory}/{SCORES}: the id {large}, as it is in the batch, {INEXACT}")
    return table
