"""Small autoencoders of the 8×8 images, how they are trained, and what is looked at meanwhile."""

from typing import Any

import keras
import numpy as np
import pytest

from adversarial.losses import kl_divergence
from adversarial.training.settings import TrainingSettings
from tests.support.animals import SIDE

NO_STEP = 1e-30
"""A learning rate that is lost in the rounding of a float32 weight."""


def float32(**settings: Any) -> TrainingSettings:
    """Settings that train alike on every CPU, with and without bfloat16."""
    return TrainingSettings(precision="float32", **settings)


def small_autoencoder(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return _of_images(keras.layers.Dense(32, activation="relu"))


def restless_autoencoder(seed: int = 0) -> keras.Model:
    """An autoencoder with a random state, moving averages and a penalty of its own."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return _of_images(
        layers.Dense(16, activation="relu", kernel_regularizer="l1"),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
    )


def _of_images(*hidden: keras.layers.Layer) -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Flatten(),
            *hidden,
            layers.Dense(SIDE * SIDE, activation="sigmoid"),
            layers.Reshape((SIDE, SIDE, 1)),
        ]
    )


def mean_kl(classifier: keras.Model, autoencoder: keras.Model, x: np.ndarray) -> float:
    p = classifier(x, training=False)
    q = classifier(autoencoder(x, training=False), training=False)
    return float(np.mean(kl_divergence(p, q)))


def watch_learning_rate(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list to which every step of a training adds its learning rate."""
    rates: list[float] = []

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
            rates.append(float(self.model.optimizer.learning_rate))

    fit = keras.Model.fit

    def watched(self: keras.Model, *args: Any, callbacks: list[Any], **rest: Any) -> Any:
        return fit(self, *args, callbacks=[*callbacks, Watch()], **rest)

    monkeypatch.setattr(keras.Model, "fit", watched)
    return rates
