"""What a run reads and hashes: nothing twice."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adversarial import read_bundle
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.intervals import Interval
from drift_monitor.job.backfill import backfill
from drift_monitor.job.labelling import label_interval, plan_labelling
from drift_monitor.job.run import run_interval
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch

FIRST = date(2026, 11, 20)
TRAILING: Any = {"reference": {"kind": "trailing", "intervals": 1}}


def prepare(
    make_monitor: MakeMonitor, days: int = 1, *, labelled: bool = True, **fields: object
) -> tuple[Monitor, list[Interval]]:
    path = make_monitor(examples=0, **fields)
    intervals = [FIRST + timedelta(days=number) for number in range(days)]
    for number, day in enumerate(intervals):
        images, labels = make_images(120, seed=number)
        write_batch(path.parent / f"batches/{day}.parquet", images, labels if labelled else None)
    monitor = load_monitor(path)
    return monitor, [monitor.interval(day) for day in intervals]


def files_of(bundle: Path) -> Counter[str]:
    return Counter(list(read_bundle(bundle).manifest.sha256))


def test_a_run_hashes_each_file_of_its_bundle_once(
    make_monitor: MakeMonitor, bundle: Path, hashed: Counter[str]
) -> None:
    monitor, [interval] = prepare(make_monitor)
    expected = files_of(bundle)
    hashed.clear()
    run_interval(monitor, interval)
    assert hashed == expected


def test_intervals_that_are_judged_again_verify_no_bundle(
    make_monitor: MakeMonitor, bundle: Path, hashed: Counter[str]
) -> None:
    monitor, intervals = prepare(make_monitor, 3, **TRAILING)
    for interval in intervals:
        run_interval(monitor, interval)
    expected = files_of(bundle)
    hashed.clear()
    run_interval(monitor, intervals[0])
    assert hashed == expected


def test_a_backfill_hashes_each_file_of_the_bundle_once(
    make_monitor: MakeMonitor, bundle: Path, hashed: Counter[str]
) -> None:
    monitor, intervals = prepare(make_monitor, 2)
    expected = files_of(bundle)
    hashed.clear()
    done = backfill(monitor, intervals[0].start, intervals[-1].start)
    assert list(done.reports) == [interval.id for interval in intervals]
    assert hashed == expected


def test_late_labels_hash_each_file_of_the_bundle_once(
    make_monitor: MakeMonitor, bundle: Path, hashed: Counter[str], tmp_path: Path
) -> None:
    monitor, intervals = prepare(make_monitor, 3, labelled=False, **TRAILING)
    for interval in intervals:
        run_interval(monitor, interval)
    expected = files_of(bundle)
    labels = pa.table({"id": [f"r{i}" for i in range(120)], "label": np.resize(CLASSES, 120)})
    pq.write_table(labels, tmp_path / "labels.parquet")
    hashed.clear()
    plan = plan_labelling(monitor, str(tmp_path / "labels.parquet"), intervals)
    for interval in plan.intervals:
        label_interval(monitor, interval, plan.labels)
    assert hashed == expected
