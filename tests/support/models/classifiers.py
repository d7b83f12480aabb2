"""Small classifiers with every output, and every form that one can be saved in."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SHAPE = (4, 4, 1)
X = np.random.default_rng(0).random((6, *SHAPE)).astype(np.float32)


def network(*head: keras.layers.Layer, before: tuple[keras.layers.Layer, ...] = ()) -> keras.Model:
    """A classifier with preprocessing, batch normalisation and dropout, in training's state."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            *before,
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            *head,
        ]
    )
    normalization = model.layers[-2 - len(head)]
    normalization.set_weights([w + 0.25 for w in normalization.get_weights()])
    return model


def plain(model: keras.Model) -> np.ndarray:
    return np.asarray(model(X, training=False), np.float64)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def two_columns(p: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - p, p], axis=1)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


Save = Callable[[keras.Model, Path], Path]


def as_file(suffix: str) -> Save:
    def save(model: keras.Model, directory: Path) -> Path:
        model.save(directory / f"model{suffix}")
        return directory / f"model{suffix}"

    return save


def exported(model: keras.Model, directory: Path) -> Path:
    model.export(directory / "exported", verbose=False)
    return directory / "exported"


def saved_by_tensorflow(model: keras.Model, directory: Path) -> Path:
    tf.saved_model.save(model, str(directory / "saved"))
    return directory / "saved"


def function_saved(
    function: Callable[[tf.Tensor], object],
    directory: Path,
    spec: tf.TensorSpec | None = None,
    name: str = "serving_default",
) -> Path:
    module = tf.Module()
    spec = spec or tf.TensorSpec([None, *SHAPE], tf.float32)
    module.f = tf.function(function, input_signature=[spec])
    tf.saved_model.save(module, str(directory / "saved"), {name: module.f.get_concrete_function()})
    return directory / "saved"


FORMS = {
    "keras": as_file(".keras"),
    "h5": as_file(".h5"),
    "hdf5": as_file(".hdf5"),
    "export": exported,
    "saved_model": saved_by_tensorflow,
}
HEADS: dict[str, tuple[Callable[[], list[keras.layers.Layer]], Callable[..., np.ndarray]]] = {
    "softmax": (lambda: [layers.Dense(3, activation="softmax")], lambda y: y),
    "logits": (lambda: [layers.Dense(3)], softmax),
    "sigmoid": (lambda: [layers.Dense(1, activation="sigmoid")], two_columns),
    "logit": (lambda: [layers.Dense(1)], lambda z: two_columns(sigmoid(z))),
}


def nested() -> keras.Model:
    return network(keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")]))
