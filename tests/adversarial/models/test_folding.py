"""Batch normalisation that is folded into the layer before it."""

from typing import Any

import keras
import numpy as np
import pytest

from adversarial.models.folding import fold_batch_normalization
from adversarial.paper.networks import cifar10_resnet
from adversarial.training.matching import with_hidden

layers = keras.layers


def normalizations(model: keras.Model) -> int:
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers)


def unsettle(model: keras.Model) -> keras.Model:
    """Give biases, means, variances, γ and β values that are not their first."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.uniform(0.5, 1.5, w.shape) if w.ndim == 1 else w for w in model.get_weights()]
    )
    return model


def image_model(*after_input: Any) -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    for layer in after_input:
        x = layer(x)
    return unsettle(keras.Model(inputs, layers.Dense(2, "softmax")(layers.Flatten()(x))))


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (lambda: image_model(layers.Conv2D(4, 3), layers.BatchNormalization()), 0),
        (
            lambda: image_model(
                layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
                layers.BatchNormalization(scale=False, center=False, epsilon=0.1),
                layers.ReLU(),
                layers.Dense(5),
                layers.BatchNormalization(axis=3),
            ),
            0,
        ),
        (
            lambda: image_model(
                layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()
            ),
            1,
        ),
        (lambda: image_model(layers.DepthwiseConv2D(3), layers.BatchNormalization()), 1),
        (lambda: image_model(layers.Conv2D(6, 3), layers.BatchNormalization(axis=1)), 1),
        (lambda: image_model(layers.BatchNormalization(), layers.Conv2D(4, 3)), 1),
        (lambda: unsettle(cifar10_resnet()), 0),
    ],
)
def test_a_folded_model_gives_what_the_model_gives(model: Any, left: int) -> None:
    made = model()
    weights = made.get_weights()
    x = np.random.default_rng(1).random((5, *made.input_shape[1:]), np.float32)
    expected = made.predict(x, verbose=0)
    folded = fold_batch_normalization(made)
    np.testing.assert_allclose(folded.predict(x, verbose=0), expected, rtol=1e-3, atol=1e-5)
    assert normalizations(folded) == left
    for before, after in zip(weights, made.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_layer_whose_output_is_taken_elsewhere_too_is_left() -> None:
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="shown")(x)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = layers.BatchNormalization()(x)
    x = layers.BatchNormalization()(shared(shared(x)))
    both = layers.Conv2D(4, 1, name="both")(x)
    x = layers.add([both, layers.BatchNormalization()(both)])
    x = layers.BatchNormalization(name="folded")(layers.Conv2D(4, 1)(x))
    model = unsettle(keras.Model(inputs, layers.Dense(2, "softmax")(layers.Flatten()(x))))
    hidden = with_hidden(model, ["shown"])
    folded = fold_batch_normalization(hidden)
    names = {layer.name for layer in folded.layers if isinstance(layer, layers.BatchNormalization)}
    assert len(names) == 3
    assert "folded" not in names
    images = np.random.default_rng(1).random((5, 8, 8, 3), np.float32)
    expected, found = (m.predict(images, verbose=0) for m in (hidden, folded))
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-5)


def test_where_nothing_can_be_folded_the_model_itself_is_returned() -> None:
    model = image_model(layers.Conv2D(4, 3))
    assert fold_batch_normalization(model) is model
