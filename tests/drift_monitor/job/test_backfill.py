"""Many intervals run one after the other, from Python."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adversarial import Scorer, load_scorer
from adversarial.detector import loading
from adversarial.storage.local_folder import LocalFolder
from drift_monitor import backfill, load_monitor
from drift_monitor.errors import MissingBatchError
from drift_monitor.intervals import Interval
from drift_monitor.job.backfill import Run, committed_intervals
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch
from tests.support.job.monitors import write_day

DAYS = [date(2026, 11, day) for day in (18, 19, 20)]


def write_days(directory: Path, days: list[date]) -> None:
    for day in days:
        write_batch(directory / "batches" / f"{day}.parquet", *make_images(150, seed=4))


def test_a_failed_interval_does_not_stop_the_others_and_is_made_up_for_later(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = load_monitor(make_monitor())
    directory = monitor.directory.parents[1]
    write_days(directory, [DAYS[0], DAYS[2]])
    loads = 0

    def counted(*given: Any, **options: Any) -> Scorer:
        nonlocal loads
        loads += 1
        return load_scorer(*given, **options)

    monkeypatch.setattr(loading, "load_scorer", counted)
    told: list[tuple[str, bool]] = []

    def tell(interval: Interval, run: Run) -> None:
        told.append((interval.id, isinstance(run, Exception)))

    first = backfill(monitor, DAYS[0], DAYS[2], on_done=tell)
    assert list(first.reports) == ["2026-11-18", "2026-11-20"]
    assert isinstance(first.failed["2026-11-19"], MissingBatchError)
    assert first.skipped == []
    assert told == [("2026-11-18", False), ("2026-11-19", True), ("2026-11-20", False)]
    assert loads == 1
    assert [i.id for i in committed_intervals(monitor, DAYS[0], DAYS[2])] == list(first.reports)

    write_days(directory, [DAYS[1]])
    second = backfill(monitor, DAYS[0], DAYS[2])
    assert list(second.reports) == ["2026-11-19"]
    assert (second.failed, second.skipped) == ({}, ["2026-11-18", "2026-11-20"])
    assert second.reports["2026-11-19"].counts.read == 150


def test_the_detector_is_not_loaded_where_nothing_is_left_to_run(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = load_monitor(make_monitor())
    write_days(monitor.directory.parents[1], DAYS[:1])
    backfill(monitor, DAYS[0], DAYS[0])
    monkeypatch.setattr(loading, "load_scorer", None)
    assert backfill(monitor, DAYS[0], DAYS[0]).skipped == ["2026-11-18"]


def test_a_defect_of_ours_stops_no_other_interval(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = load_monitor(make_monitor())
    tried: list[str] = []

    def fail(_: object, interval: Interval, **__: object) -> None:
        tried.append(interval.id)
        raise KeyError("something that nobody thought of")

    monkeypatch.setattr("drift_monitor.job.backfill.run_interval", fail)
    done = backfill(monitor, DAYS[0], DAYS[2])
    assert tried == list(done.failed) == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert "2026-11-19: a defect of drift-monitor" in caplog.text


def test_a_report_that_was_cut_short_is_mended_and_one_that_cannot_be_read_stops_no_other(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_monitor(examples=0)
    for day in DAYS[:2]:
        write_day(path, f"{day}")
    read = LocalFolder.read

    def refuse(folder: LocalFolder, name: str, most: int = -1) -> bytes:
        if folder.path.name == f"{DAYS[2]}":
            raise PermissionError(13, "Permission denied")
        return read(folder, name, most)

    monkeypatch.setattr(LocalFolder, "read", refuse)
    monitor = load_monitor(path)
    whole = backfill(monitor, DAYS[0], DAYS[0]).reports[f"{DAYS[0]}"]
    (monitor.directory / f"{DAYS[0]}" / "report.json").write_bytes(b"")
    (monitor.directory / f"{DAYS[2]}").mkdir()
    (monitor.directory / f"{DAYS[2]}" / "report.json").write_text("{}")
    done = backfill(monitor, DAYS[0], DAYS[1])
    assert list(done.reports) == [f"{day}" for day in DAYS[:2]]
    assert done.reports[f"{DAYS[0]}"] == whole
    index = (monitor.directory / "index.html").read_text()
    assert f"{DAYS[2]}/report.json cannot be read: Permission denied" in index
