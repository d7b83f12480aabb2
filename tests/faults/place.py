"""A monitor in a place of its own, what is done to it, and what must hold of it at any moment."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from adversarial.files import digest
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.detectors.evaluate import find_bundles
from drift_monitor.detectors.promote import promote
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.job.labelling import label_interval, plan_labelling
from drift_monitor.job.run import publish, score_interval, write_report
from drift_monitor.job.write import is_rendered, rerender, write_index
from drift_monitor.pages.html import render_index
from drift_monitor.results.read import read_rejected, read_reports, read_result
from drift_monitor.results.store import REJECTED, SCORES, SCORING, Store
from tests.support.animals import make_images, write_batch
from tests.support.models.small_detector import fit_detector

DAYS = [date(2026, 11, 16) + timedelta(days=i) for i in range(3)]
OTHER = DAYS[-1] + timedelta(days=1)
ROWS = 60
FIRST, AGAIN = "first", "again"
"""Tokens of scored runs that wait in their staging folders."""


def monitor_in(place: Path) -> Monitor:
    return load_monitor(place / "animals.yaml")


def prepare(place: Path, bundle: Path, bucket: str | None = None) -> None:
    """Make a place, and score what is to be published there. Commit nothing.

    With a bucket, results and detector are kept there.
    """
    shutil.copytree(bundle, place / "detector")
    rethreshold(place / "detector", 0.3, place / "candidate")
    keys = [f"{day}/{i}" for day in DAYS for i in range(ROWS)]
    labels = np.concatenate([make_images(ROWS, seed=day.day)[1] for day in DAYS])
    for name, part in (("labels", slice(0, None)), ("early", slice(0, len(keys) // 2))):
        table = pa.table({"id": keys[part], "label": labels[part]})
        pq.write_table(table, place / f"{name}.parquet")
    if bucket is None:
        score(place, "reports")
        return
    rewrite_bundle(read_bundle(bundle), f"{bucket}/detector")
    score(place, f"{bucket}/reports", f"{bucket}/detector")


def score(place: Path, reports: str, detector: str = "detector") -> None:
    """Score all days, and the second a second time after its batch has changed."""
    fields = {
        "detector": detector,
        "reports": reports,
        "examples": 1,
        "data": {"path": "batches/{date}.parquet", "input": "image", "row_id": "id"},
        "reference": {"kind": "trailing", "intervals": 1},
        "policy": {"min_rows": 20},
    }
    (place / "animals.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    monitor = monitor_in(place)
    for day in [*DAYS, OTHER]:
        images, _ = make_images(ROWS, seed=day.day)
        write_batch(place / "batches" / f"{day}.parquet", images, None, prefix=f"{day}/")
        score_interval(monitor, monitor.interval(day), token=FIRST)
    images, _ = make_images(ROWS + 5, seed=DAYS[1].day)
    write_batch(place / "batches" / f"{DAYS[1]}.parquet", images, None, prefix=f"{DAYS[1]}/")
    score_interval(monitor, monitor.interval(DAYS[1]), token=AGAIN)


def run(place: Path, day: date, token: str) -> None:
    """Judge and publish a scored day, as the tasks of a run do, and again if they are retried."""
    monitor = monitor_in(place)
    interval = monitor.interval(day)
    staging = Store(monitor.location).staging(interval.id, token)
    if staging.exists(SCORING):
        write_report(monitor, interval, staging)
    publish(monitor, interval, staging)


def label(place: Path, name: str) -> None:
    monitor = monitor_in(place)
    intervals = monitor.intervals(DAYS[0], DAYS[-1])
    plan = plan_labelling(monitor, str(place / f"{name}.parquet"), intervals)
    for interval in plan.intervals:
        label_interval(monitor, interval, plan.labels)
    write_index(monitor)


def backfill(place: Path) -> None:
    for day in DAYS:
        run(place, day, FIRST)


def rewrite_pages(place: Path) -> None:
    monitor = monitor_in(place)
    for interval in Store(monitor.location).committed():
        rerender(monitor, interval)
    write_index(monitor)


def promote_candidate(place: Path) -> None:
    monitor = monitor_in(place)
    now = read_bundle(monitor.detector).fingerprint
    if now != read_bundle(place / "candidate").fingerprint:
        promote(monitor, find_bundles(monitor, place / "candidate"))


def change_threshold(place: Path) -> None:
    rethreshold(place / "detector", 0.25)


def fit_another(place: Path) -> None:
    directory = place / "fitted"
    directory.mkdir(exist_ok=True)
    fit_detector(place / "detector" / "classifier.keras", directory)


def commit_all(place: Path) -> None:
    backfill(place)
    label(place, "early")


class Case(NamedTuple):
    """What is interrupted, what comes before it, and whether the next run mends what it left."""

    before: Callable[[Path], None] | None
    work: Callable[[Path], None]
    is_mended: bool = True


CASES = {
    "run": Case(None, lambda place: run(place, DAYS[0], FIRST)),
    "backfill": Case(None, backfill),
    "run again": Case(commit_all, lambda place: run(place, DAYS[1], AGAIN)),
    "labels": Case(commit_all, lambda place: label(place, "labels")),
    "report": Case(commit_all, rewrite_pages),
    "promote": Case(None, promote_candidate, is_mended=False),
    "threshold": Case(promote_candidate, change_threshold, is_mended=False),
    "fit": Case(None, fit_another, is_mended=False),
}
ON_DISK = ("threshold", "fit")
"""Cases that are about the disk alone: detectors are made there."""


def run_another(place: Path) -> None:
    """What comes next, of its own accord, after something was interrupted."""
    run(place, OTHER, FIRST)


State = dict[str, bytes]


def state_of(place: Path) -> State:
    """Return what users can tell: the detectors, reports with their tables, labels, pages."""
    monitor = monitor_in(place)
    store = Store(monitor.location)
    state = {"detector": read_bundle(monitor.detector).fingerprint.encode()}
    for name in store.committed():
        folder = store.folder / name
        report = store.read(name)
        state[f"{name}/report.json"] = report.to_json().encode()
        state[f"{name}/report.html"] = folder.read("report.html")
        for table in (SCORES, REJECTED):
            state[f"{name}/{table}"] = folder.read(table)
        for labels in store.labels(name):
            state[f"{name}/{labels}"] = folder.read(labels)
    if store.folder.exists("index.html"):
        state["index.html"] = store.folder.read("index.html")
    return state


def check_nothing_lost(place: Path, before: State, after: State) -> None:
    """Check what holds at any moment: each result is the earlier one or the new one, whole."""
    store = Store(monitor_in(place).location)
    detector = read_bundle(monitor_in(place).detector).fingerprint.encode()
    assert detector in (before["detector"], after["detector"]), "the detector is another"
    committed = store.committed()
    names = {key.split("/")[0] for key in before if key.endswith("report.json")}
    assert names <= set(committed), f"results are gone: {names - set(committed)}"
    for name in committed:
        result = read_result(store.folder / name)  # checks the tables' SHA-256
        read_rejected(store.folder / name)
        report = result.report.to_json().encode()
        # What it is compared with, and so the report, may be of a moment between the two.
        key = f"{name}/report.json"
        if result.report.reference.kind == "fixed":
            assert report in (before.get(key), after.get(key)), f"{key} is neither old nor new"
    fitted = place / "fitted" / "detector"
    if fitted.exists():
        read_bundle(fitted)  # checks the files' SHA-256
    for key, content in before.items():
        if "/labels/" in key:
            assert store.folder.read(key) == content, f"{key} is lost"


def check_nothing_outdated(place: Path) -> None:
    """Check that all that is derived is of what is committed."""
    monitor = monitor_in(place)
    store = Store(monitor.location)
    for name in store.committed():
        report = store.read(name)
        assert is_rendered(store, name), f"the page of {name} is out of date"
        assert report.files is not None
        folder = store.folder / name
        for link, file in ((SCORES, report.files.scores), (REJECTED, report.files.rejected)):
            assert digest(folder.read(link)) == file.sha256, f"{name}/{link} is of another report"
        assert [f.path for f in report.files.labels] == store.labels(name), f"{name} lacks labels"
        for other, sha256 in zip(
            report.reference.intervals, report.reference.scores_sha256, strict=True
        ):
            files = store.read(other).files
            assert files is not None
            assert files.scores.sha256 == sha256, f"{name} is compared with an earlier {other}"
    index = store.folder.read("index.html").decode()
    assert index == render_index(monitor.name, *read_reports(monitor.location)), "old index"
