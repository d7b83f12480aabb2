"""Rows with the highest scores as a reader sees them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import InputSpec
from adversarial.bundle.calibration import Calibration
from adversarial.bundle.read import read_bundle
from adversarial.errors import DriftMonitorError
from adversarial.training.settings import Plan, TrainingSettings
from drift_monitor.config import Monitor
from drift_monitor.job.run import run_interval
from drift_monitor.scoring.diverse_examples import ScoredExample
from drift_monitor.scoring.examples import render_examples
from tests.conftest import MakeMonitor
from tests.support.job.monitors import DAY, prepare


def test_the_examples_are_the_rows_of_highest_score_two_of_a_kind(
    make_monitor: MakeMonitor,
) -> None:
    monitor, interval = prepare(make_monitor, examples=5, batch_size=32)
    report = run_interval(monitor, interval)
    table = pq.read_table(monitor.directory / interval.id / "scores.parquet")
    kinds = table.select(["prediction", "reconstruction_prediction"]).to_pylist()
    order: list[int] = []
    for i in np.argsort(-table["adversarial_score"].to_numpy(), kind="stable").tolist():
        if sum(kinds[j] == kinds[i] for j in order) < 2 and len(order) < 5:
            order.append(i)
    assert [e.row["row_id"] for e in report.examples] == [f"r{i}" for i in order]
    for example in report.examples:
        for picture in (example.image, example.reconstruction, example.normal):
            assert picture
            assert picture.startswith("data:image/png;base64,")


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
        calibration=Calibration(),
    )
    rows = [ScoredExample(3.0 - i, -i, row) for i, row in enumerate(x)]
    found = render_examples(detector, rows)
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
        calibration=Calibration(
            feature_quantiles=dict.fromkeys("abc", np.linspace(0, 10, 101).tolist())
        ),
    )
    [found] = render_examples(detector, [ScoredExample(1.0, 0, x[0])])
    assert [v.normal for v in found.values] == [None] * 3
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
    units = keras.layers.Normalization(mean=[0, 100, -5], variance=[1, 900, 4])
    dense = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((3,)), units, dense])
    model.save(tmp_path / "model.keras")
    pq.write_table(table(500), tmp_path / "train.parquet")
    columns = ["age", "income", "delta"]
    data = DataConfig(path=str(tmp_path / "train.parquet"), input=columns)
    plan = Plan(training=TrainingSettings(epochs=1, precision="float32"))
    fit(tmp_path / "model.keras", data, tmp_path / "detector", plan=plan, verbose=0)

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
    sample = read_bundle(tmp_path / "detector").runtime_sample()
    assert sample
    for example in report.examples:
        shown = {value.name: value.normal for value in example.values}
        assert [shown[name] for name in columns] in sample.x.tolist()
    swapped = DataConfig(path=monitor.data.path, input=columns[::-1])
    with pytest.raises(DriftMonitorError, match="same order"):
        run_interval(monitor.model_copy(update={"data": swapped}), monitor.interval(DAY))
