"""Write an interval's files, its page and the index."""

import json
import os
import platform
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from drift_monitor.config import Monitor
from drift_monitor.intervals import Interval
from drift_monitor.pages.html import render_index, render_report
from drift_monitor.results.read import read_rejected, read_reports, read_scores
from drift_monitor.results.report import Report, read_report
from drift_monitor.results.score_columns import ScoreColumn
from drift_monitor.results.store import PAGE, REPORT, RUN, SCORES, Store
from drift_monitor.scoring.reference_window import ReferenceWindow, reference_window
from drift_monitor.verdict.build_report import build_report
from drift_monitor.verdict.scored_interval import ScoredInterval

SCORING = "scoring.json"
"""What scoring leaves in the staging directory for the report; not published."""

ROW_GROUP_ROWS = 65_536


def rerender(monitor: Monitor, interval: str) -> Path:
    """Rewrite a committed interval's page, only from its `report.json` and `scores.parquet`."""
    directory = monitor.directory / interval
    report = read_report(directory / REPORT)
    store = Store(monitor.directory)
    store.write(directory / PAGE, render_report(report, read_scores(directory)))
    return directory / PAGE


def write_index(monitor: Monitor) -> Path:
    """Rewrite the monitor's `index.html` from its committed reports, and name unreadable ones."""
    store = Store(monitor.directory)
    with store.lock():
        page = render_index(monitor.name, *read_reports(monitor.directory))
        store.write(monitor.directory / "index.html", page)
    return monitor.directory / "index.html"


def read_reference(
    monitor: Monitor, interval: Interval, bundle: Bundle | None = None
) -> tuple[Bundle, ReferenceWindow]:
    """Read the monitor's bundle and the window of `interval`, both of one detector.

    A `bundle` that has already been verified is verified again only if it has been replaced.
    """
    with bundle_lock(monitor.detector):
        bundle = read_bundle(bundle or monitor.detector)
        return bundle, reference_window(monitor, bundle, interval)


def read_rejected_reasons(directory: Path) -> Counter[str]:
    """Count the reasons in an interval's `rejected.parquet`."""
    return Counter(read_rejected(directory)["reason"].to_pylist())


def write_interval(staging: Path, scored: ScoredInterval, run: Mapping[str, Any]) -> Report:
    """Write everything but `rejected.parquet` into the staging directory, `report.json` last.

    Parameters
    ----------
    staging : Path
        The directory.
    scored : ScoredInterval
        The interval.
    run : mapping
        What is known about the run so far; `run.json` adds when and where it ended.
    """
    started = time.monotonic()
    report, scores = build_report(scored)
    repeated = [
        field.name
        for field in scores.schema
        if pa.types.is_string(field.type) and field.name != ScoreColumn.ROW_ID
    ]
    pq.write_table(
        scores,
        staging / SCORES,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        use_dictionary=repeated,
    )
    (staging / PAGE).write_text(render_report(report, scores), encoding="utf-8")
    done = {
        **run,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "process": os.getpid(),
        "python": platform.python_version(),
        "report_seconds": round(time.monotonic() - started, 3),
    }
    (staging / RUN).write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
    (staging / REPORT).write_text(report.to_json(), encoding="utf-8")
    return report


def new_token() -> str:
    """Return a token that tells a run from others of the same interval."""
    return uuid.uuid4().hex[:8]
