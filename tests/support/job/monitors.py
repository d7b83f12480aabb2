"""Monitors of which a test gives what matters to it, and intervals of theirs that can be run."""

from datetime import date
from pathlib import Path
from typing import Any

from drift_monitor.config import DataConfig, Monitor, load_monitor
from drift_monitor.intervals import Interval
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
DAY = date(2026, 11, 20)


def monitor(**fields: Any) -> Monitor:
    data = DataConfig(path="x.parquet", input="x")
    return Monitor.model_validate({"name": "m", "detector": "d", "data": data} | fields)


def prepare(
    make_monitor: MakeMonitor, n: int = 300, *, labelled: bool = True, **fields: object
) -> tuple[Monitor, Interval]:
    """Return a monitor, and its interval whose batch has been written."""
    path = make_monitor(**fields)
    images, labels = make_images(n, seed=4)
    batch = path.parent / "batches" / f"{DAY}.parquet"
    write_batch(batch, images, labels if labelled else None)
    monitor = load_monitor(path)
    return monitor, monitor.interval(DAY)


def write_day(monitor: Path, day: str = f"{DAY}", n: int = 150, seed: int = 4) -> Path:
    """Write one day's batch of the monitor whose YAML file is given."""
    return write_batch(monitor.parent / "batches" / f"{day}.parquet", *make_images(n, seed))


def files(monitor: Monitor) -> dict[str, bytes]:
    """Return every file under the monitor's directory."""
    root = monitor.directory
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
