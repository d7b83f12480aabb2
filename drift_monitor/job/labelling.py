"""Add labels that have arrived since to committed intervals, without scoring again."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from adversarial.bundle.read import Bundle, read_bundle
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.class_labels import class_indices
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.config import Monitor
from drift_monitor.errors import LabelError, StoreError
from drift_monitor.formatting import percent
from drift_monitor.intervals import Interval
from drift_monitor.job.late_labels import LabelRows, with_labels
from drift_monitor.job.rejudge import Change, rejudge, rejudge_dependents
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.read import read_scores
from drift_monitor.results.report import Report
from drift_monitor.results.score_columns import FILE_AND_ROW, ScoreColumn, row_keys
from drift_monitor.results.store import SCORES, Store


@dataclass(frozen=True)
class LabelFiles:
    """Label files that have been read.

    Attributes
    ----------
    files : list of DataFile
        In the order of their names.
    rows : LabelRows
        The labels in them.
    bundle : Bundle
        The monitor's detector, which knows what their class numbers stand for.
    """

    files: list[DataFile]
    rows: LabelRows
    bundle: Bundle


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
            text += f"; {rows.unlabelled:,} further rows have none"
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
        text = (
            f"{self.interval}: {verdicts[0]} -> {verdicts[1]}\n"
            f"  {after.counts.labelled:,} of {after.counts.scored:,} scored rows are labelled, "
            f"{self.named:,} of them by these files\n"
            f"  accuracy realised {percent(realised.rate if realised else None)}, estimated "
            f"{percent(estimated.current.estimate if estimated else None)}"
        )
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
        Parquet file, directory, glob or URL.
    intervals : sequence of Interval
        The range; intervals that are not committed are skipped.
    id_column, label_column : str, optional
        Columns of the files; the monitor's `data.row_id` and `data.label` when not given. If the
        monitor has no row id, the columns `file` and `row` name the row.

    Raises
    ------
    BatchError
        If a file cannot be read, or a label is not a class of the detector; names file and row.
    LabelError
        If a column is missing, two labels contradict each other, or none is for a row in the range.
    StoreError
        If no interval of the range is committed.
    """
    store = Store(monitor.directory)
    committed = [interval for interval in intervals if store.is_committed(interval.id)]
    if not committed:
        raise StoreError(
            f"{monitor.directory} has no committed interval from {intervals[0].id} to "
            f"{intervals[-1].id}: run them first (drift-monitor backfill), or fix the dates"
        )
    label_column = label_column or monitor.data.label
    if not label_column:
        raise LabelError(
            f"{monitor.file} names no label column: name the one in {path} with --label, or in "
            "data.label"
        )
    bundle = read_bundle(monitor.detector)
    labels = read_labels(path, bundle, _key_columns(monitor, id_column), label_column)
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
        example = f" ({labels.rows.key[0].as_py()!r})" if len(matched) else ""
        raise LabelError(
            f"{path}: none of its {len(matched):,} labels is for a row of {committed[0].id} to "
            f"{committed[-1].id}{example}; check the dates, and the column that names the row"
        )
    return Labelling(labels, named, unnamed, int(np.count_nonzero(~matched)))


def label_interval(monitor: Monitor, interval: Interval, labels: LabelFiles) -> Labelled:
    """Judge a committed interval again with labels, and the intervals that are compared with it.

    The index is not rewritten.

    Raises
    ------
    StoreError
        If the interval was scored by a detector other than the monitor's, or cannot be read.
    """
    _read_keys(monitor, interval)
    result: list[tuple[Report, int]] = []

    def change(before: Report, scores: pa.Table) -> Change:
        used = np.unique(labels.rows.source[labels.rows.within(scores)])
        table, named = with_labels(scores, labels.rows, labels.bundle.manifest.class_names)
        new = [labels.files[i] for i in used if labels.files[i] not in before.labels]
        result.append((before, named))
        return table, [*before.labels, *new]

    after = rejudge(monitor, interval, change, bundle=labels.bundle)
    [(before, named)] = result
    dependents = rejudge_dependents(monitor, interval, labels.bundle)
    return Labelled(interval.id, named, before, after, dependents)


def read_labels(path: str, bundle: Bundle, keys: dict[str, str], label: str) -> LabelFiles:
    """Read label files.

    Parameters
    ----------
    path : str
        Parquet file, directory, glob or URL.
    bundle : Bundle
        The detector's. A label is one of its classes, a class number from 0, or null.
    keys : dict of str to str
        The columns that name a row (`row_id`, or `file` and `row`), mapped to those of the files.
    label : str
        Column of the labels.

    Raises
    ------
    BatchError, LabelError
        As `plan_labelling`.
    """
    path = path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - keeps a glob's stars
    files, key_parts, label_parts = [], [], []
    for name in find_files(path):
        source = ParquetSource(name)
        table = _table(source, [*keys.values(), label])
        files.append(source.describe())
        chunk = Chunk(name, np.arange(len(table)), np.empty((len(table), 0), np.float32), table)
        label_parts.append(class_indices(table[label], bundle.manifest.class_names, label, chunk))
        key_parts.append(_keys(name, table, keys))
    rows = LabelRows.of(key_parts, label_parts, [file.path for file in files])
    return LabelFiles(files, rows, bundle)


def _key_columns(monitor: Monitor, id_column: str | None) -> dict[str, str]:
    if monitor.data.row_id:
        return {ScoreColumn.ROW_ID: id_column or monitor.data.row_id}
    if id_column:
        raise LabelError(
            f"{monitor.file} names no row id (data.row_id), so labels are joined by the columns "
            f"'file' and 'row', not by {id_column!r}: leave --id out"
        )
    return {name: name.value for name in FILE_AND_ROW}


def _table(source: ParquetSource, columns: list[str]) -> pa.Table:
    names = source.schema.names
    for column in columns:
        if names.count(column) != 1:
            result = "several columns" if column in names else "no column"
            raise LabelError(
                f"{source.name} has {result} {column!r}; it has {', '.join(names)}. Name the "
                "columns with --id and --label, or fix the job that writes the file"
            )
    return source.read(list(dict.fromkeys(columns)))


def _keys(file: str, table: pa.Table, keys: dict[str, str]) -> pa.Array:
    try:
        return row_keys(pa.table({name: table[column] for name, column in keys.items()}))
    except LabelError as error:
        raise LabelError(f"{file}: {error}") from None
    except pa.ArrowException as error:
        types = ", ".join(f"{column!r} has type {table[column].type}" for column in keys.values())
        raise LabelError(
            f"{file}: {types} ({error}); expected ids that are text or numbers, or a file's name "
            "and a row number"
        ) from None


def _read_keys(monitor: Monitor, interval: Interval) -> pa.Table:
    """Return the columns of a committed score table that name its rows."""
    directory = monitor.directory / interval.id
    wanted = (ScoreColumn.ROW_ID,) if monitor.data.row_id else FILE_AND_ROW
    table = read_scores(directory, wanted)
    if len(table.column_names) < len(wanted):
        raise StoreError(
            f"{directory / SCORES} has no {' and '.join(wanted)}: the monitor's data.row_id has "
            "changed since; run the interval again (drift-monitor run)"
        )
    return table
