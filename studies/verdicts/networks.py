"""The classifiers' networks, small enough to be trained in a minute or two on one core."""

import keras
import numpy as np
from keras import layers

from .data.rows import Inputs


def dense(x: Inputs, n_classes: int, width: int = 128, dropout: float = 0.0) -> keras.Model:
    """Return two dense layers behind a standardisation that the model contains.

    Each column also enters with its far values drawn in, so that amounts of money are no trouble.
    """
    variance = x.var(axis=0, dtype=np.float64)
    inputs = keras.Input(x.shape[1:])
    plain = layers.Normalization(
        mean=x.mean(axis=0, dtype=np.float64), variance=np.where(variance > 0, variance, 1)
    )(inputs)
    near = layers.Activation("softsign")(layers.Rescaling(2.0)(plain))
    hidden = layers.Dropout(dropout)(layers.Concatenate()([plain, near]))
    for units in (width, width // 2):
        hidden = layers.Dense(units, activation="relu")(hidden)
    return keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(hidden))


def convolutional(x: Inputs, n_classes: int, *, first_stride: int = 1) -> keras.Model:
    """Return three convolutions and a dense layer; `first_stride` 2 halves large images first."""
    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Conv2D(24, 3 * first_stride, strides=first_stride, padding="same"),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(96, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(n_classes, activation="softmax"),
        ]
    )


def pair(x: Inputs, n_classes: int) -> keras.Model:
    """Return one network for both halves of an image; the pair's logit is the sum of two."""
    _, height, width, channels = x.shape
    per_half = round(n_classes**0.5)
    half = keras.Sequential(
        [
            keras.Input((height, width // 2, channels)),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(per_half),
        ]
    )
    inputs = keras.Input((height, width, channels))
    left = half(layers.Cropping2D(((0, 0), (0, width // 2)))(inputs))
    right = half(layers.Cropping2D(((0, 0), (width // 2, 0)))(inputs))
    rows = layers.Reshape((per_half, 1))(left)
    columns = layers.Reshape((1, per_half))(right)
    logits = layers.Flatten()(layers.Add()([rows, columns]))
    return keras.Model(inputs, layers.Softmax()(logits))
