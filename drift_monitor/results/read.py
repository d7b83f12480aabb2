"""Read committed results: reports and score tables."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.errors import TransientError
from adversarial.files import digest, sha256
from adversarial.storage.folder import ChangedError, Folder
from adversarial.storage.opening import Location, open_folder
from drift_monitor.errors import StoreError
from drift_monitor.results.report import Report, StoredFile
from drift_monitor.results.store import REJECTED, REPORT, SCORES, Store, read_seen

ATTEMPTS = 10
"""How often a result is read that is replaced every time while it is read."""


@dataclass(frozen=True)
class Result:
    """A committed interval.

    Attributes
    ----------
    directory : Folder
        Where its files are.
    report : Report
        The interval's report.
    scores : pyarrow.Table
        The interval's score table.
    digest : str
        SHA-256 of `report.json`.
    """

    directory: Folder
    report: Report
    scores: pa.Table
    digest: str


def read_result(path: Location | Folder) -> Result:
    """Read an interval from its directory or URL, or from those of its `report.json`.

    Raises
    ------
    StoreError
        If it is not committed, or a file cannot be read, or the two do not belong together.
    """
    folder = interval_folder(path)
    report, scores, sha = _read(folder, SCORES)
    if len(scores) != report.counts.scored:
        raise StoreError(
            f"{folder}/{SCORES} has {len(scores):,} rows, but {REPORT} beside it counts "
            f"{report.counts.scored:,}: run the interval again (drift-monitor run)"
        )
    return Result(folder, report, scores, sha)


def interval_folder(path: Location | Folder) -> Folder:
    """Return the folder of an interval; `path` is its own or that of its `report.json`."""
    if not isinstance(path, str | os.PathLike):
        return path
    text = os.fspath(path)
    return open_folder(text.removesuffix(f"/{REPORT}") if text != REPORT else ".")


def read_scores(directory: Location | Folder, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the score table in an interval's directory.

    Parameters
    ----------
    directory : str, Path or Folder
        The interval's directory or URL.
    columns : sequence of str, optional
        Columns to read, all by default; one that does not exist is left out.

    Raises
    ------
    StoreError
        If it cannot be read; names it.
    """
    return _read(interval_folder(directory), SCORES, columns)[1]


def read_rejected(directory: Location | Folder) -> pa.Table:
    """Read the table of rejected rows in an interval's directory.

    Raises
    ------
    StoreError
        If it cannot be read; names it.
    """
    return _read(interval_folder(directory), REJECTED)[1]


def read_reports(directory: Location) -> tuple[list[Report], list[str]]:
    """Read a monitor's committed reports, in time order.

    Returns
    -------
    list of Report, list of str
        The readable reports, and why others cannot be read: one bad report does not stop the rest.
    """
    reports, unreadable = [], []
    store = Store(directory)
    for name in store.committed():
        try:
            reports.append(store.read(name))
        except (StoreError, TransientError) as error:
            unreadable.append(str(error))
    return reports, unreadable


def _read(
    folder: Folder, name: str, columns: Sequence[str] | None = None
) -> tuple[Report, pa.Table, str]:
    """Return a report, one of its tables, and the SHA-256 of `report.json`; all of one moment."""
    for _ in range(ATTEMPTS):
        report, seen = read_seen(folder)
        files = report.files
        file = None if files is None else files.scores if name == SCORES else files.rejected
        try:
            table = _read_table(folder, file, name, columns)
        except StoreError:
            # Its files may be removed once a later one is in place.
            if folder.look(REPORT).version == seen.version:
                raise
            continue
        if file is not None or folder.look(REPORT).version == seen.version:
            return report, table, digest(seen.content or b"")
    raise ChangedError(f"{folder} is replaced whenever it is read: try again later")


def _read_table(
    folder: Folder, file: StoredFile | None, name: str, columns: Sequence[str] | None
) -> pa.Table:
    path = f"{folder}/{file.path if file else name}"
    again = "run the interval again (drift-monitor run)"
    try:
        with folder.open(file.path if file else name) as opened:
            # Of a few columns, only these are read.
            if file is not None and columns is None and sha256(opened) != file.sha256:
                raise StoreError(
                    f"{path} cannot be read (it has been altered: its SHA-256 is not the one in "
                    f"{REPORT}): {again}"
                )
            opened.seek(0)
            return pq.ParquetFile(opened).read(columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path} cannot be read ({error}): {again}") from None
