"""The loop of labelling as a user types it: draw rows, look at them, label them, judge again."""

import csv
from datetime import date
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adversarial.training.settings import Plan, TrainingSettings
from drift_monitor.config import DataConfig, load_monitor
from drift_monitor.detectors.fit import fit
from drift_monitor.detectors.reference import CalibrationSettings
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import Report, read_report
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch
from tests.support.batches import tensor_column

DAY = "2026-11-20"
ROWS = 600
FIRST_ID = 1731234567890


def commit(path: Path, columns: dict[str, pa.Array] | None = None) -> np.ndarray:
    """Run a day whose ids are numbers of 13 digits; return its pixels."""
    images, _ = make_images(ROWS, seed=5)
    batch = write_batch(path.parent / "batches" / f"{DAY}.parquet", images)
    table = pq.read_table(batch)
    changed = {"id": pa.array(range(FIRST_ID, FIRST_ID + ROWS))} | (columns or {})
    for name, column in changed.items():
        table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, batch)
    monitor = load_monitor(path)
    run_interval(monitor, monitor.interval(date.fromisoformat(DAY)))
    return images


def truth(image: np.ndarray) -> str:
    """What a person sees: which third of the image is bright."""
    return CLASSES[int(np.argmax([image[3 * c : 3 * c + 2].mean() for c in range(3)]))]


def read_report_of(monitor: Path) -> Report:
    return read_report(load_monitor(monitor).directory / DAY / "report.json")


def rewrite(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("written_id", "wrong_in"), [("{}", 3), ("{}.0", 3), ("{:.12e}", None)], ids=str
)
def test_a_random_sample_labelled_by_hand_gives_a_verdict_on_the_whole_batch(
    make_monitor: MakeMonitor,
    invoke: Invoke,
    tmp_path: Path,
    written_id: str,
    wrong_in: int | None,
) -> None:
    monitor = make_monitor(data={"label": None}, examples=0)
    images = commit(monitor)
    assert read_report_of(monitor).harm.by == "detector"
    sheet = tmp_path / "TO_LABEL.csv"
    code, out, _ = invoke("rows", monitor, "--date", DAY, "--random", 200, "--output", sheet)
    assert code == 0
    command = out.splitlines()[-1].split("then: ")[1].split()
    rows = read(sheet)
    assert list(rows[0]) == ["row_id", "image", "prediction", "label"]
    assert len(rows) == len({row["row_id"] for row in rows}) == 200
    for number, row in enumerate(rows):
        assert row["label"] == ""
        seen = np.asarray(Image.open(row["image"]))
        assert np.array_equal(seen, images[int(row["row_id"]) - FIRST_ID])
        right = truth(seen)
        wrong = CLASSES[(CLASSES.index(right) + 1) % 3]
        row["label"] = wrong if wrong_in and number % wrong_in == 0 else right
        row["row_id"] = written_id.format(int(row["row_id"]))
    for row in rows[150:]:
        row["label"] = ""
    rewrite(sheet, rows)
    code, out, _ = invoke(*command[1:])
    assert code == 0
    assert f"150 labels in {sheet}; 50 further rows have none yet and are skipped" in out
    assert f"150 of {ROWS} scored rows are labelled, 150 of them by these files" in out
    report = read_report_of(monitor)
    assert report.harm.by == "labels"
    assert report.harm.current
    assert report.harm.current.n == 150
    if wrong_in:
        assert report.verdict.verdict == "harmful_drift"
        assert report.harm.current.low < 1 / 3 < report.harm.current.high
    else:
        assert report.harm.current.count <= 3


def test_a_sheet_in_parquet_goes_the_same_way(
    make_monitor: MakeMonitor, invoke: Invoke, tmp_path: Path
) -> None:
    monitor = make_monitor(data={"row_id": None, "label": "truth"}, examples=0)
    images = commit(monitor, {"image": tensor_column(make_images(ROWS, seed=5)[0][..., None])})
    sheet = tmp_path / "sheet.parquet"
    assert invoke("rows", monitor, "--date", DAY, "--random", 120, "--output", sheet)[0] == 0
    table = pq.read_table(sheet)
    assert table.column_names == ["file", "row", "image", "prediction", "label"]
    assert table["label"].null_count == 120
    shown = [np.asarray(Image.open(path)) for path in table["image"].to_pylist()]
    assert np.array_equal(np.stack(shown), images[table["row"].to_numpy()])
    labels = pa.array([truth(image) for image in shown])
    pq.write_table(table.set_column(4, "label", labels), sheet)
    words = ("labels", monitor, "--labels", sheet, "--start", DAY, "--end", DAY)
    assert f"120 of {ROWS} scored rows are labelled" in invoke(*words)[1]
    more = tmp_path / "more.parquet"
    assert invoke("rows", monitor, "--date", DAY, "--random", 120, "--output", more)[0] == 0
    drawn = set(pq.read_table(more)["row"].to_pylist())
    assert len(drawn) == min(120, ROWS - 120)
    assert not drawn & set(table["row"].to_pylist())


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of rows of two columns, one of which is named like a column of the sheet."""
    directory = tmp_path_factory.mktemp("flat")
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    model.fit(x, x[:, 0] > 0, epochs=5, verbose=0)
    model.save(directory / "classifier.keras")
    pq.write_table(table_of(x), directory / "train.parquet")
    return fit(
        directory / "classifier.keras",
        DataConfig(path=str(directory / "train.parquet"), input=["age", "label"], label="truth"),
        directory / "detector",
        plan=Plan(training=TrainingSettings(epochs=1, precision="float32")),
        calibration=CalibrationSettings(accuracy=False),
        verbose=0,
    )


def table_of(x: np.ndarray) -> pa.Table:
    return pa.table({"age": x[:, 0], "label": x[:, 1], "truth": (x[:, 0] > 0).astype(int)})


def test_of_flat_rows_the_sheet_shows_the_columns(
    flat: Path, make_monitor: MakeMonitor, invoke: Invoke, tmp_path: Path
) -> None:
    data = {"row_id": None, "input": ["age", "label"], "label": "truth", "segments": []}
    monitor = make_monitor(detector=str(flat), data=data, examples=0)
    x = np.random.default_rng(1).normal(size=(300, 2)).astype(np.float32)
    table = table_of(x)
    (tmp_path / "batches").mkdir()
    batch = tmp_path / "batches" / f"{DAY}.parquet"
    pq.write_table(table.drop_columns("truth"), batch)
    config = load_monitor(monitor)
    run_interval(config, config.interval(date.fromisoformat(DAY)))
    sheet = tmp_path / "TO_LABEL.csv"
    assert invoke("rows", monitor, "--date", DAY, "--random", 150, "--output", sheet)[0] == 0
    rows = read(sheet)
    assert list(rows[0]) == ["file", "row", "age", "input_label", "prediction", "label"]
    for row in rows:
        assert row["file"] == str(batch)
        number = int(row["row"])
        shown = [np.float32(row[name]) for name in ("age", "input_label")]
        assert shown == x[number].tolist()
        row["label"] = str(table["truth"][number])
    rewrite(sheet, rows)
    out = invoke("labels", monitor, "--labels", sheet, "--start", DAY, "--end", DAY)[1]
    assert "150 of 300 scored rows are labelled" in out
    assert read_report_of(monitor).harm.by == "labels"


def test_a_sheet_that_somebody_has_filled_in_is_not_replaced(
    make_monitor: MakeMonitor, invoke: Invoke, tmp_path: Path
) -> None:
    monitor = make_monitor(examples=0)
    commit(monitor)
    sheet = tmp_path / "TO_LABEL.csv"
    words = ("rows", monitor, "--date", DAY, "--random", 5, "--output", sheet)
    assert [invoke(*words)[0] for _ in range(2)] == [0, 0]
    sheet.write_text(sheet.read_text().rstrip("\n") + "cat\n")
    code, _, err = invoke(*words)
    assert code == 1
    assert "has 1 labels in it, which would be lost" in err
    assert sheet.read_text().endswith("cat\n")


@pytest.mark.parametrize("gone", [True, False])
def test_where_the_batch_is_gone_or_another_the_sheet_has_no_inputs_and_says_so(
    make_monitor: MakeMonitor, invoke: Invoke, tmp_path: Path, gone: bool
) -> None:
    monitor = make_monitor(examples=0)
    commit(monitor)
    batch = monitor.parent / "batches" / f"{DAY}.parquet"
    if gone:
        batch.unlink()
    else:
        pq.write_table(pq.read_table(batch).slice(1), batch)
    sheet = tmp_path / "TO_LABEL.csv"
    code, _, err = invoke("rows", monitor, "--date", DAY, "--random", 5, "--output", sheet)
    assert code == 0
    assert "the rows are listed without inputs: " in err
    assert ("is gone" if gone else "has changed since it was scored") in err
    assert list(read(sheet)[0]) == ["row_id", "prediction", "label"]
