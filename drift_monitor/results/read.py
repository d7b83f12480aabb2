"""Read committed results: reports and score tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from drift_monitor.errors import StoreError
from drift_monitor.results.report import Report, read_report
from drift_monitor.results.store import REJECTED, REPORT, SCORES, Store


@dataclass(frozen=True)
class Result:
    """A committed interval.

    Attributes
    ----------
    directory : Path
        Where its files are.
    report : Report
        The interval's report.
    scores : pyarrow.Table
        The interval's score table.
    """

    directory: Path
    report: Report
    scores: pa.Table


def read_result(path: Path) -> Result:
    """Read an interval from its directory, or from the path of its `report.json`.

    Raises
    ------
    StoreError
        If it is not committed, or a file cannot be read, or the two do not belong together.
    """
    directory = path.parent if path.name == REPORT else path
    report = read_report(directory / REPORT)
    file = directory / SCORES
    scores = read_scores(directory)
    if len(scores) != report.counts.scored:
        raise StoreError(
            f"{file} has {len(scores):,} rows, but {REPORT} beside it counts "
            f"{report.counts.scored:,}: run the interval again (drift-monitor run)"
        )
    return Result(directory, report, scores)


def read_scores(directory: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the score table in an interval's directory.

    Parameters
    ----------
    directory : Path
        The interval's.
    columns : sequence of str, optional
        Columns to read, all by default; one that does not exist is left out.

    Raises
    ------
    StoreError
        If it cannot be read; names it.
    """
    return _read_table(directory / SCORES, columns)


def read_rejected(directory: Path) -> pa.Table:
    """Read the table of rejected rows in an interval's directory.

    Raises
    ------
    StoreError
        If it cannot be read; names it.
    """
    return _read_table(directory / REJECTED)


def read_reports(directory: Path) -> tuple[list[Report], list[str]]:
    """Read a monitor's committed reports, in time order.

    Returns
    -------
    list of Report, list of str
        The readable reports, and why others cannot be read: one bad report does not stop the rest.
    """
    reports, unreadable = [], []
    for name in Store(directory).committed():
        try:
            reports.append(read_report(directory / name / REPORT))
        except StoreError as error:
            unreadable.append(str(error))
    return reports, unreadable


def _read_table(file: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        return pq.ParquetFile(file).read(columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{file} cannot be read ({error}): run the interval again (drift-monitor run)"
        ) from None
