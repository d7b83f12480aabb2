"""Labels that arrive after the batch: what committed intervals become of them."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift_monitor.config import load_monitor
from drift_monitor.job import write
from drift_monitor.job.rejudge import rejudge
from drift_monitor.job.run import publish, run_interval, score_interval, write_report
from drift_monitor.pages import html
from drift_monitor.results.read import read_result
from drift_monitor.results.store import Store
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch
from tests.support.job.late_labels import (
    DAYS,
    ROWS,
    commit,
    label,
    prepare,
    report,
    results,
    rows_of,
    write_labels,
)


@pytest.mark.parametrize("kind", ["fixed", "trailing"])
def test_labels_that_arrive_late_give_the_findings_of_labels_in_the_batch(
    make_monitor: MakeMonitor, kind: str
) -> None:
    reference = {"kind": kind, "intervals": 1}
    late = prepare(make_monitor, "late", reference=reference)
    label(late, write_labels(late.directory.parent / "labels.parquet", DAYS))
    timely = commit(make_monitor("timely", examples=0, reference=reference), labelled=True)
    told_apart = {"monitor", "config", "data", "files", "labels", "verdict"}
    for day in DAYS:
        mine, other = report(late, day), report(timely, day)
        assert mine.model_dump(exclude=told_apart) == other.model_dump(exclude=told_apart)
        assert mine.verdict.reason == other.verdict.reason
        scores = [pq.read_table(m.directory / f"{day}/scores.parquet") for m in (late, timely)]
        assert scores[0].equals(scores[1])


def test_in_two_steps_as_at_once_but_for_the_files(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    label(monitor, write_labels(tmp_path / "first.parquet", DAYS, slice(0, 150)))
    label(monitor, write_labels(tmp_path / "second.parquet", DAYS, slice(100, None)))
    steps = results(monitor), report(monitor, DAYS[1])
    shutil.rmtree(monitor.directory)
    again = prepare(make_monitor)
    label(again, write_labels(tmp_path / "all.parquet", DAYS))
    once = results(again), report(again, DAYS[1])
    assert [Path(file.path).name for file in steps[1].labels] == ["first.parquet", "second.parquet"]
    assert [file.rows for file in once[1].labels] == [3 * ROWS]
    told_apart = {"files", "labels"}
    assert steps[1].model_dump(exclude=told_apart) == once[1].model_dump(exclude=told_apart)
    scores = f"{DAYS[1]}/scores.parquet"
    assert steps[0][scores] == once[0][scores]


def test_the_same_labels_again_give_the_same_bytes(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    labels = write_labels(tmp_path / "labels.parquet", DAYS, names=True)
    label(monitor, labels)
    first = results(monitor)
    label(monitor, labels)
    assert results(monitor) == first
    assert len(report(monitor, DAYS[0]).labels) == 1
    rejudge(monitor, monitor.interval(DAYS[0]))
    assert results(monitor) == first


def test_a_new_run_of_the_interval_keeps_the_labels(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    # Those of the second day replace others, which its batch has.
    images, labels = rows_of(DAYS[1])
    batch = monitor.directory.parents[1] / "batches" / f"{DAYS[1]}.parquet"
    write_batch(batch, images, (labels + 1) % 3, prefix=f"{DAYS[1]}/")
    run_interval(monitor, monitor.interval(DAYS[1]))
    before = results(monitor)
    label(monitor, write_labels(tmp_path / "labels.parquet", DAYS))
    labelled = results(monitor)
    assert labelled != before
    for day in DAYS:
        run_interval(monitor, monitor.interval(day))
    assert results(monitor) == labelled


def test_in_a_batch_that_has_changed_its_own_labels_come_first(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    label(monitor, write_labels(tmp_path / "labels.parquet", DAYS[:1], slice(10, ROWS)))
    images, labels = rows_of(DAYS[0])
    batch = monitor.directory.parents[1] / "batches" / f"{DAYS[0]}.parquet"
    write_batch(batch, images[:100], None, prefix=f"{DAYS[0]}/")
    table = pq.read_table(batch)
    own = [CLASSES[(labels[i] + 1) % 3] if i < 20 else None for i in range(100)]
    pq.write_table(table.append_column("label", pa.array(own, pa.string())), batch)
    found = run_interval(monitor, monitor.interval(DAYS[0]))
    scores = pq.read_table(monitor.directory / f"{DAYS[0]}" / "scores.parquet")
    late = [CLASSES[labels[i]] for i in range(20, 100)]
    assert scores["label"].to_pylist() == own[:20] + late
    assert found.counts.labelled == 100
    assert [Path(file.path).name for file in found.labels] == ["labels.parquet"]


def test_without_row_ids_labels_of_a_file_that_has_changed_are_dropped(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    path = make_monitor(data={"row_id": None, "path": "batches/{date}/*.parquet"}, examples=0)
    monitor = load_monitor(path)
    images, labels = make_images(60, seed=1)
    files = [path.parent / "batches" / f"{DAYS[0]}" / f"{name}.parquet" for name in "ab"]
    for file, rows in zip(files, (slice(0, 30), slice(30, 60)), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_batch(file, images[rows], None)
    run_interval(monitor, monitor.interval(DAYS[0]))
    late = {"file": [str(f) for f in files for _ in range(30)], "row": [*range(30)] * 2}
    pq.write_table(pa.table(late | {"label": labels}), tmp_path / "labels.parquet")
    label(monitor, tmp_path / "labels.parquet", DAYS[:1])
    write_batch(files[0], images[:29], None)
    run_interval(monitor, monitor.interval(DAYS[0]))
    scores = pq.read_table(monitor.directory / f"{DAYS[0]}" / "scores.parquet")
    assert scores["label"].to_pylist() == [None] * 29 + [CLASSES[i] for i in labels[30:]]


def test_labels_that_arrive_while_the_interval_is_run_again_are_kept(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    interval = monitor.interval(DAYS[0])
    staging = score_interval(monitor, interval, token="a")
    write_report(monitor, interval, staging)
    label(monitor, write_labels(tmp_path / "labels.parquet", DAYS[:1]))
    labelled = results(monitor)
    committed = publish(monitor, interval, staging)
    assert results(monitor) == labelled
    assert committed == report(monitor, DAYS[0])


def test_what_is_told_of_an_interval(make_monitor: MakeMonitor, tmp_path: Path) -> None:
    monitor = prepare(make_monitor)
    first, second = label(monitor, write_labels(tmp_path / "l.parquet", DAYS, slice(20, 240)))
    assert (first.interval, second.interval) == tuple(f"{day}" for day in DAYS[:2])
    assert (first.named, first.after.counts.labelled, second.named) == (100, 100, 120)
    assert second.before.counts.labelled == 0
    assert second.after.verdict.verdict == "harmful_drift"
    text = second.describe()
    assert f"{DAYS[1]}: {second.before.verdict.verdict} -> harmful_drift" in text
    assert "120 of 120 scored rows are labelled, 120 of them by these files" in text
    assert "accuracy realised 0.0% (0.0% to 3.1%), estimated 9" in text
    assert "errors by labels +100.0 points against the reference (+" in text
    assert "have a label" not in text
    assert "Warning: 100 of 120 rows have a label: what the labels say holds" in first.describe()


def test_labels_of_rows_that_were_chosen_by_their_scores_are_warned_of(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    scores = pq.read_table(monitor.directory / f"{DAYS[0]}" / "scores.parquet")
    highest = scores.sort_by([("adversarial_score", "descending")]).slice(0, 60)
    chosen = highest.select(["row_id", "prediction"]).rename_columns(["id", "label"])
    pq.write_table(chosen, tmp_path / "labels.parquet")
    text = label(monitor, tmp_path / "labels.parquet", DAYS[:1])[0].describe()
    assert "Warning: 60 of 120 rows have a label, and their scores differ from the others'" in text


def test_intervals_that_are_compared_with_it_are_judged_again(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor, reference={"kind": "trailing", "intervals": 1})
    assert report(monitor, DAYS[2]).reference.intervals == [f"{DAYS[1]}"]
    first, second = label(monitor, write_labels(tmp_path / "labels.parquet", DAYS[:2]))
    assert first.dependents == [f"{DAYS[1]}"]
    assert second.dependents == [f"{DAYS[2]}"]
    assert "judged again, as they are compared with it: 2026-11-18" in second.describe()
    assert report(monitor, DAYS[2]).reference.intervals == [f"{DAYS[0]}"]


def test_only_files_that_label_one_of_its_rows_are_listed(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    for day in DAYS:
        write_labels(tmp_path / "labels" / f"{day}.parquet", [day])
    label(monitor, tmp_path / "labels")
    listed = [[Path(file.path).name for file in report(monitor, day).labels] for day in DAYS]
    assert listed == [[f"{day}.parquet"] for day in DAYS]
    label(monitor, str(tmp_path / "labels" / "*.parquet"))
    assert [len(report(monitor, day).labels) for day in DAYS] == [1, 1, 1]
    label(monitor, f"file://{tmp_path}/labels/{DAYS[0]}.parquet")
    assert report(monitor, DAYS[0]).labels[-1].path.startswith("file://")


def test_labels_that_arrive_at_once_are_all_kept(make_monitor: MakeMonitor, tmp_path: Path) -> None:
    monitor = prepare(make_monitor)
    halves = [slice(0, ROWS // 2), slice(ROWS // 2, ROWS)]
    files = [
        write_labels(tmp_path / f"half{i}.parquet", DAYS[:1], rows) for i, rows in enumerate(halves)
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda file: label(monitor, file, DAYS[:1]), files))
    found = report(monitor, DAYS[0])
    assert found.counts.labelled == ROWS
    assert {file.path for file in found.labels} == {str(file) for file in files}


def test_a_page_that_is_rendered_while_labels_arrive_is_of_the_report_with_labels(
    make_monitor: MakeMonitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is rendered from the report before, and written after the one with labels."""
    monitor = prepare(make_monitor)
    file = write_labels(tmp_path / "labels.parquet", DAYS)
    day, render = f"{DAYS[0]}", html.render_report

    def arrive(*arguments: Any) -> str:
        monkeypatch.setattr(write, "render_report", render)
        page = render(*arguments)
        label(monitor, file)
        return page

    monkeypatch.setattr(write, "render_report", arrive)
    write.rerender(monitor, day)
    assert report(monitor, DAYS[0]).counts.labelled == ROWS
    store = Store(monitor.location)
    assert write.is_rendered(store, day)
    result = read_result(store.folder / day)
    expected = render(result.report, result.scores, result.digest)
    assert (monitor.directory / day / "report.html").read_text(encoding="utf-8") == expected
