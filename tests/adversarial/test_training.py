from pathlib import Path

import keras
import numpy as np
import pytest

from adversarial.architectures import default_autoencoder, dense_autoencoder, image_autoencoder
from adversarial.errors import ModelError
from adversarial.losses import kl_divergence
from adversarial.training import fit_autoencoder
from tests.animals import make_images


@pytest.fixture
def classifier(classifier_file: Path) -> keras.Model:
    return keras.saving.load_model(classifier_file)


def rows(n: int = 256) -> np.ndarray:
    return np.asarray(make_images(n, seed=5)[0][..., None] / np.float32(255))


def mean_kl(classifier: keras.Model, autoencoder: keras.Model, x: np.ndarray) -> float:
    p = classifier(x, training=False)
    q = classifier(autoencoder(x, training=False), training=False)
    return float(np.mean(kl_divergence(p, q)))


def test_training_brings_the_predictions_on_reconstructions_closer(
    classifier: keras.Model,
) -> None:
    x = rows()
    keras.utils.set_random_seed(0)
    autoencoder = default_autoencoder(x)
    before = mean_kl(classifier, autoencoder, x)
    history = fit_autoencoder(classifier, autoencoder, x, epochs=6, verbose=0)
    assert mean_kl(classifier, autoencoder, x) < 0.7 * before
    assert len(history["loss"]) == len(history["val_loss"]) == 6


def test_the_reported_loss_is_the_mean_divergence(classifier: keras.Model) -> None:
    x = rows(100)
    autoencoder = default_autoencoder(x)
    history = fit_autoencoder(
        classifier, autoencoder, x, epochs=1, learning_rate=0.0, validation_split=0.2, verbose=0
    )
    order = np.random.default_rng(0).permutation(100)
    expected = mean_kl(classifier, autoencoder, x[order[:20]])
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_the_classifier_handed_in_is_not_changed(classifier: keras.Model) -> None:
    weights = [w.copy() for w in classifier.get_weights()]
    trainable = [layer.trainable for layer in classifier.layers]
    x = rows(64)
    fit_autoencoder(classifier, default_autoencoder(x), x, epochs=1, verbose=0)
    for before, after in zip(weights, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert [layer.trainable for layer in classifier.layers] == trainable
    assert classifier.trainable


def test_the_same_seed_trains_the_same_autoencoder(classifier: keras.Model) -> None:
    x = rows(128)

    def train(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        autoencoder = default_autoencoder(x)
        fit_autoencoder(classifier, autoencoder, x, epochs=1, seed=seed, verbose=0)
        return np.asarray(autoencoder(x[:8]))

    first = train(1)
    np.testing.assert_array_equal(first, train(1))
    assert not np.allclose(first, train(2))


def test_the_target_is_predicted_once_per_row_not_once_per_epoch(
    classifier: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = []
    predict = type(classifier).predict

    def counting(self: keras.Model, x: np.ndarray, **options: object) -> np.ndarray:
        predicted.append(len(x))
        return np.asarray(predict(self, x, **options))

    monkeypatch.setattr(type(classifier), "predict", counting)
    x = rows(64)
    fit_autoencoder(classifier, default_autoencoder(x), x, epochs=3, verbose=0)
    assert predicted == [64]


def test_temperature_changes_what_is_learned(classifier: keras.Model) -> None:
    x = rows(128)

    def loss(temperature: float) -> float:
        keras.utils.set_random_seed(0)
        history = fit_autoencoder(
            classifier, default_autoencoder(x), x, epochs=1, temperature=temperature, verbose=0
        )
        return history["loss"][0]

    assert loss(1.0) != pytest.approx(loss(4.0), rel=1e-3)


def test_a_classifier_that_gives_logits_is_refused() -> None:
    x = rows(16)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(ModelError, match="softmax"):
        fit_autoencoder(model, default_autoencoder(x), x, epochs=1, verbose=0)


def test_rows_of_another_shape_than_the_autoencoders_are_refused(classifier: keras.Model) -> None:
    with pytest.raises(ModelError, match=r"\(4, 4, 1\).*\(8, 8, 1\)"):
        fit_autoencoder(classifier, image_autoencoder((4, 4, 1)), rows(16), verbose=0)


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1), (9, 13, 3), (32, 32, 3)])
def test_an_image_autoencoder_keeps_shape_and_range(shape: tuple[int, ...]) -> None:
    model = image_autoencoder(shape, latent_dim=4, value_range=(-1.0, 1.0))
    x = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
    y = np.asarray(model(x))
    assert y.shape == x.shape
    assert y.min() >= -1
    assert y.max() <= 1
    assert model.get_layer("latent").units == 4


def test_the_fashion_mnist_autoencoder_is_the_papers() -> None:
    model = image_autoencoder((28, 28, 1))
    convolutions = [
        (layer.filters, layer.kernel_size, layer.strides)
        for layer in model.layers
        if hasattr(layer, "filters")
    ]
    assert convolutions == [
        (64, (4, 4), (2, 2)),
        (128, (4, 4), (2, 2)),
        (512, (4, 4), (2, 2)),
        (64, (3, 3), (2, 2)),
        (32, (3, 3), (2, 2)),
        (1, (3, 3), (1, 1)),
    ]
    dense = [layer.units for layer in model.layers if hasattr(layer, "units")]
    assert dense == [10, 1568]


def test_a_dense_autoencoder_scales_features_by_the_training_rows() -> None:
    x = np.random.default_rng(0).normal([0, 1e4], [1, 1e3], (500, 2)).astype(np.float32)
    model = dense_autoencoder(x, latent_dim=2)
    scaled = np.asarray(model.layers[1](x))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-3)
    assert model(x[:3]).shape == (3, 2)


def test_a_dense_autoencoder_does_not_magnify_a_feature_that_was_constant() -> None:
    x = np.random.default_rng(0).normal([0, 0.1], [1, 0], (500, 2)).astype(np.float32)
    model = dense_autoencoder(x, latent_dim=2)
    changed = x[:5] + np.array([0, 0.5], np.float32)
    scaled = np.asarray(model.layers[1](np.concatenate([x[:5], changed])))
    np.testing.assert_allclose(scaled[:, 1], [0] * 5 + [0.5] * 5, atol=1e-6)
    np.testing.assert_allclose(model(changed), model(x[:5]), atol=5)


def test_no_default_autoencoder_for_sequences() -> None:
    with pytest.raises(ModelError, match=r"\(5, 4\)"):
        default_autoencoder(np.zeros((2, 5, 4), np.float32))
