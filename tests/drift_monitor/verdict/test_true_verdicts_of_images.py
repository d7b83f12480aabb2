"""Whether the verdict is true of images, and of a classifier of many classes."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from adversarial import AdversarialDetector
from adversarial.training.settings import Plan, TrainingSettings
from drift_monitor.config import DataConfig, Policy
from drift_monitor.detectors.fit import ClassifierFile, fit
from drift_monitor.notebook.judge import judge
from drift_monitor.results.report import Report

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]

COMFORTING = ("harmless_drift", "statistical_only", "no_drift")


class Classified(NamedTuple):
    """A detector, and rows that neither it nor its classifier has seen."""

    detector: AdversarialDetector
    x: Rows
    y: Classes
    accuracy: float


def table(x: Rows, y: Classes) -> pa.Table:
    rows = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(x))
    return pa.table({"x": rows, "label": y})


def classify(
    directory: Path, x: Rows, y: Classes, ends: tuple[int, int], layers: list[keras.Layer]
) -> Classified:
    """Train on the first rows, calibrate on those up to the second end, and keep the rest."""
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    classifier.compile("adam", "sparse_categorical_crossentropy")
    classifier.fit(x[: ends[0]], y[: ends[0]], epochs=20, verbose=0)
    classifier.save(directory / "classifier.keras")
    pq.write_table(table(x[: ends[0]], y[: ends[0]]), directory / "training.parquet")
    reference = table(x[ends[0] : ends[1]], y[ends[0] : ends[1]])
    pq.write_table(reference, directory / "reference.parquet")
    path = fit(
        ClassifierFile(directory / "classifier.keras"),
        DataConfig(path=str(directory / "training.parquet"), input="x", label="label"),
        directory / "detector",
        reference_data=str(directory / "reference.parquet"),
        plan=Plan(training=TrainingSettings(epochs=1)),
        verbose=0,
    )
    detector = AdversarialDetector.load(path)
    x, y = x[ends[1] :], y[ends[1] :]
    accuracy = float((detector.predict(x).prediction == y).mean())
    return Classified(detector, x, y, accuracy)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Classified:
    """Handwritten digits, each in ink and on paper of a colour of its own."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    strokes = np.kron(x[order].reshape(-1, 8, 8) / 16, np.ones((2, 2)))[..., None]
    paper, ink = (rng.uniform(*ends, (len(x), 1, 1, 3)) for ends in ((0.0, 0.35), (0.6, 1.0)))
    noise = rng.normal(0, 0.03, (len(x), 16, 16, 3))
    images = np.clip(paper + (ink - paper) * strokes + noise, 0, 1).astype(np.float32)
    layers = [
        keras.layers.AveragePooling2D(2),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
    directory = tmp_path_factory.mktemp("digits")
    return classify(directory, images, y[order], (800, 1250), layers)


@pytest.fixture(scope="module")
def hundred_classes(tmp_path_factory: pytest.TempPathFactory) -> Classified:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, 12))
    y = rng.integers(0, 100, 8000)
    x = (centres[y] + 0.45 * rng.normal(size=(len(y), 12))).astype(np.float32)
    layers = [
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(100, activation="softmax"),
    ]
    directory = tmp_path_factory.mktemp("hundred_classes")
    return classify(directory, x, y, (5000, 6500), layers)


def judged(of: Classified, x: Rows, y: Classes) -> tuple[Report, float]:
    """Return the report on rows without labels, and their accuracy, which its bounds hold."""
    rows = table(x, y).drop_columns("label")
    report = judge(of.detector, rows, input="x", policy=Policy(harm_by="detector"))
    accuracy = float((of.detector.predict(x).prediction == y).mean())
    estimated = report.accuracy.estimated
    assert estimated is not None
    # The bounds are those of what is expected of the rows, not of the luck of their labels.
    luck = 2 * (accuracy * (1 - accuracy) / len(y)) ** 0.5
    assert estimated.bounds.low - luck <= accuracy <= estimated.bounds.high + luck
    return report, accuracy


def assert_no_false_comfort(of: Classified, x: Rows, y: Classes) -> None:
    report, accuracy = judged(of, x, y)
    if report.verdict.verdict in COMFORTING:
        assert accuracy > of.accuracy - Policy().harm_margin
        estimated = report.accuracy.estimated
        assert estimated is not None
        assert estimated.bounds.difference_low >= -Policy().harm_margin


def blurred(x: Rows, sigma: float) -> Rows:
    return np.asarray(gaussian_filter(x, (0, sigma, sigma, 0)), np.float32)


FAULTS: dict[str, Callable[[Rows], Rows]] = {
    "inverted": lambda x: 1 - x,
    "blurred and dark": lambda x: blurred(x, 3.5) * np.float32(0.15),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_comfort_on_images_that_are_read_wrong(digits: Classified, fault: str) -> None:
    report, accuracy = judged(digits, FAULTS[fault](digits.x), digits.y)
    assert accuracy < digits.accuracy - 0.3  # it does harm
    assert report.verdict.verdict in ("harmful_drift", "drift_harm_unknown")
    assert report.inputs is not None
    assert report.inputs.moved


def test_no_comfort_without_a_bound_on_a_mild_blur(digits: Classified) -> None:
    assert_no_false_comfort(digits, blurred(digits.x, 1), digits.y)


def test_no_comfort_without_a_bound_on_classes_in_other_shares(digits: Classified) -> None:
    kept = (digits.y % 2 == 0) | (np.arange(len(digits.y)) % 10 == 0)
    assert_no_false_comfort(digits, digits.x[kept], digits.y[kept])


def test_no_comfort_on_noise_that_makes_a_hundred_classes_alike(
    hundred_classes: Classified,
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.35, hundred_classes.x.shape)
    x = (hundred_classes.x + noise).astype(np.float32)
    report, accuracy = judged(hundred_classes, x, hundred_classes.y)
    assert accuracy < hundred_classes.accuracy - 0.03
    assert report.verdict.verdict in ("harmful_drift", "drift_harm_unknown")
