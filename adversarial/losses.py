"""Objectives of the autoencoder, as functions of tensors (`keras.ops` only, so on any backend)."""

from typing import Any

from keras import ops

from adversarial.statistics import PROBABILITY_FLOOR

Tensor = Any


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence D_KL(p ‖ q) of each row, in nats (Eq. 5 and 6).

    Both arguments are clipped to [1e-7, 1] first. Clipped rows may sum to slightly more than one,
    which can push the sum below zero by at most 1e-7 per class; it is then returned as zero.

    Parameters
    ----------
    p, q : (n, n_classes) tensors of one dtype
        Probabilities.

    Returns
    -------
    (n,) tensor
        Between 0 and 16.2 (−ln 1e-7) nats.
    """
    p = ops.clip(p, PROBABILITY_FLOOR, 1.0)
    q = ops.clip(q, PROBABILITY_FLOOR, 1.0)
    return ops.maximum(ops.sum(p * ops.log(p / q), axis=-1), 0.0)


def scale_temperature(p: Tensor, temperature: float) -> Tensor:
    """Return p sharpened (T < 1) or softened (T > 1): p^(1/T), normalised (Eq. 9).

    This is softmax(z / T) for the logits z behind p, which need not be known.

    Parameters
    ----------
    p : (n, n_classes) tensor
        Probabilities.
    temperature : float
        T, above 0; 1 returns the distribution unchanged.
    """
    scaled = ops.power(p, 1.0 / temperature)
    return scaled / ops.sum(scaled, axis=-1, keepdims=True)


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean squared error of each row: the objective of the paper's baseline, AE^MSE.

    Parameters
    ----------
    x, reconstruction : (n, *input_shape) tensors
        A row and AE(x), in the units of the classifier's input.

    Returns
    -------
    (n,) tensor
        Mean over a row's values.
    """
    return ops.mean(ops.square(x - reconstruction), axis=tuple(range(1, len(x.shape))))


def project(features: Tensor, projection: Tensor) -> Tensor:
    """Return softmax(h · W), a hidden layer's features as a distribution (Eq. 7).

    Parameters
    ----------
    features : (n, n_features) tensor
        h, the flattened output of a hidden layer.
    projection : (n_features, dimension) tensor
        W, which is ψ in the paper.

    Returns
    -------
    (n, dimension) tensor
        Probabilities.
    """
    return ops.softmax(ops.matmul(features, projection), axis=-1)
