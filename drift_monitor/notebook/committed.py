"""Committed intervals read back as DataFrames and reports."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drift_monitor.config import Monitor
from drift_monitor.results import read
from drift_monitor.results.export import history_table
from drift_monitor.results.report import Report
from drift_monitor.results.store import read_seen

if TYPE_CHECKING:
    import pandas as pd


def read_report(path: str | Path) -> Report:
    """Read the report of a committed interval.

    Parameters
    ----------
    path : str or Path
        The interval's directory or URL, or those of the `report.json` in it.

    Raises
    ------
    StoreError
        If the interval is not committed, or the report is not of this version.
    """
    return read_seen(read.interval_folder(path))[0]


def read_scores(path: str | Path, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read the score table of a committed interval: one row per scored row.

    Parameters
    ----------
    path : str or Path
        The interval's directory or URL.
    columns : sequence of str, optional
        Columns to read, all by default; one that does not exist is left out.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    frame: pd.DataFrame = read.read_scores(path, columns).to_pandas()
    return frame


def read_rejected(path: str | Path) -> "pd.DataFrame":
    """Read which rows of a committed interval could not be scored: file, row (from 0) and reason.

    Parameters
    ----------
    path : str or Path
        The interval's directory or URL.

    Raises
    ------
    StoreError
        If they cannot be read.
    """
    frame: pd.DataFrame = read.read_rejected(path).to_pandas()
    return frame


def read_history(monitor: Monitor | str | Path) -> "pd.DataFrame":
    """Read the numbers of all committed intervals: one row per interval, metric and slice.

    The columns are those of `drift-monitor export` (docs/files.md). A report that cannot be read
    is left out, with a warning.

    Parameters
    ----------
    monitor : Monitor, str or Path
        The monitor, or its directory or URL `<reports>/<monitor>`.
    """
    location = monitor.location if isinstance(monitor, Monitor) else monitor
    reports, unreadable = read.read_reports(location)
    for reason in unreadable:
        warnings.warn(reason, stacklevel=2)
    frame: pd.DataFrame = history_table(reports).to_pandas()
    return frame
