"""Write an interval's files, its page and the index."""

import os
import platform
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from adversarial.files import digest, to_json
from adversarial.storage.folder import ChangedError, Folder
from adversarial.storage.opening import join
from drift_monitor.config import Monitor
from drift_monitor.errors import StoreError
from drift_monitor.intervals import Interval
from drift_monitor.pages.html import render_index, render_report
from drift_monitor.results.read import ATTEMPTS, read_reports, read_result
from drift_monitor.results.report import Files, Report, StoredFile
from drift_monitor.results.score_columns import repeated_texts
from drift_monitor.results.store import PAGE, REJECTED, REPORT, RUN, SCORES, Store, put_data
from drift_monitor.scoring.reference_window import ReferenceWindow, reference_window
from drift_monitor.verdict.build_report import build_report
from drift_monitor.verdict.scored_interval import ScoredInterval

INDEX = "index.html"

ROW_GROUP_ROWS = 65_536

PAGE_START = 4096
"""The first bytes of a page, which say of which report it is."""


def rerender(monitor: Monitor, interval: str) -> str:
    """Make anew what is derived from a committed interval's `report.json` and tables: its page."""
    store = Store(monitor.location)
    while True:
        result = read_result(store.folder / interval)
        store.link_tables(result.report)
        page = render_report(result.report, result.scores, result.digest)
        result.directory.write(PAGE, page.encode())
        if is_rendered(store, interval):  # else another report has been committed meanwhile
            return f"{result.directory}/{PAGE}"


def is_rendered(store: Store, interval: str) -> bool:
    """Whether an interval's page is of the report that is committed."""
    folder = store.folder / interval
    try:
        start = folder.read(PAGE, PAGE_START)
    except FileNotFoundError:
        return False
    content = folder.look(REPORT).content
    return content is not None and digest(content).encode() in start


def write_index(monitor: Monitor, notes: Sequence[str] = ()) -> str:
    """Rewrite the monitor's `index.html` from its committed reports, and name unreadable ones.

    Pages of intervals that are missing or out of date, as a kill or a power loss leaves them, are
    rendered first.

    Parameters
    ----------
    monitor : Monitor
        The monitor.
    notes : sequence of str
        What else is wrong with intervals, for the index to say.
    """
    store = Store(monitor.location)
    with store.lock():
        for _ in range(ATTEMPTS):
            seen = store.folder.look(INDEX)
            reports, unreadable = read_reports(monitor.location)
            for report in reports:
                try:
                    if not is_rendered(store, report.interval):
                        rerender(monitor, report.interval)
                except StoreError as error:
                    unreadable.append(str(error))
            page = render_index(monitor.name, reports, [*unreadable, *notes])
            try:
                store.folder.replace(INDEX, page.encode(), seen)
            except ChangedError:  # by a process on another machine, which may know more, or less
                continue
            return join(monitor.location, INDEX)
    raise ChangedError(f"{monitor.location}/{INDEX} is replaced all the time: try again later")


def read_reference(
    monitor: Monitor, interval: Interval, bundle: Bundle | None = None
) -> tuple[Bundle, ReferenceWindow]:
    """Read the monitor's bundle and the window of `interval`, both of one detector.

    A `bundle` that has already been verified is verified again only if it has been replaced.
    """
    with bundle_lock(monitor.detector):
        bundle = read_bundle(bundle or monitor.detector, monitor.detector_key)
        return bundle, reference_window(monitor, bundle, interval)


def count_reasons(rejected: pa.Table) -> Counter[str]:
    """Count the reasons in a table of rejected rows."""
    return Counter(rejected["reason"].to_pylist())


def write_interval(
    staging: Folder,
    scored: ScoredInterval,
    rejected: pa.Table,
    labels: list[StoredFile],
    run: Mapping[str, Any],
) -> Report:
    """Write the files of a result into the staging folder, `report.json` last.

    Parameters
    ----------
    staging : Folder
        The folder.
    scored : ScoredInterval
        The interval.
    rejected : pyarrow.Table
        The rows of its batch that could not be scored.
    labels : list of StoredFile
        The files of late labels that are in its score table.
    run : mapping
        What is known about the run so far; `run.json` adds when and where it ended.
    """
    started = time.monotonic()
    report, scores = build_report(scored)
    files = Files(
        scores=put_data(staging, SCORES, lambda path: _write_scores(scores, path)),
        rejected=put_data(staging, REJECTED, lambda path: pq.write_table(rejected, path)),
        labels=labels,
    )
    report = report.model_copy(update={"files": files})
    content = report.to_json().encode()
    staging.write(PAGE, render_report(report, scores, digest(content)).encode())
    done = {
        **run,
        "report_sha256": digest(content),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "process": os.getpid(),
        "python": platform.python_version(),
        "report_seconds": round(time.monotonic() - started, 3),
    }
    staging.write(RUN, to_json(done).encode())
    staging.write(REPORT, content)
    return report


def _write_scores(scores: pa.Table, path: Path) -> None:
    pq.write_table(
        scores,
        path,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        use_dictionary=repeated_texts(scores.schema),
    )


def new_token() -> str:
    """Return a token that tells a run from others of the same interval."""
    return uuid.uuid4().hex[:8]
