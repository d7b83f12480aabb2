"""Batches of which not every row is as it should be, run to a committed report."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift_monitor.config import load_monitor
from drift_monitor.job.run import run_interval
from drift_monitor.job.write import rerender
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, png, write_batch
from tests.support.job.monitors import DAY, prepare


def damaged_batch(path: Path) -> None:
    """Ten rows, of which 2 is null, 5 is no image, and 7 is of another size."""
    images, labels = make_images(10, seed=6)
    cells: list[bytes | None] = [png(image) for image in images]
    cells[2], cells[5], cells[7] = None, b"GIF89a...", png(images[7][:4])
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "id": [f"r{i}" for i in range(10)],
            "image": pa.array(cells, pa.binary()),
            "site": ["north"] * 10,
            "label": labels,
        }
    )
    pq.write_table(table, path)


def test_rows_that_cannot_be_scored_are_written_with_their_reason(
    make_monitor: MakeMonitor,
) -> None:
    path = make_monitor(policy={"min_rows": 5, "max_rejected": 0.5})
    damaged_batch(path.parent / "batches" / f"{DAY}.parquet")
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    rejected = pq.read_table(monitor.directory / "2026-11-20" / "rejected.parquet").to_pylist()
    assert [(r["row"], r["reason"].split(":")[0]) for r in rejected] == [
        (2, "image is null or empty"),
        (5, "image cannot be decoded"),
        (7, "image is 4×8, expected 8×8"),
    ]
    assert (report.counts.read, report.counts.scored, report.counts.rejected) == (10, 7, 3)
    warning = report.detector_health.warnings[0]
    assert warning.startswith("3 of 10 rows could not be scored: image is null or empty (1); ")


def test_a_batch_of_which_no_row_can_be_scored_is_reported_so(make_monitor: MakeMonitor) -> None:
    path = make_monitor()
    batch = path.parent / "batches" / f"{DAY}.parquet"
    batch.parent.mkdir()
    table = {"id": ["a", "b"], "image": [b"no", b"image"], "site": ["north", "south"]}
    pq.write_table(pa.table(table), batch)
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    assert report.verdict.verdict == "insufficient_data"
    assert (report.counts.read, report.counts.scored, report.counts.rejected) == (2, 0, 2)
    assert pq.read_table(monitor.directory / "2026-11-20" / "scores.parquet").num_rows == 0
    assert Path(rerender(monitor, "2026-11-20")).exists()


def test_without_labels_the_detector_splits(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor, labelled=False)
    report = run_interval(monitor, interval)
    assert report.harm.by == "detector"
    assert report.counts.labelled == 0
    assert "No row has a label in column 'label'" in report.detector_health.warnings[0]


def test_without_a_row_id_rows_are_named_by_file_and_number(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor, data={"row_id": None})
    report = run_interval(monitor, interval)
    table = pq.read_table(monitor.directory / interval.id / "scores.parquet")
    assert table["row"].to_pylist() == list(range(300))
    assert set(table["file"].to_pylist()) == {monitor.batch_path(interval)}
    assert set(report.examples[0].row) == {"file", "row"}


def test_a_batch_that_was_loaded_twice_is_counted_and_warned_of(make_monitor: MakeMonitor) -> None:
    path = make_monitor(data={"label": None})
    batch = write_batch(path.parent / "batches" / f"{DAY}.parquet", *make_images(120, seed=4))
    once = pq.read_table(batch)
    pq.write_table(pa.concat_tables([once, once.slice(0, 30)]), batch)
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    assert report.counts.repeated_ids == 30
    assert report.detector_health.warnings[0].startswith("30 of 150 scored rows have a row id (id)")


def test_without_labels_another_model_in_production_leaves_harm_unknown(
    make_monitor: MakeMonitor,
) -> None:
    path = make_monitor(data={"prediction": "served", "label": None})
    batch = write_batch(path.parent / "batches" / f"{DAY}.parquet", *make_images(200, seed=4))
    table = pq.read_table(batch)
    pq.write_table(table.append_column("served", pa.array(["cat"] * 200)), batch)
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    assert report.verdict.verdict == "drift_harm_unknown"
    assert "predictions that were served are not those of" in report.verdict.reason
    assert report.verdict.next_action.startswith("Check that production serves the model")


def test_a_production_prediction_of_another_model_is_warned_of(make_monitor: MakeMonitor) -> None:
    path = make_monitor(data={"prediction": "served"})
    images, labels = make_images(200, seed=4)
    batch = write_batch(path.parent / "batches" / f"{DAY}.parquet", images, labels)
    table = pq.read_table(batch)
    served = pa.array(["cat"] * 200)
    pq.write_table(table.append_column("served", served), batch)
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    agreement = report.detector_health.logged_agreement
    assert agreement is not None
    assert agreement < 0.5
    assert "may not hold the model" in report.detector_health.warnings[0]
    # What was served is judged: every row that is no cat was served wrongly.
    assert report.harm.current is not None
    assert report.harm.current.rate == pytest.approx(float(np.mean(labels != 0)))
    assert report.verdict.verdict == "harmful_drift"


def test_markup_in_the_data_is_shown_as_text(make_monitor: MakeMonitor) -> None:
    path = make_monitor()
    markup = "<script>alert(1)</script>"
    batch = write_batch(
        path.parent / "batches" / f"{DAY}.parquet", *make_images(150, seed=4), prefix=markup
    )
    table = pq.read_table(batch)
    sites = pa.array([markup] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index("site"), "site", sites), batch)
    monitor = load_monitor(path)
    run_interval(monitor, monitor.interval(DAY))
    page = (monitor.directory / "2026-11-20" / "report.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


@pytest.mark.parametrize(
    ("ids", "times"),
    [
        (pa.array(range(150)), pa.array([0] * 150, pa.timestamp("ms"))),
        (pa.array([None] * 150, pa.string()), pa.array([None] * 150)),
        (pa.array([f"{n}" for n in range(150)]), pa.array([0] * 150, pa.date32())),
    ],
    ids=["numbers", "nulls", "dates"],
)
def test_files_of_a_batch_may_write_ids_and_times_differently(
    make_monitor: MakeMonitor, ids: pa.Array, times: pa.Array
) -> None:
    """The second file has the ids and times of the case, the first has text and nanoseconds."""
    path = make_monitor(data={"path": "batches/{date}-*.parquet", "timestamp": "served"})
    images, labels = make_images(150, seed=4)
    for part in (0, 1):
        batch = write_batch(path.parent / "batches" / f"{DAY}-{part}.parquet", images, labels)
        table = pq.read_table(batch).drop_columns("id")
        plain = pa.array([0] * 150, pa.timestamp("ns", "Europe/Berlin"))
        table = table.append_column("served", times if part else plain)
        table = table.append_column("id", ids if part else pa.array([f"a{n}" for n in range(150)]))
        pq.write_table(table, batch)
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    assert report.counts.scored == 300
    scores = pq.read_table(monitor.directory / "2026-11-20" / "scores.parquet")
    assert scores["row_id"].to_pylist()[150:] == [
        None if i.as_py() is None else str(i) for i in ids
    ]
