"""The paper's classifiers (section 4 and appendix)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from adversarial.errors import ModelError
from adversarial.models.autoencoders import image_standardization


def mnist_classifier(n_classes: int = 10) -> keras.Model:
    """Return the paper's MNIST classifier (Appendix A), untrained.

    Two 2×2 convolutions (64 and 32 filters), each followed by max-pooling and 30 % dropout; a dense
    layer of 256 units with 50 % dropout; softmax.

    Parameters
    ----------
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Maps (n, 28, 28, 1) images in [0, 1] to (n, n_classes) probabilities.
    """
    return _convolutional_classifier((28, 28, 1), n_classes, 1, "mnist_classifier")


def fashion_mnist_classifier(n_classes: int = 10) -> keras.Model:
    """Return the paper's Fashion-MNIST classifier (Appendix A), untrained.

    As `mnist_classifier`, but with two convolutions in each of the two blocks.

    Parameters
    ----------
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Maps (n, 28, 28, 1) images in [0, 1] to (n, n_classes) probabilities.
    """
    return _convolutional_classifier((28, 28, 1), n_classes, 2, "fashion_mnist_classifier")


def cifar10_classifier(n_classes: int = 10) -> keras.Model:
    """Return the paper's simple CIFAR-10 classifier (Appendix A), untrained.

    The Fashion-MNIST architecture, after standardising each image.

    Parameters
    ----------
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Maps (n, 32, 32, 3) images in [0, 1] to (n, n_classes) probabilities.
    """
    return _convolutional_classifier(
        (32, 32, 3), n_classes, 2, "cifar10_classifier", standardize=True
    )


def _convolutional_classifier(
    shape: tuple[int, int, int],
    n_classes: int,
    convolutions: int,
    name: str,
    *,
    standardize: bool = False,
) -> keras.Model:
    """Return the paper's classifier with `convolutions` convolutions in each of its two blocks."""
    x = inputs = keras.Input(shape)
    if standardize:
        x = image_standardization()(x)
    for block, filters in enumerate((64, 32), start=1):
        for number in range(1, convolutions + 1):
            x = layers.Conv2D(
                filters, 2, padding="same", activation="relu", name=f"block{block}_conv{number}"
            )(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        x = layers.Dropout(0.3, name=f"block{block}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(256, activation="relu", name="dense")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Dense(n_classes, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs, x, name=name)


def cifar10_resnet(
    n_classes: int = 10, depth: int = 56, weight_decay: float = 2.5e-4
) -> keras.Model:
    """Return the residual network for CIFAR-10 (the paper's is ResNet-56), untrained.

    He et al., "Deep Residual Learning for Image Recognition" (2016), section 4.2: a 3×3
    convolution, then three stages of (depth − 2) / 6 blocks with 16, 32 and 64 filters; batch
    normalisation, shortcuts of 1×1 convolutions where the size changes.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    depth : int
        Number of weighted layers, 6 · k + 2.
    weight_decay : float
        Factor of the squared weights of the convolutions in the loss.

    Returns
    -------
    keras.Model
        Maps (n, 32, 32, 3) images in [0, 1] to (n, n_classes) probabilities.
    """
    blocks, remainder = divmod(depth - 2, 6)
    if remainder or blocks < 1:
        raise ModelError(f"depth is {depth}: expected 6 · k + 2, such as 20, 56 or 110")

    def convolve(x: Any, filters: int, size: int, strides: int, name: str) -> Any:
        x = layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(weight_decay),
            name=f"{name}_conv",
        )(x)
        return layers.BatchNormalization(name=f"{name}_normalization")(x)

    x = inputs = keras.Input((32, 32, 3))
    x = layers.ReLU(name="stem_relu")(convolve(image_standardization()(x), 16, 3, 1, "stem"))
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(1, blocks + 1):
            name = f"stage{stage}_block{block}"
            strides = 2 if stage > 1 and block == 1 else 1
            residual = convolve(x, filters, 3, strides, f"{name}_first")
            residual = layers.ReLU(name=f"{name}_first_relu")(residual)
            residual = convolve(residual, filters, 3, 1, f"{name}_second")
            shortcut = x if strides == 1 else convolve(x, filters, 1, strides, f"{name}_shortcut")
            x = layers.ReLU(name=f"{name}_relu")(
                layers.Add(name=f"{name}_add")([residual, shortcut])
            )
    x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
    x = layers.Dense(n_classes, activation="softmax", kernel_initializer="he_normal")(x)
    return keras.Model(inputs, x, name=f"cifar10_resnet{depth}")
