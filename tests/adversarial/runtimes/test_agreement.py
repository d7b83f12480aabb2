"""OpenVINO's scores against TensorFlow's, row by row, for every kind of classifier."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from adversarial import AdversarialDetector, load_scorer
from adversarial.models.autoencoders import (
    cifar10_autoencoder,
    dense_autoencoder,
    image_autoencoder,
    image_standardization,
)
from adversarial.models.classifiers import load_classifier
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig
from tests.support.models.classifiers import SHAPE, exported, network, saved_by_tensorflow

EXAMPLE = Path("examples/fashion_mnist")
Make = Callable[[Path], AdversarialDetector]


def images(n: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(1).random((n, *shape)).astype(np.float32)


def small(head: str, *, before: tuple[keras.layers.Layer, ...] = (), members: int = 1) -> Make:
    heads = {
        "softmax": [layers.Dense(3, activation="softmax")],
        "logits": [layers.Dense(3)],
        "sigmoid": [layers.Dense(1, activation="sigmoid")],
    }

    def make(directory: Path) -> AdversarialDetector:
        network(*heads[head], before=before).save(directory / "model.keras")
        classifier = load_classifier(directory / "model.keras")
        autoencoders = [image_autoencoder(SHAPE, latent_dim=2 + j) for j in range(members)]
        return AdversarialDetector(classifier, autoencoders)

    return make


def saved_model(directory: Path) -> AdversarialDetector:
    path = exported(network(layers.Dense(3, activation="softmax")), directory)
    return AdversarialDetector(load_classifier(path), image_autoencoder(SHAPE))


def saved_logits(directory: Path) -> AdversarialDetector:
    path = saved_by_tensorflow(network(layers.Dense(3)), directory)
    return AdversarialDetector(load_classifier(path, output="logits"), image_autoencoder(SHAPE))


def normalized() -> keras.layers.Layer:
    normalization = layers.Normalization(axis=-1)
    normalization.adapt(images(50))
    return normalization


def tabular(_: Path) -> AdversarialDetector:
    x = images(200, (7,)) * np.array([1, 10, 100, 1e3, 1e-3, 1, 1], np.float32)
    normalization = layers.Normalization(axis=-1)
    normalization.adapt(x)
    classifier = keras.Sequential(
        [keras.Input((7,)), normalization, layers.Dense(8, "tanh"), layers.Dense(2, "softmax")]
    )
    return AdversarialDetector(classifier, dense_autoencoder(x))


def residual(_: Path) -> AdversarialDetector:
    """Batch normalisation, a sum, pooling, and images that are standardised one by one."""
    x = inputs = keras.Input((32, 32, 3))
    x = image_standardization()(x)
    y = layers.Conv2D(3, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.GlobalAveragePooling2D()(layers.Add()([x, y]))
    classifier = keras.Model(inputs, layers.Dense(10, activation="softmax")(y))
    return AdversarialDetector(classifier, cifar10_autoencoder())


DETECTORS: dict[str, Make] = {
    "softmax": small("softmax"),
    "logits": small("logits"),
    "sigmoid": small("sigmoid"),
    "ensemble": small("softmax", members=3),
    "rescaling": small("softmax", before=(layers.Rescaling(1 / 255, -0.5),)),
    "normalization": small("softmax", before=(normalized(),)),
    "saved model of Keras": saved_model,
    "saved model of TensorFlow, logits": saved_logits,
    "tabular": tabular,
    "residual": residual,
}


def test_the_quickstarts_scores_agree_with_tensorflows(tmp_path: Path) -> None:
    made = AdversarialDetector.load(EXAMPLE / "detector")
    batch = Batch(
        str(EXAMPLE / "test.parquet"), DataConfig(path="-", input="image"), made.input_spec
    )
    made.save(tmp_path / "bundle")
    scorer = load_scorer(tmp_path / "bundle", runtime="openvino", precision="float32")
    for chunk in batch.chunks(1000):
        x = chunk.x
        np.testing.assert_allclose(scorer.score(x), made.score(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DETECTORS)
def test_scores_agree_with_tensorflows_on_every_row(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    made = DETECTORS[name](tmp_path)
    x = images(300, made.input_spec.shape)
    made.calibrated(x, fpr=0.1).save(tmp_path / "bundle")
    scorer = load_scorer(tmp_path / "bundle", runtime="openvino", precision="float32")
    expected, found = made.outputs(x), scorer.outputs(x)
    np.testing.assert_allclose(scorer.score(x), made.score(x), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    assert (found.features is None) == (expected.features is None)
    if expected.features is not None and found.features is not None:
        np.testing.assert_allclose(found.features, expected.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        scorer.reconstruct(x[:7]), made.reconstruct(x[:7]), rtol=1e-4, atol=1e-5
    )
