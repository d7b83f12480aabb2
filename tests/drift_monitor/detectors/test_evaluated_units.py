"""Evaluations of rows that are no images in [0, 1], and of what does not apply to them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, InputSpec
from adversarial.corruptions import CORRUPTIONS
from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor
from drift_monitor.detectors.candidate import Measure
from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles, make_experiment
from drift_monitor.detectors.evaluation_record import (
    read_measures,
)
from tests.drift_monitor.detectors.conftest import Altered
from tests.support.evaluations import means, section


def test_bytes_that_the_classifier_scales_itself_are_attacked_as_images_are(
    monitor: Monitor, altered: Altered
) -> None:
    small = AdversarialDetector.load(monitor.detector)

    def through(*layers: Any) -> keras.Model:
        return keras.Sequential([keras.Input((8, 8, 1)), *layers])

    down, up = keras.layers.Rescaling(1 / 255), keras.layers.Rescaling(255.0)
    inputs = keras.Input((8, 8, 1))
    path = altered(
        "bytes",
        classifier=keras.Model(inputs, small.classifier(down(inputs))),
        autoencoders=(through(down, small.autoencoders[0], up),),
        input_spec=InputSpec(shape=(8, 8, 1), value_range=(0, 255)),
    )
    of_bytes = monitor.model_copy(update={"detector": str(path)})
    found, expected = (
        means(read_measures(evaluate_bundles(m, find_bundles(m, None)))["current"])
        for m in (of_bytes, monitor)
    )
    assert found == pytest.approx(expected, abs=0.01)


@pytest.fixture
def flat(tmp_path: Path) -> Monitor:
    """A monitor of rows with two numbers of very different units, which tell two classes."""
    names = ("age", "income")

    def table(n: int, seed: int) -> tuple[np.ndarray, pa.Table]:
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 2, n)
        x = np.stack([rng.normal(40 + 10 * label, 4), rng.normal(5e4, 1e4, n)], axis=1)
        columns = {name: x[:, i] for i, name in enumerate(names)}
        return x.astype(np.float32), pa.table(columns | {"label": label})

    x, _ = table(500, 0)
    normalise = keras.layers.Normalization()
    normalise.adapt(x)
    inputs = keras.Input((2,))
    dense = keras.layers.Dense(2, activation="softmax")
    classifier = keras.Model(inputs, dense(normalise(inputs)))
    dense.set_weights([np.array([[-3, 3], [0, 0]], np.float32), np.zeros(2, np.float32)])
    inputs = keras.Input((2,))
    autoencoder = keras.Model(inputs, keras.layers.Rescaling([0.0, 1.0], [45.0, 0.0])(inputs))
    spec = InputSpec(shape=(2,), feature_names=names)
    detector = AdversarialDetector(classifier, autoencoder, input_spec=spec)
    detector.calibrated(x, 0.05).save(tmp_path / "flat")
    pq.write_table(table(400, 1)[1], tmp_path / "rows.parquet")
    return Monitor.model_validate(
        {
            "name": "flat",
            "detector": str(tmp_path / "flat"),
            "reports": str(tmp_path / "reports"),
            "data": {"path": "{date}.parquet", "input": list(names), "label": "label"},
            "evaluation": {"path": str(tmp_path / "rows.parquet"), "attacks": ["fgsm-0.1"]},
        }
    )


def test_flat_rows_are_attacked_within_the_range_of_each_feature(flat: Monitor) -> None:
    directory = Path(evaluate_bundles(flat, find_bundles(flat, None)))
    attacked = np.load(next(directory.glob("attacks/*/0000000.npz")))
    assert attacked["linf"].max() == pytest.approx(0.1, abs=1e-5)
    shares = means(read_measures(directory)["current"])
    assert shares[Measure("accuracy_clean")] > 0.8


def test_all_corruptions_are_asked_for_as_in_the_command(monitor: Monitor) -> None:
    spec = find_bundles(monitor, None)["current"].manifest.input
    made = make_experiment(section(monitor, corruptions=["all"]), spec)
    assert made.corruptions == tuple(CORRUPTIONS)


def test_what_does_not_apply_or_exist_is_refused_by_name(flat: Monitor, monitor: Monitor) -> None:
    for changed, message in (
        (section(flat, corruptions=["fog"]), r"corruptions need images.*shape \(2,\): leave them"),
        (section(flat, attacks=["fgms"]), r"'flat', section 'evaluation': no attack 'fgms'"),
        (section(flat, threat_models=["all"]), "no threat model 'all': expected one of grey-box"),
        (section(monitor, corruptions=["rain"]), "no corruption 'rain'"),
        (section(flat, bounds=(0, 100)), r"beyond the 0 to 100 of evaluation.bounds: set"),
        (flat.model_copy(update={"evaluation": None}), "has no section 'evaluation'"),
    ):
        with pytest.raises(DriftMonitorError, match=message):
            evaluate_bundles(changed, find_bundles(changed, None))
    assert not flat.directory.exists()
