"""What an attack is after: criteria that say how far rows are from it, alone or combined.

A criterion is a function of tensors that an attack can differentiate. The plain one is to have the
classifier misclassify; against a defence, more must be met at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import keras
import tensorflow as tf

from adversarial.attacks.core.logits import Logits, logits_of

SATURATED = 1e-6
"""Cross-entropy in nats, below which float32 has few digits of it left."""


class Aim(NamedTuple):
    """How far n rows are from what an attack is after.

    Attributes
    ----------
    loss : (n,) tensor
        What an attack by gradient ascent raises, smooth: the cross-entropy, in nats.
    margin : (n,) tensor
        At most 0 where the criterion is met, in logits or nats; what C&W lowers.
    met : (n,) bool tensor
        Whether it is met.
    first_met : (n,) bool tensor
        Of several criteria, whether the first is met; of one, the same as `met`.
    """

    loss: tf.Tensor
    margin: tf.Tensor
    met: tf.Tensor
    first_met: tf.Tensor


class Criterion(Protocol):
    """What an attack is after."""

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> Aim:
        """Return how far the rows `x`, (n, *input_shape), of the classes `y`, (n,), are from it."""


@dataclass(frozen=True)
class Misclassified:
    """The class of the largest logit is not y.

    Parameters
    ----------
    model : keras.Model or callable
        A classifier, whose logits are found (`attacks.core.logits`), or a function from rows
        to logits, (n, n_classes).
    confidence : float
        κ, by how much another logit must exceed that of y.
    """

    model: keras.Model | Logits
    confidence: float = 0.0

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> Aim:
        """Return the cross-entropy, and z_y − max of the other logits + κ (C&W's f₆).

        Where the cross-entropy is 0 to the last bit, its gradient has lost the part of y, and soon
        all of it; there the loss is the margin's negative, whose gradient it tends to.
        """
        logits = logits_of(self.model)(x)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        true = tf.one_hot(y, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
        own = tf.reduce_max(tf.where(true, logits, logits.dtype.min), axis=-1)
        other = tf.reduce_max(tf.where(true, logits.dtype.min, logits), axis=-1)
        # By the class, not by the margin: of two equal logits the classifier names the first.
        met = tf.argmax(logits, axis=-1, output_type=y.dtype) != y
        margin = own - other + self.confidence
        loss = tf.where(loss < SATURATED, -margin, loss)
        met &= margin <= 0
        return Aim(loss, margin, met, met)


@dataclass(frozen=True)
class Unflagged:
    """The detector's score is at most the threshold: S(x) ≤ t.

    Parameters
    ----------
    score : callable
        From rows to scores S, (n,) in nats, differentiable.
    threshold : float
        t in nats.
    """

    score: Callable[[tf.Tensor], tf.Tensor]
    threshold: float

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> Aim:  # noqa: ARG002  # no class matters here
        """Return −S, and S − t."""
        score = self.score(x)
        met = score <= self.threshold
        return Aim(-score, score - self.threshold, met, met)


@dataclass(frozen=True)
class All:
    """Several criteria at once, e.g. misclassified and unflagged.

    Parameters
    ----------
    criteria : sequence of criteria
        What is to be met.
    weights : sequence of float, optional
        Of their losses and margins; 1 each when not given.
    selective : bool
        Raise, row by row, the loss of the first criterion that is not met, instead of the weighted
        sum (selective projected gradient descent, Bryniarski et al. 2022, section 4.1): a criterion
        whose loss is large does not drown the others.
    """

    criteria: Sequence[Criterion]
    weights: Sequence[float] | None = None
    selective: bool = False

    def __call__(self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor | float = 1.0) -> Aim:
        """Return the loss, and the weighted sum of the margins that are still above 0.

        `weight`, (n,) or one number, is a row's own factor on all criteria but the first.
        """
        aims = [criterion(x, y) for criterion in self.criteria]
        shares = self.weights or [1.0] * len(aims)
        weights = [shares[0], *(share * weight for share in shares[1:])]
        pairs = list(zip(weights, aims, strict=True))
        met = tf.reduce_all(tf.stack([aim.met for aim in aims]), axis=0)
        first = aims[0].met
        missing = tf.add_n([weight * tf.nn.relu(aim.margin) for weight, aim in pairs])
        if not self.selective:
            return Aim(tf.add_n([weight * aim.loss for weight, aim in pairs]), missing, met, first)
        loss = aims[-1].loss
        for aim in reversed(aims[:-1]):
            loss = tf.where(aim.met, loss, aim.loss)
        return Aim(loss, missing, met, first)
