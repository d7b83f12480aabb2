"""The batch job from Parquet to committed report, on the small data set."""

import json
import shutil
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, InputSpec
from adversarial.errors import DriftMonitorError
from adversarial.training.members import Plan
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.errors import StoreError
from drift_monitor.intervals import Interval
from drift_monitor.job.run import publish, run_interval, score_interval, write_report
from drift_monitor.job.write import rerender
from drift_monitor.results import report as model
from drift_monitor.results.report import Report, json_schema
from drift_monitor.scoring.examples import render_examples
from drift_monitor.scoring.score_table import BatchScores, ScoredExample, score_batch
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, png, write_batch

DAY = date(2026, 11, 20)


def prepare(
    make_monitor: MakeMonitor, n: int = 300, *, labelled: bool = True, **fields: object
) -> tuple[Monitor, Interval]:
    path = make_monitor(**fields)
    images, labels = make_images(n, seed=4)
    batch = path.parent / "batches" / f"{DAY}.parquet"
    write_batch(batch, images, labels if labelled else None)
    monitor = load_monitor(path)
    return monitor, monitor.interval(DAY)


def files(monitor: Monitor) -> dict[str, bytes]:
    root = monitor.directory
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_an_interval_is_committed_with_all_its_files(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    assert set(files(monitor)) == {
        "index.html",
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
    np.testing.assert_allclose(table["adversarial_score"], expected.score, atol=1e-6)
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
    publish(monitor, interval, Path(str(staging)))
    parts = files(monitor)
    whole.pop("2026-11-20/run.json"), parts.pop("2026-11-20/run.json")
    assert whole == parts


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
    assert rerender(monitor, "2026-11-20").exists()


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


def test_the_examples_are_the_rows_of_highest_score(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor, examples=5, batch_size=32)
    report = run_interval(monitor, interval)
    table = pq.read_table(monitor.directory / interval.id / "scores.parquet")
    order = np.argsort(-table["adversarial_score"].to_numpy(), kind="stable")[:5]
    assert [e.row["row_id"] for e in report.examples] == [f"r{i}" for i in order]
    assert all(e.image and e.image.startswith("data:image/png;base64,") for e in report.examples)


def test_the_report_is_valid_under_the_published_schema(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    published = Path(model.__file__).with_name("report.schema.json").read_text()
    schema = json.loads(published)
    content = json.loads((monitor.directory / interval.id / "report.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**content, "surprise": 1})


def test_the_published_schema_is_that_of_the_model() -> None:
    published = Path(model.__file__).with_name("report.schema.json").read_text()
    assert published == json_schema(), "run: python -m drift_monitor.results.report"


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
    assert rerender(monitor, interval.id) == page
    assert page.read_text() == before


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
    assert not (staging / "report.json").exists()


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


def test_features_are_ordered_by_their_change_in_units_of_their_spread() -> None:
    """`salary` changes by most in its own units, `age` by most in what is usual for it."""
    x = np.array([[30, 50_000, 1], [32, 58_000, 1], [31, 54_000, 1]], np.float32)
    reconstructions = np.array([[60, 53_000, 1], [62, 61_000, 1], [61, 57_000, 1]], np.float32)
    spec = InputSpec(shape=(3,), feature_names=("age", "salary", "constant"))
    certain = np.tile(np.array([[0.2, 0.8]], np.float32), (3, 1))
    detector: Any = SimpleNamespace(
        reconstruct=lambda _: reconstructions,
        probabilities=lambda _: (certain, certain[:, ::-1]),
        input_spec=spec,
        class_names=("no", "yes"),
    )
    rows = [ScoredExample(3.0 - i, -i, row) for i, row in enumerate(x)]
    found = render_examples(detector, rows, None)
    assert [[v.name for v in e.values] for e in found] == [["age", "salary", "constant"]] * 3
    said = {p.name: (p.probability, p.reconstruction) for p in found[0].probabilities}
    assert set(said) == {"no", "yes"}
    assert said["no"] == pytest.approx((0.2, 0.8))
    assert said["yes"] == pytest.approx((0.8, 0.2))


def test_features_are_ordered_by_their_distance_from_the_references_middle() -> None:
    """`b` lies beyond all rows of the reference, `a` at its median, `c` at its 90 % quantile."""
    x = np.array([[5, 30, 9]], np.float32)
    detector: Any = SimpleNamespace(
        reconstruct=lambda x: x,
        probabilities=lambda _: (np.ones((1, 1), np.float32),) * 2,
        input_spec=InputSpec(shape=(3,), feature_names=("a", "b", "c")),
        class_names=("only",),
    )
    quantiles = np.linspace(0, 10, 101).tolist()
    [found] = render_examples(
        detector, [ScoredExample(1.0, 0, x[0])], dict.fromkeys("abc", quantiles)
    )
    assert [(v.name, v.reference_quantile, v.reference_median) for v in found.values] == [
        ("b", 1.0, 5.0),
        ("c", pytest.approx(0.9), 5.0),
        ("a", pytest.approx(0.5), 5.0),
    ]


def test_flat_rows_are_scored_and_their_features_shown(tmp_path: Path) -> None:
    import keras

    from drift_monitor.config import DataConfig
    from drift_monitor.detectors.fit import fit

    rng = np.random.default_rng(0)

    def table(n: int) -> pa.Table:
        x = rng.normal([0, 100, -5], [1, 30, 2], (n, 3))
        return pa.table({name: x[:, i] for i, name in enumerate(("age", "income", "delta"))})

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.save(tmp_path / "model.keras")
    pq.write_table(table(500), tmp_path / "train.parquet")
    columns = ["age", "income", "delta"]
    data = DataConfig(path=str(tmp_path / "train.parquet"), input=columns)
    fit(tmp_path / "model.keras", data, tmp_path / "detector", plan=Plan(epochs=1), verbose=0)

    pq.write_table(table(200), tmp_path / "2026-11-20.parquet")
    monitor = Monitor(
        name="rows",
        detector=str(tmp_path / "detector"),
        data=DataConfig(path=str(tmp_path / "{date}.parquet"), input=columns),
        reports=str(tmp_path / "reports"),
    )
    report = run_interval(monitor, monitor.interval(DAY))
    assert report.counts.scored == 200
    assert {value.name for value in report.examples[0].values} == set(columns)
    swapped = DataConfig(path=monitor.data.path, input=columns[::-1])
    with pytest.raises(DriftMonitorError, match="same order"):
        run_interval(monitor.model_copy(update={"data": swapped}), monitor.interval(DAY))


def test_scoring_holds_a_bounded_number_of_rows(make_monitor: MakeMonitor) -> None:
    """The stream is consumed as it is made: never more chunks are decoded than run ahead."""
    from drift_monitor.batches.batch import CHUNKS_AHEAD, Batch

    monitor, interval = prepare(make_monitor, n=640)
    detector = AdversarialDetector.load(monitor.detector)
    batch = Batch(monitor.batch_path(interval), monitor.data, detector.input_spec)
    decoded = 0
    decode = batch._decode

    def counting(*arguments: object) -> object:
        nonlocal decoded
        decoded += 1
        return decode(*arguments)  # type: ignore[arg-type]

    batch._decode = counting  # type: ignore[assignment, method-assign]
    scored = 0
    for table in score_batch(detector, batch, BatchScores(), batch_size=16):
        scored += len(table)
        assert decoded <= scored // 16 + CHUNKS_AHEAD + 1
    assert scored == 640


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
    for column, n in (("corrected_prediction", "offered"), ("reconstruction_prediction", "n")):
        changed = np.asarray(table["flagged"]) & (prediction != np.asarray(table[column]))
        assert sum(getattr(c, n) for c in report.corrections) == changed.sum()


def test_one_damaged_report_does_not_stop_the_index(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    old = monitor.directory / "2026-11-01"
    old.mkdir(parents=True)
    (old / "report.json").write_text('{"schema_version": "0"}')
    run_interval(monitor, interval)
    index = (monitor.directory / "index.html").read_text()
    assert "2026-11-20/report.html" in index
    assert str(old / "report.json") in index


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
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 13


def test_a_report_that_was_cut_off_can_be_written_again(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    whole = files(monitor)
    staging = score_interval(monitor, interval, token="again")
    write_report(monitor, interval, staging)
    (staging / "report.json").unlink()
    write_report(monitor, interval, staging)
    publish(monitor, interval, staging)
    publish(monitor, interval, staging)
    again = files(monitor)
    whole.pop("2026-11-20/run.json"), again.pop("2026-11-20/run.json")
    assert whole == again
    with pytest.raises(DriftMonitorError, match="clear the run from score_batch"):
        write_report(monitor, interval, staging)


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


def test_reports_that_cannot_be_written_are_said_to_be_so(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    Path(monitor.reports).write_text("a file")
    with pytest.raises(DriftMonitorError, match="mend 'reports'"):
        run_interval(monitor, interval)
