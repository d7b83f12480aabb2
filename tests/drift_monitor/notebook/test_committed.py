"""Committed intervals as DataFrames."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from drift_monitor import (
    Monitor,
    load_monitor,
    read_history,
    read_rejected,
    read_report,
    read_scores,
    run_interval,
)
from drift_monitor.errors import StoreError
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch

DAY = date(2026, 11, 20)


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    """A monitor with one committed interval, of whose 150 rows the last has no image."""
    monitor = load_monitor(make_monitor())
    path = Path(monitor.batch_path(monitor.interval(DAY)))
    write_batch(path, *make_images(150, seed=4))
    frame = pd.read_parquet(path)
    frame.loc[149, "image"] = None
    frame.to_parquet(path)
    run_interval(monitor, monitor.interval(DAY))
    return monitor


def test_results_are_read_as_frames(monitor: Monitor) -> None:
    directory = monitor.directory / f"{DAY}"
    scores = read_scores(directory)
    pd.testing.assert_frame_equal(scores, pd.read_parquet(directory / "scores.parquet"))
    assert list(read_scores(str(directory), ["label", "nothing"])) == ["label"]

    rejected = read_rejected(directory)
    assert rejected["row"].tolist() == [149]
    assert rejected["reason"].tolist() == ["image is null or empty"]

    report = read_report(directory)
    assert report == read_report(directory / "report.json")
    assert report.counts.scored == len(scores)
    assert "drift-monitor-report" in (report._repr_html_() or "")

    history = read_history(monitor)
    pd.testing.assert_frame_equal(history, read_history(str(monitor.directory)))
    of_interval = history[history["by"].isna()].set_index("metric")["value"]
    assert of_interval["rows_scored"] == 149
    assert history["interval"].unique().tolist() == [f"{DAY}"]


def test_a_report_that_cannot_be_read_is_left_out_of_the_history_with_a_warning(
    monitor: Monitor,
) -> None:
    broken = monitor.directory / "2026-11-19"
    broken.mkdir()
    (broken / "report.json").write_text("{}")
    with pytest.warns(UserWarning, match="2026-11-19/report.json is not a report"):
        history = read_history(monitor)
    assert history["interval"].unique().tolist() == [f"{DAY}"]


@pytest.mark.parametrize("read", [read_report, read_scores, read_rejected])
def test_what_is_not_there_is_named(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(StoreError, match=str(tmp_path / "2026-11-20")):
        read(tmp_path / "2026-11-20")


def test_a_history_of_nothing_has_its_columns(tmp_path: Path) -> None:
    history = read_history(tmp_path)
    assert len(history) == 0
    assert {"interval", "metric", "value"} <= set(history)
