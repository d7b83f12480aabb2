"""Label files that are of no use, wholly or in part, and intervals that cannot be labelled."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial.errors import DriftMonitorError
from adversarial.files import sha256
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
        f"121 labels in {path}; 1 further rows have none yet and are skipped",
        "1 of them are for rows that no interval of the range has scored",
        f"They label no row of {DAYS[1]}: left unchanged",
    ]
    assert results(monitor) == before


def test_a_monitor_without_a_label_column_takes_labels_by_the_column_given(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor, data={"label": None})
    path = write_labels(tmp_path / "labels.parquet", DAYS)
    pq.write_table(pq.read_table(path).rename_columns(["request", "truth"]), path)
    with pytest.raises(LabelError, match=r"has no column 'id' or 'row_id'; it has request, truth"):
        plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[2]))
    with pytest.raises(LabelError, match=r"no column 'label'; .* Name the columns with --id and"):
        plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[2]), "request")
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
        (table(label=[None, None]), LabelError, r"none of its 2 rows has a label yet: fill in"),
        (table(id=[2.0**60, 2.0**61]), LabelError, r"id 1\.1529.* is a floating-point number"),
        (table(label=[0, 3]), BatchError, r"labels\.parquet, row 1: column 'label' is 3"),
        (table(label=["cat", "cow"]), BatchError, r"row 1: .* 'cow', which .*cat, dog, owl"),
        (table(label=["cat", "catt"]), BatchError, r"row 1: .* 'catt' \(perhaps 'cat'\?\)"),
        (table(id=["a", "a"]), LabelError, r"row 0 and .*, row 1: 'a' has two labels"),
        (table(id=[[1], [2]]), LabelError, r"'id' has type list"),
        (table().drop_columns("id"), LabelError, r"has no column 'id' or 'row_id'; it has label"),
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


CSV = f"""id,label
{DAYS[0]}/0,cat
{DAYS[0]}/1, owl
{DAYS[0]}/2,
"{DAYS[0]}/3","dog"
"""


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        "\ufeff" + CSV.replace("\n", "\r\n"),
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace("id,label", "row_id,label"),
        CSV.replace("cat", "0").replace("owl", "2.0").replace("dog", "1"),
        CSV.replace("owl", "2.0").replace("/2,", "/2,-1"),
    ],
    ids=["plain", "windows", "semicolons", "tabs", "own names", "numbers", "both"],
)
def test_labels_are_read_from_csv_as_programs_write_it(
    make_monitor: MakeMonitor, tmp_path: Path, content: str
) -> None:
    monitor = prepare(make_monitor)
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode())
    plan = plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[0]))
    assert plan.describe() == (f"3 labels in {path}; 1 further rows have none yet and are skipped")
    done = label_interval(monitor, plan.intervals[0], plan.labels)
    scores = pq.read_table(monitor.directory / done.interval / "scores.parquet")
    assert scores["label"].to_pylist()[:4] == ["cat", "owl", None, "dog"]
    [file] = done.after.labels
    assert (file.path, file.rows, file.sha256) == (str(path), 4, sha256(path))


def test_a_directory_or_glob_may_hold_both_kinds_of_files(
    make_monitor: MakeMonitor, tmp_path: Path
) -> None:
    monitor = prepare(make_monitor)
    write_labels(tmp_path / "labels" / "b.parquet", DAYS[1:])
    (tmp_path / "labels" / "a.csv").write_text(CSV)
    for path in (tmp_path / "labels", tmp_path / "labels" / "*", f"file://{tmp_path}/labels"):
        plan = plan_labelling(monitor, str(path), monitor.intervals(DAYS[0], DAYS[2]))
        assert len(plan.labels.rows.label) == 3 + 2 * ROWS


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (CSV.replace("owl", "catt"), BatchError, r"csv, row 1: .* 'catt' \(perhaps 'cat'\?\)"),
        (CSV.replace("owl", "2").replace("cat", "7"), BatchError, r"row 0: .* '7'"),
        (CSV.replace("owl", "2.0").replace("dog", "dogs"), BatchError, r"row 3: .* 'dogs'"),
        (CSV.replace(f"{DAYS[0]}/1", "1.7e+18"), LabelError, r"the id 1\.7e\+18 is a floating"),
        (CSV.replace(f"{DAYS[0]}/1", ""), LabelError, "row 1: it has a label, but no id"),
        (CSV.replace("cat", "cat,1"), BatchError, "cannot be read as CSV .*as many fields in"),
        (CSV.encode("utf-16"), BatchError, "cannot be read as CSV"),
        (b"", BatchError, "cannot be read as CSV"),
    ],
)
def test_csv_that_cannot_be_used_is_refused(
    make_monitor: MakeMonitor,
    tmp_path: Path,
    content: str | bytes,
    error: type[DriftMonitorError],
    message: str,
) -> None:
    monitor = prepare(make_monitor)
    path = tmp_path / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=message):
        label(monitor, path)


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
    with pytest.raises(StoreError, match=r"data/scores-\w+\.parquet cannot be read"):
        label_interval(monitor, plan.intervals[0], plan.labels)
    assert label_interval(monitor, plan.intervals[1], plan.labels).named == ROWS
