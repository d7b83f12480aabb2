"""Trailing reference windows: which intervals they hold, whatever the order of runs."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest

from adversarial.bundle.manifest import BundleError
from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import write_bundle
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.errors import StoreError
from drift_monitor.job.rejudge import rejudge
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import Report, VerdictName, read_report
from drift_monitor.scoring.reference_window import reference_window, trailing_intervals
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch

FIRST = date(2026, 11, 16)
DAYS = [FIRST + timedelta(days=i) for i in range(5)]
BAD = DAYS[2]


def prepare(make_monitor: MakeMonitor, name: str, **fields: object) -> Monitor:
    """Write five days of batches, the third of mislabelled rows, and return their monitor."""
    path = make_monitor(
        name, **{"reference": {"kind": "trailing", "intervals": 2}, "examples": 0} | fields
    )
    for number, day in enumerate(DAYS):
        batch = path.parent / "batches" / f"{day}.parquet"
        if not batch.exists():
            images, labels = make_images(120, seed=number)
            write_batch(batch, images, (labels + 1) % 3 if day == BAD else labels)
    return load_monitor(path)


def run(monitor: Monitor, days: list[date]) -> None:
    for day in days:
        run_interval(monitor, monitor.interval(day))


def reports(monitor: Monitor) -> dict[date, Report]:
    return {day: read_report(monitor.directory / f"{day}" / "report.json") for day in DAYS}


def test_the_window_is_the_last_intervals_that_were_not_harmful(make_monitor: MakeMonitor) -> None:
    monitor = prepare(make_monitor, "animals")
    run(monitor, DAYS)
    found = reports(monitor)
    assert found[BAD].verdict.verdict == "harmful_drift"
    used = {day: found[day].reference.intervals for day in DAYS}
    first, second, bad, fourth, fifth = DAYS
    assert used == {
        first: [],
        second: [],
        bad: [f"{first}", f"{second}"],
        fourth: [f"{first}", f"{second}"],
        fifth: [f"{second}", f"{fourth}"],
    }
    assert [found[day].reference.kind for day in DAYS] == ["fixed"] * 2 + ["trailing"] * 3
    assert "only 1 of 2 intervals" in (found[second].reference.note or "")
    assert found[fifth].reference.n == 240
    assert found[fifth].detector_health.reference_against_fixed is not None
    assert found[first].detector_health.reference_against_fixed is None


def test_an_interval_whose_harm_is_unknown_is_no_reference(make_monitor: MakeMonitor) -> None:
    monitor = prepare(make_monitor, "animals")
    run(monitor, DAYS[:2])
    path = monitor.directory / f"{DAYS[1]}" / "report.json"
    report = read_report(path)

    def window(verdict: VerdictName) -> list[str]:
        changed = report.verdict.model_copy(update={"verdict": verdict})
        path.write_text(report.model_copy(update={"verdict": changed}).to_json())
        return trailing_intervals(monitor, report.detector.fingerprint, f"{BAD}")

    used = [name for name in get_args(VerdictName) if f"{DAYS[1]}" in window(name)]
    assert used == ["harmless_drift", "statistical_only", "no_drift"]


@pytest.mark.parametrize("seed", range(3))
def test_intervals_run_in_any_order_give_the_reports_of_a_forward_run(
    make_monitor: MakeMonitor, seed: int
) -> None:
    forward, shuffled = (prepare(make_monitor, name) for name in ("forward", "shuffled"))
    run(forward, DAYS)
    run(shuffled, np.random.default_rng(seed).permutation(np.array(DAYS, object)).tolist())
    mine, theirs = reports(forward), reports(shuffled)
    for day in DAYS:
        for report in (mine[day], theirs[day]):
            del report.config["name"]
        alike = {"monitor", "verdict"}  # the names, and commands that hold them
        assert mine[day].model_dump(exclude=alike) == theirs[day].model_dump(exclude=alike)
        assert mine[day].verdict.reason == theirs[day].verdict.reason
    for name in ("scores.parquet", "rejected.parquet"):
        for day in DAYS:
            one, other = (m.directory / f"{day}" / name for m in (forward, shuffled))
            assert one.read_bytes() == other.read_bytes()


def test_a_window_is_judged_anew_when_an_interval_of_it_is(make_monitor: MakeMonitor) -> None:
    """The fixed third day counts, so the two that follow are compared with other rows."""
    monitor = prepare(make_monitor, "animals")
    run(monitor, DAYS)
    images, labels = make_images(120, seed=2)
    write_batch(Path(monitor.batch_path(monitor.interval(BAD))), images, labels)
    run(monitor, [BAD])
    found = reports(monitor)
    assert found[DAYS[3]].reference.intervals == [f"{DAYS[1]}", f"{BAD}"]
    assert found[DAYS[4]].reference.intervals == [f"{BAD}", f"{DAYS[3]}"]


def test_intervals_scored_by_another_detector_are_no_reference(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundle, tmp_path / "detector")
    monitor = prepare(make_monitor, "animals", detector="detector")
    run(monitor, DAYS[:2])
    rethreshold(tmp_path / "detector", 0.3)
    run(monitor, DAYS[2:3])
    report = read_report(monitor.directory / f"{BAD}" / "report.json")
    assert report.reference.kind == "fixed"
    assert "only 0 of 2" in (report.reference.note or "")
    with pytest.raises(Exception, match=r"was scored by the detector .* score it again"):
        rejudge(monitor, monitor.interval(DAYS[0]))


def test_a_window_of_an_older_version_is_refused_with_the_remedy(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    old = read_bundle(bundle)

    def fill(directory: Path) -> None:
        for name in old.manifest.sha256:
            shutil.copyfile(bundle / name, directory / name)
        table = old.reference().drop_columns(["entropy", "reconstruction_confidence"])
        pq.write_table(table, directory / "reference.parquet")

    write_bundle(
        tmp_path / "old", fill, lambda sha256: old.manifest.model_copy(update={"sha256": sha256})
    )
    monitor = load_monitor(make_monitor(detector=str(tmp_path / "old")))
    with pytest.raises(
        BundleError, match=r"no column entropy, reconstruction_confidence.*reference"
    ):
        reference_window(monitor, read_bundle(tmp_path / "old"), monitor.interval(FIRST))


def test_a_damaged_interval_in_the_window_is_named(make_monitor: MakeMonitor) -> None:
    monitor = prepare(make_monitor, "animals")
    run(monitor, DAYS[:2])
    scores = monitor.directory / f"{DAYS[1]}" / "scores.parquet"
    scores.write_bytes(scores.read_bytes()[:-50])
    with pytest.raises(StoreError, match=rf"{DAYS[1]}/data/scores-\w+\.parquet cannot be read"):
        run(monitor, DAYS[2:3])
    assert not (monitor.directory / f"{DAYS[2]}").exists()


def test_damage_in_a_later_interval_stops_nothing_but_itself(make_monitor: MakeMonitor) -> None:
    monitor = prepare(make_monitor, "animals")
    run(monitor, DAYS[1:])
    unread, unscored = (monitor.directory / f"{day}" for day in (DAYS[3], DAYS[4]))
    (unread / "report.json").write_text("{")
    (unscored / "scores.parquet").write_bytes(b"nothing")
    (monitor.directory / "index.html").unlink()
    with pytest.raises(StoreError, match=rf"{DAYS[0]} is committed, but .*{DAYS[4]}: .*scores"):
        run(monitor, DAYS[:1])
    assert read_report(monitor.directory / f"{DAYS[0]}" / "report.json")
    assert read_report(monitor.directory / f"{BAD}" / "report.json").reference.intervals == [
        f"{DAYS[0]}",
        f"{DAYS[1]}",
    ]
    assert str(DAYS[3]) in (monitor.directory / "index.html").read_text()
