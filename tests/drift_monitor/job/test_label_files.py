"""Label files that are of no use, wholly or in part, and intervals that cannot be labelled."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial.errors import DriftMonitorError
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.errors import BatchError, LabelError, MissingBatchError, StoreError
from drift_monitor.job.labelling import label_interval, plan_labelling
from tests.conftest import MakeMonitor
from tests.support.job.late_labels import DAYS, ROWS, label, prepare, results, write_labels


def test_what_names_no_row_is_counted_and_other_days_are_left(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    before = results(monitor)
    path = write_labels(tmp_path / "labels.parquet", DAYS[:1])
    table = pa.table({"id": ["nobody", None], "label": pa.array([1, None], pa.int64())})
    pq.write_table(pa.concat_tables([pq.read_table(path), table]), path)
    plan = plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[1]))
    assert [interval.id for interval in plan.intervals] == [f"{DAYS[0]}"]
    assert (plan.unmatched, plan.labels.rows.unlabelled) == (1, 1)
    assert plan.describe().splitlines() == [
        f"121 labels in {path}; 1 further rows have none",
        "1 of them are for rows that no interval of the range has scored",
        f"They label no row of {DAYS[1]}: left unchanged",
    ]
    assert results(monitor) == before


def test_a_monitor_without_a_label_column_takes_labels_by_the_column_given(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor, data={"label": None})
    path = write_labels(tmp_path / "labels.parquet", DAYS)
    with pytest.raises(LabelError, match=r"names no label column: name the one in .* with --label"):
        plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[2]))
    pq.write_table(pq.read_table(path).rename_columns(["request", "truth"]), path)
    plan = plan_labelling(
        monitor, str(path), monitor.intervals(DAYS[0], DAYS[2]), "request", "truth"
    )
    done = label_interval(monitor, plan.intervals[1], plan.labels)
    assert done.after.harm.by == "labels"
    columns = pq.read_table(monitor.directory / done.interval / "scores.parquet").column_names
    assert columns[-2:] == ["label", "site"]


def test_without_row_ids_file_and_row_say_which(make_monitor: MakeMonitor, tmp_path: Path) -> None:
    monitor = prepare(make_monitor, data={"row_id": None})
    file = monitor.batch_path(monitor.interval(DAYS[0]))
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"file": [file] * 2, "row": [7, 3], "label": ["owl", "cat"]}), path)
    (done,) = label(monitor, path)
    labels = pq.read_table(monitor.directory / done.interval / "scores.parquet")["label"]
    assert {i: x for i, x in enumerate(labels.to_pylist()) if x} == {7: "owl", 3: "cat"}
    with pytest.raises(LabelError, match=r"no row id \(data.row_id\).*leave --id out"):
        plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[0]), "id")


def table(**columns: object) -> pa.Table:
    return pa.table({"id": [f"{DAYS[0]}/0", f"{DAYS[0]}/1"], "label": [0, 1]} | columns)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (table(id=["x", "y"]), LabelError, r"none of its 2 labels is for a row of .*\('x'\)"),
        (table(label=[None, None]), LabelError, r"none of its 0 labels"),
        (table(label=[0, 3]), BatchError, r"labels\.parquet, row 1: column 'label' is 3"),
        (table(label=["cat", "cow"]), BatchError, r"labels\.parquet, row 1: .* 'cow'"),
        (table(id=["a", "a"]), LabelError, r"row 0 and .*, row 1: 'a' has two labels"),
        (table(id=[[1], [2]]), LabelError, r"'id' has type list"),
        (table().drop_columns("id"), LabelError, r"has no column 'id'; it has label"),
        (table().drop_columns("label"), LabelError, r"has no column 'label'; it has id"),
    ],
)
def test_labels_that_cannot_be_used_change_nothing(
    make_monitor: MakeMonitor,
    tmp_path: Path,
    labels: pa.Table,
    error: type[DriftMonitorError],
    message: str,
) -> None:
    monitor = prepare(make_monitor)
    before = results(monitor)
    pq.write_table(labels, tmp_path / "labels.parquet")
    with pytest.raises(error, match=message):
        label(monitor, tmp_path / "labels.parquet")
    assert results(monitor) == before


def test_missing_and_damaged_files_and_empty_ranges_are_named(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    with pytest.raises(MissingBatchError, match="nowhere not found"):
        label(monitor, tmp_path / "nowhere")
    path = write_labels(tmp_path / "labels.parquet", DAYS)
    with pytest.raises(StoreError, match="no committed interval from 2026-12-01 to 2026-12-02"):
        label(monitor, path, [date(2026, 12, 1), date(2026, 12, 2)])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BatchError, match=r"labels\.parquet cannot be read as Parquet"):
        label(monitor, path)


def test_an_interval_of_another_detector_is_left_as_it_is(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    rethreshold(bundle, 0.1, tmp_path / "detector")
    monitor = prepare(make_monitor, detector="detector")
    before = results(monitor)
    rethreshold(tmp_path / "detector", 0.2)
    with pytest.raises(StoreError, match=r"was scored by the detector .* score it again"):
        label(monitor, write_labels(tmp_path / "labels.parquet", DAYS))
    assert results(monitor) == before


def test_an_interval_that_cannot_be_read_is_tried_so_that_it_says_why(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    (monitor.directory / f"{DAYS[0]}" / "scores.parquet").write_bytes(b"cut short")
    path = write_labels(tmp_path / "labels.parquet", DAYS)
    plan = plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[2]))
    assert [interval.id for interval in plan.intervals] == [f"{day}" for day in DAYS]
    with pytest.raises(StoreError, match=r"scores\.parquet cannot be read"):
        label_interval(monitor, plan.intervals[0], plan.labels)
    assert label_interval(monitor, plan.intervals[1], plan.labels).named == ROWS
