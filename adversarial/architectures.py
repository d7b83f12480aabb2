"""Network architectures: the paper's, and a default autoencoder for any input shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from adversarial.errors import ModelError


def fashion_mnist_classifier(n_classes: int = 10) -> keras.Model:
    """Return the paper's Fashion-MNIST classifier (Appendix A), untrained.

    Two blocks, each of two 2×2 convolutions (64, then 32 filters), max-pooling and 30 % dropout;
    a dense layer of 256 units with 50 % dropout; softmax.

    Parameters
    ----------
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Maps (n, 28, 28, 1) images in [0, 1] to (n, n_classes) probabilities.
    """
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 2, padding="same", activation="relu"),
            layers.Conv2D(64, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.3),
            layers.Conv2D(32, 2, padding="same", activation="relu"),
            layers.Conv2D(32, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="fashion_mnist_classifier",
    )


def image_autoencoder(
    input_shape: Sequence[int], latent_dim: int = 10, value_range: tuple[float, float] = (0.0, 1.0)
) -> keras.Model:
    """Return the paper's MNIST/Fashion-MNIST autoencoder (Appendix A), fitted to `input_shape`.

    Encoder: 4×4 convolutions with 64, 128 and 512 filters, stride 2, then a linear latent layer.
    Decoder: a dense layer, then transposed 3×3 convolutions with 64 and 32 filters (stride 2) and
    one per channel (stride 1), sigmoid. At 28×28×1 these are the paper's numbers exactly (dense
    layer of 7·7·32 = 1,568 units); other sizes are decoded from a quarter of their size, rounded
    up, and cropped.

    Parameters
    ----------
    input_shape : sequence of int
        (height, width, channels) of one image.
    latent_dim : int
        Width of the bottleneck.
    value_range : (float, float)
        Smallest and largest value of a pixel; the network works on [0, 1] inside.

    Returns
    -------
    keras.Model
        Maps (n, height, width, channels) to the same shape, within `value_range`.
    """
    height, width, channels = input_shape
    low, high = value_range
    rows, columns = math.ceil(height / 4), math.ceil(width / 4)

    x = inputs = keras.Input(tuple(input_shape))
    if value_range != (0.0, 1.0):
        x = layers.Rescaling(1 / (high - low), -low / (high - low))(x)
    for filters in (64, 128, 512):
        x = layers.Conv2D(filters, 4, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(latent_dim, name="latent")(layers.Flatten()(x))
    x = layers.Dense(rows * columns * 32, activation="relu")(x)
    x = layers.Reshape((rows, columns, 32))(x)
    for filters in (64, 32):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(channels, 3, padding="same", activation="sigmoid")(x)
    if (rows * 4, columns * 4) != (height, width):
        x = layers.Cropping2D(((0, rows * 4 - height), (0, columns * 4 - width)))(x)
    if value_range != (0.0, 1.0):
        x = layers.Rescaling(high - low, low)(x)
    return keras.Model(inputs, x, name="image_autoencoder")


def dense_autoencoder(x_train: NDArray[np.float32], latent_dim: int = 40) -> keras.Model:
    """Return the paper's dense autoencoder (512 – latent – 512; Appendix A) for flat numeric rows.

    Each feature is standardised with the mean and variance of `x_train`, which are stored in the
    model, and the output is scaled back. A feature that is constant in `x_train` is only centred.

    Parameters
    ----------
    x_train : (n, n_features) float32 array
        Rows from which the scaling is learned.
    latent_dim : int
        Width of the bottleneck.

    Returns
    -------
    keras.Model
        Maps (n, n_features) to the same shape.
    """
    n_features = x_train.shape[1]
    mean = x_train.mean(axis=0, dtype=np.float64)
    variance = x_train.var(axis=0, dtype=np.float64)
    # Keras divides by at least 1e-7: a constant feature's least change would drown all others.
    variance[variance == 0] = 1

    inputs = keras.Input((n_features,))
    x = layers.Normalization(mean=mean, variance=variance)(inputs)
    x = layers.Dense(512, activation="relu")(x)
    x = layers.Dense(latent_dim, name="latent")(x)
    x = layers.Dense(512, activation="relu")(x)
    x = layers.Dense(n_features)(x)
    x = layers.Normalization(mean=mean, variance=variance, invert=True)(x)
    return keras.Model(inputs, x, name="dense_autoencoder")


def default_autoencoder(
    x_train: NDArray[np.float32],
    *,
    latent_dim: int | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> keras.Model:
    """Choose an autoencoder by the shape of the data: images (n, h, w, c) or flat rows (n, d).

    Parameters
    ----------
    x_train : float32 array
        Training rows, in the units the classifier takes.
    latent_dim : int, optional
        Width of the bottleneck; 10 for images and 40 for flat rows when not given.
    value_range : (float, float)
        Smallest and largest pixel value; ignored for flat rows.

    Raises
    ------
    ModelError
        If a row is neither an image nor flat.
    """
    match x_train.ndim:
        case 4:
            return image_autoencoder(x_train.shape[1:], latent_dim or 10, value_range)
        case 2:
            return dense_autoencoder(x_train, latent_dim or 40)
    raise ModelError(
        f"no default autoencoder for rows of shape {x_train.shape[1:]}: expected an image "
        "(height, width, channels) or a flat row (features,)"
    )
