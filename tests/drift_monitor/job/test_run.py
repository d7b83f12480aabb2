"""The batch job from Parquet to committed report, on the small data set."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector
from adversarial.errors import DriftMonitorError
from drift_monitor.config import load_monitor
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.errors import StoreError
from drift_monitor.job.run import publish, run_interval, score_interval, write_report
from drift_monitor.job.write import rerender
from drift_monitor.results.report import Report
from drift_monitor.results.store import Store
from tests.conftest import MakeMonitor
from tests.support.animals import make_images
from tests.support.job.monitors import files, prepare


def test_an_interval_is_committed_with_all_its_files(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    report = run_interval(monitor, interval)
    assert report.files is not None
    assert set(files(monitor)) == {
        "index.html",
        f"2026-11-20/{report.files.scores.path}",
        f"2026-11-20/{report.files.rejected.path}",
        "2026-11-20/rejected.parquet",
        "2026-11-20/report.html",
        "2026-11-20/report.json",
        "2026-11-20/run.json",
        "2026-11-20/scores.parquet",
    }
    assert [p.name for p in monitor.directory.iterdir() if p.name.startswith(".")] == []


def test_the_scores_are_those_of_the_detector_in_input_order(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor, batch_size=50)
    run_interval(monitor, interval)
    table = pq.read_table(monitor.directory / interval.id / "scores.parquet")
    images, labels = make_images(300, seed=4)
    detector = AdversarialDetector.load(monitor.detector)
    expected = detector.predict((images[..., None] / 255).astype(np.float32))
    assert table["row_id"].to_pylist() == [f"r{i}" for i in range(300)]
    np.testing.assert_allclose(table["adversarial_score"], expected.score, atol=1e-5)
    names = np.array(detector.class_names)
    assert table["prediction"].to_pylist() == list(names[expected.prediction])
    assert table["reconstruction_prediction"].to_pylist() == list(
        names[expected.reconstruction_prediction]
    )
    assert table["label"].to_pylist() == list(names[labels])
    wrong = np.where(expected.prediction == labels, "harmless", "harmful")
    assert table["outcome"].to_pylist() == list(wrong)
    assert table.column_names == [
        "row_id",
        "prediction",
        "confidence",
        "entropy",
        "adversarial_score",
        "flagged",
        "novelty",
        "novel",
        "corrected_prediction",
        "outcome",
        "reconstruction_prediction",
        "reconstruction_confidence",
        "probability_correct",
        "reconstruction_probability_correct",
        "label",
        "site",
    ]


def test_the_scores_can_be_read_by_pandas(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    report = run_interval(monitor, interval)
    frame = pd.read_parquet(monitor.directory / interval.id / "scores.parquet")
    assert frame["flagged"].dtype == bool
    assert frame["flagged"].sum() == report.counts.flagged
    assert frame.groupby("site").size().to_dict() == {"north": 200, "south": 100}


def test_a_second_run_changes_no_byte_of_scores_and_report(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    first = files(monitor)
    run_interval(monitor, interval)
    second = files(monitor)
    first.pop("2026-11-20/run.json"), second.pop("2026-11-20/run.json")
    assert first == second


def test_the_three_steps_can_be_separate_processes(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    whole = files(monitor)
    staging = score_interval(monitor, interval, token="airflow")
    write_report(load_monitor(monitor.directory.parents[1] / "animals.yaml"), interval, staging)
    publish(monitor, interval, Store(monitor.directory).staging(interval.id, "airflow"))
    parts = files(monitor)
    whole.pop("2026-11-20/run.json"), parts.pop("2026-11-20/run.json")
    assert whole == parts


def test_a_page_is_rendered_again_from_the_committed_files_alone(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    page = monitor.directory / interval.id / "report.html"
    before = page.read_text()
    page.unlink()

    def refuse(*_: object) -> None:
        raise AssertionError("the bundle was read")

    monkeypatch.setattr("drift_monitor.job.run.read_bundle", refuse)
    assert rerender(monitor, interval.id) == str(page)
    assert page.read_text() == before


def test_an_error_while_scoring_leaves_nothing_behind(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, interval = prepare(make_monitor)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("drift_monitor.job.run.write_report", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        run_interval(monitor, interval)
    assert not monitor.directory.exists()


def test_an_error_in_a_second_run_leaves_the_first_committed(
    make_monitor: MakeMonitor,
) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    before = files(monitor)
    batch = Path(monitor.batch_path(interval))
    batch.write_bytes(batch.read_bytes()[:-50])
    with pytest.raises(DriftMonitorError, match=r"2026-11-20\.parquet"):
        run_interval(monitor, interval)
    assert files(monitor) == before


def test_a_detector_that_is_replaced_after_scoring_reports_on_nothing(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    """Scores of one detector must not be judged by the threshold and reference of another."""
    shutil.copytree(bundle, tmp_path / "detector")
    monitor, interval = prepare(make_monitor, detector="detector")
    staging = score_interval(monitor, interval, token="a")
    rethreshold(tmp_path / "detector", 0.3)
    with pytest.raises(StoreError, match="has been replaced since 2026-11-20 was scored: score it"):
        write_report(monitor, interval, staging)
    assert not staging.exists("report.json")


def test_a_detector_that_is_replaced_during_a_backfill_scores_the_days_that_are_left(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundle, tmp_path / "detector")
    monitor, interval = prepare(make_monitor, detector="detector")
    loaded = AdversarialDetector.load(monitor.detector)
    rethreshold(tmp_path / "detector", 0.3)
    report = run_interval(monitor, interval, detector=loaded)
    now = AdversarialDetector.load(monitor.detector)
    assert report.detector.fingerprint == now.fingerprint != loaded.fingerprint
    scores = pq.read_table(monitor.directory / interval.id / "scores.parquet")
    flagged = pc.greater(scores["adversarial_score"], now.threshold)
    assert scores["flagged"].to_pylist() == flagged.to_pylist()


def test_counts_in_the_report_are_those_of_the_files(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    directory = monitor.directory / interval.id
    report = Report.model_validate_json((directory / "report.json").read_bytes())
    table = pq.read_table(directory / "scores.parquet")
    assert report.counts.flagged == pc.sum(table["flagged"]).as_py()
    assert report.harm.current is not None
    assert report.harm.current.count == table["outcome"].to_pylist().count("harmful")
    assert report.tests[0].n_current == len(table)
    prediction = np.asarray(table["prediction"])
    for column, n in (
        ("corrected_prediction", report.correction_gain.likelier),
        ("reconstruction_prediction", sum(pair.n for pair in report.corrections)),
    ):
        changed = np.asarray(table["flagged"]) & (prediction != np.asarray(table[column]))
        assert changed.sum() == n


def test_one_damaged_report_does_not_stop_the_index(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    old = monitor.directory / "2026-11-01"
    old.mkdir(parents=True)
    (old / "report.json").write_text('{"schema_version": "0"}')
    run_interval(monitor, interval)
    index = (monitor.directory / "index.html").read_text()
    assert "2026-11-20/report.html" in index
    assert str(old / "report.json") in index


def test_a_report_that_was_cut_off_can_be_written_again(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    whole = files(monitor)
    staging = score_interval(monitor, interval, token="again")
    write_report(monitor, interval, staging)
    staging.remove("report.json")
    write_report(monitor, interval, staging)
    publish(monitor, interval, staging)
    publish(monitor, interval, staging)
    again = files(monitor)
    whole.pop("2026-11-20/run.json"), again.pop("2026-11-20/run.json")
    assert whole == again
    with pytest.raises(DriftMonitorError, match="clear the run from score_batch"):
        write_report(monitor, interval, staging)


def test_reports_that_cannot_be_written_are_said_to_be_so(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    Path(monitor.reports).write_text("a file")
    with pytest.raises(DriftMonitorError, match="fix 'reports'"):
        run_interval(monitor, interval)
