"""Training on another of Keras's backends."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from adversarial.models.autoencoders import make_autoencoder
from adversarial.training.fit import fit_autoencoder
from adversarial.training.members import train_members
from adversarial.training.settings import Plan
from tests.support.animals import make_inputs
from tests.support.models.autoencoders import float32

ON_JAX = """
import sys

import keras

assert keras.backend.backend() == "jax"
"""

EVERY_TERM = """
import numpy as np

from adversarial.models.autoencoders import make_autoencoder
from adversarial.training.augmentation import Augmentation
from adversarial.training.objective import HiddenLayer, Objective
from adversarial.training.fit import fit_autoencoder
from adversarial.training.settings import TrainingSettings

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).random((400, 8, 1, 1), np.float32)
layers = keras.layers
classifier = keras.Sequential(
    [
        keras.Input((8, 1, 1)),
        layers.Flatten(),
        layers.Dense(16, activation="relu", name="hidden"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(2, activation="softmax"),
    ]
)
before = classifier.get_weights()
objective = Objective(
    mse=0.1, temperature=0.5, hidden=[HiddenLayer("hidden")], projection="trained"
)
for augmentation in (None, Augmentation(flip=True)):
    settings = TrainingSettings(
        objective=objective, epochs=6, learning_rate=5e-3, augmentation=augmentation
    )
    training = fit_autoencoder(classifier, make_autoencoder("dense", x), x, settings, verbose=0)
    for old, new in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert training.history["loss"][-1] < 0.8 * training.history["loss"][0], training.history
"""

TWO_EPOCHS = """
from pathlib import Path

import numpy as np

from adversarial.models.classifiers import load_model
from adversarial.training.fit import fit_autoencoder
from adversarial.training.members import train_members
from adversarial.training.settings import Plan, TrainingSettings

directory = Path(sys.argv[1])
classifier = load_model(directory / "classifier.keras")
x = np.load(directory / "x.npy")
settings = TrainingSettings(epochs=2, batch_size=38, precision="float32")
fit_autoencoder(
    classifier,
    load_model(directory / "autoencoder.keras"),
    x,
    settings,
    checkpoint_dir=directory / "on_jax",
    verbose=0,
)
train_members(classifier, x, Plan(("dense",), training=settings), directory / "plan", verbose=0)
"""


def run_on_jax(script: str, *arguments: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", ON_JAX + script, *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


def test_the_same_code_trains_on_jax() -> None:
    run_on_jax(EVERY_TERM)


def test_what_jax_has_begun_tensorflow_finishes(classifier: keras.Model, tmp_path: Path) -> None:
    x = make_inputs(200, seed=5)
    keras.utils.set_random_seed(0)
    autoencoder = make_autoencoder("dense", x)
    classifier.save(tmp_path / "classifier.keras")
    autoencoder.save(tmp_path / "autoencoder.keras")
    np.save(tmp_path / "x.npy", x)
    run_on_jax(TWO_EPOCHS, tmp_path)

    # Five whole batches of the 190 rows that are not held out: XLA alone fills up the last one.
    settings = float32(epochs=4, batch_size=38)
    initial = autoencoder.get_weights()
    fit_autoencoder(classifier, autoencoder, x, settings, verbose=0)
    expected = autoencoder.get_weights()
    autoencoder.set_weights(initial)
    fit_autoencoder(
        classifier,
        autoencoder,
        x,
        settings,
        checkpoint_dir=tmp_path / "on_jax",
        resume=True,
        verbose=0,
    )
    for mixed, alone in zip(autoencoder.get_weights(), expected, strict=True):
        # Without the optimiser's state one step alone would be off by its learning rate, 1e-3.
        np.testing.assert_allclose(mixed, alone, atol=1e-4)

    # Of an architecture each backend makes other weights, though from one seed.
    plan = Plan(("dense",), training=settings)
    members = train_members(classifier, x, plan, tmp_path / "plan", resume=True, verbose=0)
    assert len(members.summary["loss"]) == 4
