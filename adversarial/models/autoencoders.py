"""Network architectures: the paper's, and a default autoencoder for any input shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from adversarial.errors import ModelError

STANDARDIZATION = "image_standardization"
"""Name of the layer that standardises images, by which it is recognised in a saved model too."""


def image_standardization() -> keras.layers.Layer:
    """Return a layer that gives each image mean 0 and variance 1 over all its values.

    It has no weights. An image of one colour becomes zero: one grey level squared, (1/255)², is
    added to the variance of images in [0, 1].
    """
    return layers.LayerNormalization(
        axis=(1, 2, 3), center=False, scale=False, epsilon=(1 / 255) ** 2, name=STANDARDIZATION
    )


def standardizes(autoencoder: keras.Model) -> bool:
    """Say whether an autoencoder standardises every image itself (`image_standardization`).

    If it does, it cannot know what mean and variance an image had, so it outputs standardised
    images.
    """
    return any(layer.name == STANDARDIZATION for layer in autoencoder.layers)


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


def cifar10_autoencoder(latent_dim: int = 40, l1: float = 1e-5) -> keras.Model:
    """Return the paper's CIFAR-10 autoencoder (Appendix A), untrained.

    Encoder: 4×4 convolutions with 32, 64 and 256 filters, stride 2, then a linear latent layer.
    Decoder: a dense layer of 4·4·128 = 2,048 units, then transposed 4×4 convolutions with 256, 64
    and 3 filters, stride 2. The kernel of every convolution is L1-regularised.

    Parameters
    ----------
    latent_dim : int
        Width of the bottleneck.
    l1 : float
        Factor of the L1 regularisation.

    Returns
    -------
    keras.Model
        Maps (n, 32, 32, 3) images in [0, 1] to the same shape. The input is standardised image by
        image; the output is unbounded, in units that the classifier's own standardisation removes.
    """
    convolution: dict[str, Any] = {
        "kernel_size": 4,
        "strides": 2,
        "padding": "same",
        "kernel_regularizer": keras.regularizers.L1(l1),
    }
    x = inputs = keras.Input((32, 32, 3))
    x = image_standardization()(x)
    for filters in (32, 64, 256):
        x = layers.Conv2D(filters, activation="relu", **convolution)(x)
    x = layers.Dense(latent_dim, name="latent")(layers.Flatten()(x))
    x = layers.Dense(4 * 4 * 128, activation="relu")(x)
    x = layers.Reshape((4, 4, 128))(x)
    for filters in (256, 64):
        x = layers.Conv2DTranspose(filters, activation="relu", **convolution)(x)
    x = layers.Conv2DTranspose(3, **convolution)(x)
    return keras.Model(inputs, x, name="cifar10_autoencoder")


def dense_autoencoder(
    x_train: NDArray[np.float32],
    latent_dim: int = 40,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> keras.Model:
    """Return the paper's dense autoencoder (512 – latent – 512; Appendix A), untrained.

    Flat numeric rows: each feature is standardised with the mean and variance of `x_train`, which
    are stored in the model, and the output is scaled back. A feature that is constant in `x_train`
    is that constant in every reconstruction. Images are flattened, and the output is a sigmoid.

    Parameters
    ----------
    x_train : (n, n_features) or (n, height, width, channels) float32 array
        Rows from which shape and scaling are learned.
    latent_dim : int
        Width of the bottleneck.
    value_range : (float, float)
        Smallest and largest value of a pixel; ignored for flat rows.

    Returns
    -------
    keras.Model
        Maps (n, *input_shape) to the same shape.
    """
    shape = x_train.shape[1:]
    n_features = math.prod(shape)
    before: list[keras.layers.Layer]
    after: list[keras.layers.Layer]
    if len(shape) == 1:
        mean = x_train.mean(axis=0, dtype=np.float64)
        variance = x_train.var(axis=0, dtype=np.float64)
        # A constant feature is given back as it is: a classifier that divides it by its standard
        # deviation, which is 0, magnifies the least change ten million times.
        is_constant = x_train.min(axis=0) == x_train.max(axis=0)
        mean[is_constant] = x_train[0, is_constant]
        variance[is_constant] = 1
        too_large = np.flatnonzero(~(variance < np.finfo(np.float32).max))
        if len(too_large):
            raise ModelError(
                f"feature {too_large[0]} of the training rows has values up to "
                f"{np.abs(x_train[:, too_large[0]]).max():.3g}, whose variance overflows "
                "float32: scale it, or remove the rows"
            )
        before = [layers.Normalization(mean=mean, variance=variance)]
        after = [
            layers.Dense(n_features),
            layers.Rescaling(
                np.where(is_constant, 0, np.sqrt(variance)).astype(np.float32),
                mean.astype(np.float32),
            ),
        ]
    else:
        low, high = value_range
        before = [layers.Rescaling(1 / (high - low), -low / (high - low)), layers.Flatten()]
        after = [
            layers.Dense(n_features, activation="sigmoid"),
            layers.Reshape(shape),
            layers.Rescaling(high - low, low),
        ]
    hidden = [
        layers.Dense(512, activation="relu"),
        layers.Dense(latent_dim, name="latent"),
        layers.Dense(512, activation="relu"),
    ]
    return keras.Sequential(
        [keras.Input(shape), *before, *hidden, *after], name="dense_autoencoder"
    )


def make_autoencoder(
    name: str,
    x_train: NDArray[np.float32],
    *,
    latent_dim: int | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> keras.Model:
    """Make an autoencoder by name, for the shape of the data.

    Parameters
    ----------
    name : {"auto", "image", "dense", "cifar10"}
        `image_autoencoder`, `dense_autoencoder` or `cifar10_autoencoder`; "auto" takes the first
        for images (n, height, width, channels) and the second for flat rows (n, n_features).
    x_train : float32 array
        Training rows, in the units the classifier takes.
    latent_dim : int, optional
        Width of the bottleneck; the architecture's own when not given.
    value_range : (float, float)
        Smallest and largest pixel value; ignored for flat rows.

    Raises
    ------
    ModelError
        If there is no such autoencoder, or none for rows of this shape.
    """
    width = {} if latent_dim is None else {"latent_dim": latent_dim}
    shape = x_train.shape[1:]
    match name, len(shape):
        case "auto" | "image", 3:
            return image_autoencoder(shape, value_range=value_range, **width)
        case ("auto", 1) | ("dense", 1 | 3):
            return dense_autoencoder(x_train, value_range=value_range, **width)
        case "cifar10", 3 if shape == (32, 32, 3):
            return cifar10_autoencoder(**width)
        case "auto", _:
            raise ModelError(
                f"no default autoencoder for rows of shape {shape}: expected an image (height, "
                "width, channels) or a flat row (features,); give a .keras file of your own"
            )
        case "image" | "dense" | "cifar10", _:
            raise ModelError(f"the autoencoder {name!r} is not for rows of shape {shape}")
    raise ModelError(
        f"no autoencoder {name!r}: expected auto, image, dense, cifar10 or a .keras file"
    )
