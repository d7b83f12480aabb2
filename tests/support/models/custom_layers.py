"""Classes and a function that a user's classifier may be built from, unknown to Keras."""

from typing import Any

import keras


class Double(keras.layers.Layer):  # type: ignore[misc]  # keras is untyped
    def call(self, x: Any) -> Any:
        return 2 * x


class Registered(Double):
    """Known to Keras as `zoo>Registered`, once this module has been imported."""


keras.saving.register_keras_serializable("zoo")(Registered)


def tempered(x: Any) -> Any:
    return keras.ops.softmax(x / 2)


class Net(keras.Model):  # type: ignore[misc]  # keras is untyped
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.flatten = keras.layers.Flatten()
        self.head = keras.layers.Dense(3, activation="softmax")

    def call(self, x: Any) -> Any:
        return self.head(self.flatten(x))


@keras.saving.register_keras_serializable("tests")
class Beta(keras.layers.Layer):  # type: ignore[misc]  # keras is untyped
    """The regularised incomplete beta function, which few inference engines have."""

    def call(self, x: Any) -> Any:
        import tensorflow as tf

        return tf.math.betainc(2.0 + 0 * x, 2.0 + 0 * x, tf.clip_by_value(x, 0.0, 1.0))
