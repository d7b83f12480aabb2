"""What a run reads and hashes: nothing twice."""

import hashlib
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import read_bundle
from drift_monitor.analysis import findings
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.errors import ChangedBatchError
from drift_monitor.intervals import Interval
from drift_monitor.job.backfill import backfill
from drift_monitor.job.labelling import label_interval, plan_labelling
from drift_monitor.job.run import run_interval
from drift_monitor.stats.ks import KSResult, ks_test
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch
from tests.support.counted_files import CountedFileSystem

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


def test_a_run_fetches_its_batch_once(make_monitor: MakeMonitor) -> None:
    path = make_monitor(data={"path": "counted://lake/{date}/*.parquet"})
    monitor = load_monitor(path)
    interval = monitor.interval(FIRST)
    local = write_batch(path.parent / "batch.parquet", *make_images(3_000, seed=0))
    with fsspec.open(f"counted://lake/{FIRST}/a.parquet", "wb") as file:
        file.write(local.read_bytes())
    CountedFileSystem.fetched = 0
    report = run_interval(monitor, interval)
    assert report.data[0].sha256 == hashlib.sha256(local.read_bytes()).hexdigest()
    size = local.stat().st_size
    assert size <= CountedFileSystem.fetched <= 1.05 * size


def test_a_run_reads_its_batch_for_rows_and_hash_together(
    make_monitor: MakeMonitor, read_whole: Counter[str], passes: Counter[str]
) -> None:
    monitor, [interval] = prepare(make_monitor)
    report = run_interval(monitor, interval)
    batch = Path(monitor.batch_path(interval))
    assert report.data[0].sha256 == hashlib.sha256(batch.read_bytes()).hexdigest()
    assert passes == {batch.name: 1}
    assert not read_whole


def test_a_batch_that_changes_while_it_is_scored_is_not_committed(
    make_monitor: MakeMonitor,
) -> None:
    monitor, [interval] = prepare(make_monitor, batch_size=4)
    batch = Path(monitor.batch_path(interval))

    def rewrite(done: int, _: int) -> None:
        if done == 16:
            write_batch(batch, *make_images(120, seed=9))

    with pytest.raises(ChangedBatchError, match=rf"{batch} changed while it was read: run again"):
        run_interval(monitor, interval, progress=rewrite)
    assert not monitor.directory.exists()
    assert run_interval(monitor, interval).counts.read == 120


def test_late_labels_are_read_once(
    make_monitor: MakeMonitor, passes: Counter[str], read_whole: Counter[str], tmp_path: Path
) -> None:
    monitor, intervals = prepare(make_monitor, labelled=False)
    run_interval(monitor, intervals[0])
    file = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"id": [f"r{i}" for i in range(120)], "label": [0] * 120}), file)
    passes.clear()
    plan = plan_labelling(monitor, str(file), intervals)
    assert label_interval(monitor, intervals[0], plan.labels).named == 120
    assert plan.labels.files[0].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert passes == {file.name: 1}
    assert not read_whole


def test_whether_labels_are_a_random_sample_is_tested_once(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_monitor(examples=0)
    images, labels = make_images(120, seed=0)
    labels[60:] = -1
    write_batch(path.parent / f"batches/{FIRST}.parquet", images, labels)
    monitor = load_monitor(path)
    tested = []

    def count(x: np.ndarray, y: np.ndarray) -> KSResult:
        tested.append((len(x), len(y)))
        return ks_test(x, y)

    monkeypatch.setattr(findings, "ks_test", count)
    report = run_interval(monitor, monitor.interval(FIRST))
    assert "60 of 120 rows have a label" in " ".join(report.detector_health.warnings)
    assert tested == [(60, 60)]


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
