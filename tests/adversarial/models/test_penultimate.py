"""What the penultimate layer of a classifier says."""

from typing import Any

import keras
import numpy as np
import pytest

from adversarial.models.output_kind import with_probabilities
from adversarial.models.penultimate import FEATURES, random_projection, with_features

L = keras.layers


def dense() -> keras.Model:
    return keras.Sequential(
        [L.Input((6,)), L.Dense(16, "relu", name="hidden"), L.Dropout(0.5), L.Dense(3, "softmax")]
    )


def within() -> keras.Model:
    """A model within a model, logits, and what makes two probabilities of one unit."""
    inner = keras.Sequential([L.Input((6,)), L.Dense(16, "relu", name="hidden"), L.Dense(1)])
    x = keras.Input((6,))
    return with_probabilities(keras.Model(x, inner(L.Rescaling(2.0)(x))), "logits")


def pooled() -> keras.Model:
    x = keras.Input((6, 6, 3))
    maps = L.Conv2D(5, 3, name="hidden")(x)
    return keras.Model(x, L.Softmax()(L.GlobalAveragePooling2D()(L.Conv2D(4, 1)(maps))))


@pytest.mark.parametrize("make", [dense, within, pooled])
def test_features_are_the_input_of_the_last_weights(make: Any) -> None:
    keras.utils.set_random_seed(0)
    classifier = make()
    model = with_features(classifier)
    assert model is not None
    x = np.random.default_rng(0).random((7, *classifier.input_shape[1:]), np.float32)
    probabilities, features = model(x, training=False)
    np.testing.assert_allclose(probabilities, classifier(x, training=False), atol=1e-6)
    if make is within:
        inner = classifier.layers[2]
        expected = inner.get_layer("hidden")(2 * x)
    else:
        expected = classifier.get_layer("hidden")(x)
        if make is pooled:
            expected = keras.ops.mean(expected, (1, 2))
    np.testing.assert_allclose(features, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["dense", "dense_1", "activation", "global_average_pooling2d"])
def test_layers_with_the_names_that_keras_counts_up_are_no_obstacle(name: str) -> None:
    # Another process made the classifier, so that this one counts from the beginning.
    keras.backend.clear_session()
    x = keras.Input((6, 6, 3))
    maps = L.Conv2D(70, 3)(x)
    classifier = keras.Model(x, L.Softmax()(L.Flatten()(L.Conv2D(4, 4, name=name)(maps))))
    keras.backend.clear_session()
    assert with_features(classifier) is not None


def test_a_wide_layer_is_projected_always_in_the_same_way() -> None:
    classifier = keras.Sequential(
        [L.Input((4,)), L.Dense(300, name="hidden"), L.Dense(2, "softmax")]
    )
    model = with_features(classifier)
    assert model is not None
    x = np.eye(4, dtype=np.float32)
    features = np.asarray(model(x)[1])
    assert features.shape == (4, FEATURES)
    hidden = np.asarray(classifier.get_layer("hidden")(x))
    np.testing.assert_allclose(features, hidden @ random_projection(300, FEATURES), atol=1e-5)


def subclassed() -> keras.Model:
    class Classifier(keras.Model):  # type: ignore[misc]  # keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.layer = L.Dense(3, "softmax")

        def call(self, x: Any) -> Any:
            return self.layer(x)

    x = keras.Input((6,))
    return keras.Model(x, Classifier()(x))


def shallow() -> keras.Model:
    return keras.Sequential([L.Input((6,)), L.Dense(3, "softmax")])


@pytest.mark.parametrize("make", [subclassed, shallow])
def test_where_there_is_none_to_reach_there_are_no_features(make: Any) -> None:
    assert with_features(make()) is None
