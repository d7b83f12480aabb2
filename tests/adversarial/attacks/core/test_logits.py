import keras
import numpy as np
import pytest
import tensorflow as tf

from adversarial.attacks.core.logits import logits_of
from adversarial.models.output_kind import with_probabilities

layers = keras.layers


def dense_softmax() -> keras.Model:
    return keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")])


def activation() -> keras.Model:
    return keras.Sequential([keras.Input((5,)), layers.Dense(3), layers.Activation("softmax")])


def softmax_layer() -> keras.Model:
    return keras.Sequential([keras.Input((5,)), layers.Dense(3, use_bias=False), layers.Softmax()])


def nested() -> keras.Model:
    inputs = keras.Input((5,))
    return keras.Model(inputs, dense_softmax()(layers.Rescaling(2.0)(inputs)))


def behind_dropout() -> keras.Model:
    return keras.Sequential([*dense_softmax().layers, layers.Dropout(0.9)])


def declared_logits() -> keras.Model:
    return with_probabilities(keras.Sequential([keras.Input((5,)), layers.Dense(3)]), "logits")


def sigmoid() -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1, activation="sigmoid")])
    return with_probabilities(model, "sigmoid")


def log_odds() -> keras.Model:
    return with_probabilities(keras.Sequential([keras.Input((5,)), layers.Dense(1)]), "logits")


MODELS = [
    dense_softmax,
    activation,
    softmax_layer,
    nested,
    behind_dropout,
    declared_logits,
    sigmoid,
    log_odds,
]


def saturated(make: object) -> keras.Model:
    """Weights so large that every probability is 0 or 1."""
    keras.utils.set_random_seed(0)
    model = make()  # type: ignore[operator]
    model.set_weights([weights * 1e5 for weights in model.get_weights()])
    return model


@pytest.mark.parametrize("make", MODELS)
def test_the_softmax_of_the_logits_is_the_model(make: object) -> None:
    keras.utils.set_random_seed(0)
    model = make()  # type: ignore[operator]
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    found = tf.nn.softmax(logits_of(model)(tf.constant(x))).numpy()
    np.testing.assert_allclose(found, model(x, training=False), atol=1e-6)


@pytest.mark.parametrize("make", MODELS)
def test_logits_have_a_gradient_where_probabilities_have_none(make: object) -> None:
    model = saturated(make)
    x = tf.constant(np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        probability = tf.reduce_sum(model(x, training=False)[:, 0])
        logit = tf.reduce_sum(logits_of(model)(x) * [[1.0] + [-1.0] * (model.output_shape[1] - 1)])
    assert np.count_nonzero(tape.gradient(probability, x)) == 0
    assert (np.abs(tape.gradient(logit, x)).max(axis=1) > 1).all()


def test_a_model_that_keeps_its_layers_to_itself_gives_log_probabilities() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = dense_softmax()

        def call(self, x: object) -> object:
            return self.inner(x)

    model = Own()
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    p = np.asarray(model(x))
    np.testing.assert_allclose(logits_of(model)(tf.constant(x)), np.log(p), atol=1e-5)


def test_what_ends_without_an_activation_gives_logits() -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    np.testing.assert_array_equal(logits_of(model)(x), model(x))


def test_a_function_is_taken_for_logits() -> None:
    def function(x: tf.Tensor) -> tf.Tensor:
        return 2 * x

    assert logits_of(function) is function


def test_the_model_is_not_changed_and_later_weights_count() -> None:
    model = dense_softmax()
    logits = logits_of(model)
    before = [layer.get_config() for layer in model.layers]
    x = tf.ones((1, 5))
    model.set_weights([weights * 0 for weights in model.get_weights()])
    np.testing.assert_array_equal(logits(x), np.zeros((1, 3)))
    assert [layer.get_config() for layer in model.layers] == before
