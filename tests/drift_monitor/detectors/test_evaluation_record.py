"""Which evaluation it is: detectors, rows and settings, and files that are damaged."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor
from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
from drift_monitor.detectors.evaluation_record import (
    check_evaluation,
    evaluation_location,
    read_evaluation,
    read_measures,
)
from drift_monitor.detectors.reference import rethreshold
from tests.support.animals import make_images, write_batch
from tests.support.evaluations import batch_of, rows_of, section


def other_detector(monitor: Monitor, directory: Path) -> Monitor:
    rethreshold(Path(monitor.detector), 0.2, directory / "other")
    return monitor.model_copy(update={"detector": str(directory / "other")})


def other_rows(monitor: Monitor, _: Path) -> Monitor:
    write_batch(Path(rows_of(monitor)), *make_images(300, seed=10))
    return monitor


def other_settings(monitor: Monitor, _: Path) -> Monitor:
    return section(monitor, limit=50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_detector, "its current is detector [0-9a-f]{12}, but .*other is detector"),
        (other_rows, r"was made on other rows than .*held_out.parquet \(evaluation.path\) now has"),
        (other_settings, r"with another evaluation.limit \(1000, now 50\)"),
    ],
)
def test_an_evaluation_of_something_else_is_refused(
    monitor: Monitor, tmp_path: Path, change: Callable[[Monitor, Path], Monitor], message: str
) -> None:
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, None)))
    check_evaluation(directory, monitor, find_bundles(monitor, None), batch_of(monitor))
    changed = change(monitor, tmp_path)
    bundles = find_bundles(changed, None)
    with pytest.raises(DriftMonitorError, match=message):
        check_evaluation(directory, changed, bundles, batch_of(changed))
    assert evaluation_location(changed, bundles, batch_of(changed)) != str(directory)


def test_margin_tolerance_and_schedule_make_no_other_evaluation(monitor: Monitor) -> None:
    bundles = find_bundles(monitor, None)
    changed = section(monitor, margin=0.1, tolerance=0.2, schedule=None)
    batch = batch_of(monitor)
    unchanged = evaluation_location(monitor, bundles, batch)
    assert evaluation_location(changed, bundles, batch) == unchanged


@pytest.mark.parametrize("name", ["evaluation.json", "rows.parquet"])
def test_a_damaged_evaluation_is_refused_by_name(monitor: Monitor, name: str) -> None:
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, None)))
    file = directory / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DriftMonitorError, match=f"{re.escape(str(file))} .*remove"):
        read_measures(directory)


def test_another_version_of_the_file_is_refused(monitor: Monitor) -> None:
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, None)))
    file = directory / "evaluation.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": "2"}))
    with pytest.raises(DriftMonitorError, match="is damaged"):
        read_evaluation(directory)
