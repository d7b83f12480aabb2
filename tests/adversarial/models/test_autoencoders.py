from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.models import autoencoders as architectures
from adversarial.paper import networks


def layer_table(model: keras.Model) -> list[tuple[Any, ...]]:
    """What the paper's Appendix A lists of each layer with weights or a rate."""
    table: list[tuple[Any, ...]] = []
    for layer in model.layers:
        match layer:
            case keras.layers.Conv2DTranspose():
                table.append(("convT", layer.filters, layer.kernel_size[0], layer.strides[0]))
            case keras.layers.Conv2D():
                table.append(("conv", layer.filters, layer.kernel_size[0], layer.strides[0]))
            case keras.layers.Dense():
                table.append(("dense", layer.units))
            case keras.layers.MaxPooling2D():
                table.append(("pool", layer.pool_size[0]))
            case keras.layers.Dropout():
                table.append(("dropout", layer.rate))
    return table


ONE_BLOCK = [("pool", 2), ("dropout", 0.3)]
HEAD = [("dense", 256), ("dropout", 0.5), ("dense", 10)]
DEEP = [
    *[("conv", 64, 2, 1)] * 2,
    *ONE_BLOCK,
    *[("conv", 32, 2, 1)] * 2,
    *ONE_BLOCK,
    *HEAD,
]


@pytest.mark.parametrize(
    ("make", "shape", "expected"),
    [
        (
            networks.mnist_classifier,
            (28, 28, 1),
            [("conv", 64, 2, 1), *ONE_BLOCK, ("conv", 32, 2, 1), *ONE_BLOCK, *HEAD],
        ),
        (networks.fashion_mnist_classifier, (28, 28, 1), DEEP),
        (networks.cifar10_classifier, (32, 32, 3), DEEP),
    ],
)
def test_the_classifiers_are_the_papers(
    make: Callable[[], keras.Model], shape: tuple[int, ...], expected: list[tuple[Any, ...]]
) -> None:
    model = make()
    assert layer_table(model) == expected
    assert model.input_shape == (None, *shape)
    probabilities = np.asarray(model(np.random.default_rng(0).random((2, *shape), np.float32)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_cifar10_autoencoder_is_the_papers() -> None:
    model = architectures.cifar10_autoencoder()
    assert layer_table(model) == [
        ("conv", 32, 4, 2),
        ("conv", 64, 4, 2),
        ("conv", 256, 4, 2),
        ("dense", 40),
        ("dense", 2048),
        ("convT", 256, 4, 2),
        ("convT", 64, 4, 2),
        ("convT", 3, 4, 2),
    ]
    penalised = [
        layer.name
        for layer in model.layers
        if isinstance(getattr(layer, "kernel_regularizer", None), keras.regularizers.L1)
    ]
    assert len(penalised) == 6
    assert model.output_shape == (None, 32, 32, 3)


def test_resnet_56_has_56_weighted_layers_and_its_published_size() -> None:
    model = networks.cifar10_resnet()
    shortcuts = 2
    weighted = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    assert len(weighted) - shortcuts == 56
    # He et al. (2016), table 6: 0.85 million parameters.
    assert model.count_params() == pytest.approx(0.85e6, rel=0.02)


def test_a_resnet_of_a_depth_that_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match=r"depth is 57: expected 6 · k \+ 2"):
        networks.cifar10_resnet(depth=57)


def test_standardisation_is_image_by_image_and_bears_one_colour() -> None:
    x = np.random.default_rng(0).random((3, 32, 32, 3)).astype(np.float32)
    x[1] = 0.3 * x[1] + 0.5
    x[2] = 0.7
    found = np.asarray(architectures.image_standardization()(x))
    np.testing.assert_allclose(found[:2].mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(found[:2].std(axis=(1, 2, 3)), 1, rtol=2e-3)
    np.testing.assert_allclose(found[2], 0, atol=1e-3)


def test_cifar10_models_survive_safe_mode(tmp_path: Any) -> None:
    x = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    for model in (architectures.cifar10_autoencoder(), networks.cifar10_classifier()):
        model.save(tmp_path / "model.keras")
        copy = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
        np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(copy(x)))


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1), (9, 13, 3), (32, 32, 3)])
def test_an_image_autoencoder_keeps_shape_and_range(shape: tuple[int, ...]) -> None:
    model = architectures.image_autoencoder(shape, latent_dim=4, value_range=(-1.0, 1.0))
    x = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
    y = np.asarray(model(x))
    assert y.shape == x.shape
    assert y.min() >= -1
    assert y.max() <= 1
    assert model.get_layer("latent").units == 4


def test_the_fashion_mnist_autoencoder_is_the_papers() -> None:
    model = architectures.image_autoencoder((28, 28, 1))
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
    model = architectures.dense_autoencoder(x, latent_dim=2)
    scaled = np.asarray(model.layers[0](x))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-3)
    assert model(x[:3]).shape == (3, 2)


def test_a_dense_autoencoder_does_not_magnify_a_feature_that_was_constant() -> None:
    x = np.random.default_rng(0).normal([0, 0.1], [1, 0], (500, 2)).astype(np.float32)
    model = architectures.dense_autoencoder(x, latent_dim=2)
    changed = x[:5] + np.array([0, 0.5], np.float32)
    scaled = np.asarray(model.layers[0](np.concatenate([x[:5], changed])))
    np.testing.assert_allclose(scaled[:, 1], [0] * 5 + [0.5] * 5, atol=1e-6)
    np.testing.assert_allclose(model(changed), model(x[:5]), atol=5)


def test_a_feature_that_was_constant_is_that_constant_in_every_reconstruction(
    tmp_path: Path,
) -> None:
    x = np.random.default_rng(0).normal([0, 0.1, -7e6], [1, 0, 0], (500, 3)).astype(np.float32)
    model = architectures.dense_autoencoder(x, latent_dim=2)
    model.save(tmp_path / "model.keras")
    for autoencoder in (model, keras.saving.load_model(tmp_path / "model.keras")):
        found = np.asarray(autoencoder(x + np.float32(3)))
        assert (found[:, 1:] == x[0, 1:]).all()
        assert found[:, 0].std() > 0


def test_no_make_autoencoder_for_sequences() -> None:
    with pytest.raises(ModelError, match=r"\(5, 4\)"):
        architectures.make_autoencoder("auto", np.zeros((2, 5, 4), np.float32))
