import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from adversarial import AdversarialDetector
from adversarial.cli.main import app
from adversarial.errors import ModelError
from adversarial.files import cache_directory
from adversarial.paper import train as paper_models
from adversarial.paper.datasets import SHAPES, Dataset, DatasetName, scale
from adversarial.paper.recipes import RECIPES, find_recipe
from adversarial.paper.train import train_classifier, train_detector
from adversarial.training.settings import Plan
from tests.adversarial.paper.test_datasets import write_idx
from tests.support.models.autoencoders import float32, watch_learning_rate


@pytest.fixture(autouse=True)
def few_reference_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_models, "N_REFERENCE", 40)


def stripes(n: int, name: DatasetName = "mnist", seed: int = 0) -> Dataset:
    """Images whose class is the place of a bright stripe."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[name]

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, 10, n)
        x = rng.integers(0, 60, (n, *shape))
        for image, label in zip(x, y, strict=True):
            image[2 * label + 4 : 2 * label + 6] += 180
        return x.astype(np.uint8), y

    return Dataset(name, "stripes", *draw(n), *draw(50))


def test_a_classifier_is_trained_once_and_then_loaded(tmp_path: Path) -> None:
    dataset = stripes(168)
    options = {"epochs": 1, "verbose": 0}
    first, summary = train_classifier(dataset, "cnn", tmp_path, **options)  # type: ignore[arg-type]
    written = (tmp_path / "classifier.keras").stat().st_mtime_ns
    assert {"accuracy", "epochs", "seed", "seconds", "source"} <= summary.keys()
    again, same = train_classifier(dataset, "cnn", tmp_path, **options)  # type: ignore[arg-type]
    assert same == summary
    assert (tmp_path / "classifier.keras").stat().st_mtime_ns == written
    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])
    train_classifier(dataset, "cnn", tmp_path, epochs=1, seed=1, verbose=0)
    assert json.loads((tmp_path / "classifier.json").read_text())["seed"] == 1
    assert not (tmp_path / "classifier.training").exists()


@pytest.mark.parametrize(
    ("is_fast", "precision", "policy"),
    [(True, "bfloat16", "mixed_bfloat16"), (False, "float32", "float32")],
)
def test_a_classifier_is_trained_in_bfloat16_where_that_is_fast_and_kept_in_float32(
    is_fast: bool, precision: str, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies: set[str] = set()
    fit = keras.Model.fit

    def watched(self: keras.Model, *args: Any, **rest: Any) -> Any:
        policies.update(layer.dtype_policy.name for layer in self.layers[1:-3])
        return fit(self, *args, **rest)

    monkeypatch.setattr(keras.Model, "fit", watched)
    monkeypatch.setattr(paper_models, "bfloat16_is_fast", lambda: is_fast)
    dataset = stripes(168)
    model, summary = train_classifier(dataset, "cnn", tmp_path, epochs=2, verbose=0)
    assert summary["precision"] == precision
    assert policy in policies
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    predicted = model.predict(dataset.x_test / np.float32(255), verbose=0).argmax(axis=1)
    assert summary["accuracy"] == float(np.mean(predicted == dataset.y_test))
    fresh = RECIPES["mnist", "cnn"].classifier()
    assert not np.array_equal(model.get_weights()[0], fresh.get_weights()[0])


def test_what_the_paper_does_not_have_is_refused() -> None:
    with pytest.raises(ModelError, match="no model 'resnet56' for mnist: expected cnn"):
        find_recipe("mnist", "resnet56")


@pytest.mark.parametrize("key", RECIPES)
def test_every_recipe_makes_models_that_fit_together(key: tuple[DatasetName, str]) -> None:
    from adversarial.models.autoencoders import make_autoencoder

    recipe = RECIPES[key]
    x = np.zeros((1, *SHAPES[key[0]]), np.float32)
    classifier = recipe.classifier()
    autoencoder = make_autoencoder(recipe.autoencoder, x)
    assert classifier(autoencoder(x)).shape == (1, 10)


def write_stripes(directory: Path) -> Dataset:
    """Write the stripes as MNIST's files."""
    dataset = stripes(168)
    data = directory / "mnist"
    data.mkdir(parents=True)
    for split, x, y in (
        ("train", dataset.x_train, dataset.y_train),
        ("t10k", dataset.x_test, dataset.y_test),
    ):
        write_idx(data / f"{split}-images-idx3-ubyte", x[..., 0])
        write_idx(data / f"{split}-labels-idx1-ubyte", y.astype(np.uint8))
    return dataset


def test_the_train_command_leaves_a_bundle(tmp_path: Path) -> None:
    dataset = write_stripes(tmp_path / "data")
    options = ["--data-dir", str(tmp_path / "data"), "--cache-dir", str(tmp_path / "cache")]
    short = ["--epochs", "1", "--detector-epochs", "1"]
    found = CliRunner().invoke(app, ["train", "--dataset", "mnist", *options, *short])
    assert found.exit_code == 0, found.output
    assert "test accuracy on reconstructions" in found.output

    directory = tmp_path / "cache" / "mnist-cnn"
    assert sorted(p.name for p in directory.iterdir()) == [
        "classifier.json",
        "classifier.keras",
        "detector",
    ]
    detector = AdversarialDetector.load(directory / "detector")
    assert detector.provenance.training["classifier"]["accuracy"] >= 0
    assert detector.provenance.training["epochs"] == 1
    window = detector.calibration.reference
    assert window is not None
    flagged = np.mean(window["flagged"].to_numpy())
    assert flagged == pytest.approx(0.05)
    assert window["label"].to_pylist() == [str(y) for y in dataset.y_train[-40:]]

    baseline = [*options, *short, "--baseline", "--name", "mse"]
    found = CliRunner().invoke(app, ["train", "--dataset", "mnist", *baseline])
    assert found.exit_code == 0, found.output
    mse = AdversarialDetector.load(directory / "mse")
    assert (
        mse.provenance.training["learning_rate"],
        detector.provenance.training["learning_rate"],
    ) == (3e-4, 1e-3)
    weights = [m.autoencoders[0].get_weights()[0] for m in (detector, mse)]
    assert not np.array_equal(*weights)
    other = [*options, *short, "--autoencoder", "dense", "--seed", "1", "--name", "other"]
    found = CliRunner().invoke(app, ["train", "--dataset", "mnist", *other])
    assert found.exit_code == 0, found.output
    dense = AdversarialDetector.load(directory / "other")
    assert (dense.provenance.training["autoencoder"], dense.provenance.training["seed"]) == (
        "dense",
        1,
    )
    for one, same in zip(
        detector.classifier.get_weights(), dense.classifier.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, same)
    inspected = CliRunner().invoke(app, ["inspect", str(directory / "detector")])
    assert "corrected_accuracy" in inspected.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fpr", "2"], "fpr is 2"),
        (["--temperature", "nan"], "temperature is nan"),
        (["--name", "."], "exists and is not a detector bundle"),
    ],
)
def test_what_is_wrong_with_the_detector_is_said_before_the_classifier_is_trained(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adversarial.paper.datasets.load_dataset", lambda *_: pytest.fail("loaded"))
    (tmp_path / "mnist-cnn").mkdir()
    (tmp_path / "mnist-cnn" / "notes.txt").touch()
    command = ["train", "--dataset", "mnist", "--cache-dir", str(tmp_path), *options]
    found = CliRunner().invoke(app, command)
    assert message in str(found.exception)


def test_too_few_images_are_said_to_be_too_few(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="stripes has 40 training images: expected more than the"):
        train_classifier(stripes(40), "cnn", tmp_path, verbose=0)


def test_models_are_kept_in_the_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path("/somewhere/drift-monitor")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == Path.home() / ".cache" / "drift-monitor"


def test_the_one_cycle_ends_at_no_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = watch_learning_rate(monkeypatch)
    train_classifier(stripes(168), "cnn", tmp_path, epochs=5, batch_size=16, verbose=0)
    assert len(rates) == 40
    assert max(rates) == pytest.approx(2e-3, rel=0.05)
    assert 6 <= int(np.argmax(rates)) <= 9
    assert rates[-1] < 1e-5


def test_the_detector_of_an_earlier_epoch_is_kept_too(tmp_path: Path) -> None:
    dataset = stripes(168)
    classifier = train_classifier(dataset, "cnn", tmp_path, epochs=1, verbose=0)

    def train(name: str, **settings: Any) -> AdversarialDetector:
        plan = Plan(training=float32(**settings))
        return train_detector(dataset, "cnn", classifier, tmp_path / name, plan, verbose=0)

    last = train("detector", epochs=3, snapshots=3)
    earlier = AdversarialDetector.load(tmp_path / "detector-earlier")
    assert [found.provenance.training["epochs"] for found in (last, earlier)] == [3, 1]
    alone = train("alone", epochs=1)
    for weights, expected in zip(
        earlier.autoencoders[0].get_weights(), alone.autoencoders[0].get_weights(), strict=True
    ):
        np.testing.assert_allclose(weights, expected, atol=1e-5)
    assert earlier.threshold == pytest.approx(alone.threshold, rel=1e-3)
    assert earlier.threshold != last.threshold
    with pytest.raises(ModelError, match="have one autoencoder"):
        train_detector(
            dataset, "cnn", classifier, tmp_path / "ensemble", Plan(("auto", "dense")), verbose=0
        )


ON_JAX = """
import sys

sys.modules["tensorflow"] = None  # whatever imports it fails

from adversarial.cli.main import main
from adversarial.paper import train

train.N_REFERENCE = 40
main()
"""


def test_what_is_trained_on_jax_without_tensorflow_scores_the_same_on_tensorflow(
    tmp_path: Path,
) -> None:
    dataset = write_stripes(tmp_path / "data")
    options = ["--data-dir", str(tmp_path / "data"), "--cache-dir", str(tmp_path)]
    short = ["--epochs", "2", "--detector-epochs", "2"]
    found = subprocess.run(
        [sys.executable, "-c", ON_JAX, "train", "--dataset", "mnist", *options, *short],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "test accuracy on reconstructions" in found.stdout
    detector = AdversarialDetector.load(tmp_path / "mnist-cnn" / "detector")
    on_tensorflow = detector.predict(scale(dataset.x_train[-40:])).to_table(detector.class_names)
    on_jax = detector.calibration.reference
    assert on_jax is not None
    for name in on_tensorflow.column_names:
        computed, kept = on_tensorflow[name].to_pylist(), on_jax[name].to_pylist()
        if pa.types.is_floating(on_tensorflow[name].type):
            np.testing.assert_allclose(computed, kept, rtol=1e-3, atol=1e-6, err_msg=name)
        elif name != "flagged":  # at the threshold, the last bit decides
            assert computed == kept, name
