"""Three committed days without labels, and files that bring them."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift_monitor.config import Monitor, load_monitor
from drift_monitor.job.labelling import Labelled, label_interval, plan_labelling
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import Report, read_report
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch

DAYS = [date(2026, 11, 16) + timedelta(days=i) for i in range(3)]
ROWS = 120


def prepare(make_monitor: MakeMonitor, name: str = "animals", **fields: object) -> Monitor:
    """Run three days without labels; ids are of one day only."""
    return commit(make_monitor(name, **{"examples": 0} | fields), labelled=False)


def commit(path: Path, *, labelled: bool) -> Monitor:
    monitor = load_monitor(path)
    for day in DAYS:
        images, labels = rows_of(day)
        batch = path.parent / "batches" / f"{day}.parquet"
        write_batch(batch, images, labels if labelled else None, prefix=f"{day}/")
        run_interval(monitor, monitor.interval(day))
    return monitor


def rows_of(day: date) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a day; on the second day every label is another than predicted."""
    images, labels = make_images(ROWS, seed=day.day)
    return images, (labels + 1) % 3 if day == DAYS[1] else labels


def write_labels(
    path: Path, days: Sequence[date], rows: slice = slice(None), *, names: bool = False
) -> Path:
    keys = [f"{day}/{i}" for day in days for i in range(ROWS)][rows]
    numbers = np.concatenate([rows_of(day)[1] for day in days])[rows]
    values = pa.array([CLASSES[i] for i in numbers]) if names else pa.array(numbers)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": keys, "label": values}), path)
    return path


def label(monitor: Monitor, path: Path | str, days: Sequence[date] = DAYS) -> list[Labelled]:
    intervals = monitor.intervals(days[0], days[-1])
    plan = plan_labelling(monitor, str(path), intervals)
    return [label_interval(monitor, interval, plan.labels) for interval in plan.intervals]


def report(monitor: Monitor, day: date) -> Report:
    return read_report(monitor.directory / f"{day}" / "report.json")


def results(monitor: Monitor) -> dict[str, bytes]:
    return {
        f"{day}/{name}": (monitor.directory / f"{day}" / name).read_bytes()
        for day in DAYS
        for name in ("scores.parquet", "rejected.parquet", "report.json", "report.html")
    }
