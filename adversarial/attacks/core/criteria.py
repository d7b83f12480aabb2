"""What an attack is to achieve: criteria that say how far rows are from it, alone or combined.

A criterion is a function of tensors that an attack can differentiate. The usual one is
misclassification; against a defence, several must be met at once, and are combined with `&`:
`Misclassified(classifier) & Unflagged(detector)`.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf

from adversarial.attacks.core.logits import Logits, logits_of
from adversarial.attacks.core.scores import Score, score_of
from adversarial.detector.detector import AdversarialDetector
from adversarial.errors import ModelError

SATURATED = 1e-6
"""Cross-entropy in nats below which float32 has few of its digits left."""


class CriterionResult(NamedTuple):
    """How far n rows are from meeting a criterion.

    Attributes
    ----------
    loss : (n,) tensor
        A smooth function that gradient ascent raises, such as the cross-entropy in nats.
    margin : (n,) tensor
        At most 0 where the criterion is met, in logits or nats. C&W lowers it, and where an attack
        fails, it says which point came closest.
    met : (n,) bool tensor
        Whether the criterion is met.
    first_met : (n,) bool tensor, optional
        Whether the first of several criteria is met; the same as `met` by default.
    """

    loss: tf.Tensor
    margin: tf.Tensor
    met: tf.Tensor
    first_met: tf.Tensor = None


class Criterion(abc.ABC):
    """What an attack is to achieve.

    A criterion of your own is a subclass with a `__call__` that TensorFlow can differentiate
    (`docs/extending.md` has a complete one). It is called with any number of rows and is compiled
    into the attack.
    """

    @abc.abstractmethod
    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> CriterionResult:
        """Return how far the rows `x`, (n, *input_shape), of the classes `y`, (n,), are from it."""

    def __and__(self, other: Criterion) -> All:
        """Return the criterion that is met where both are."""
        return All((self, other))


@dataclass(frozen=True)
class Misclassified(Criterion):
    """The class with the largest logit is not y.

    Parameters
    ----------
    model : keras.Model or callable
        A classifier, from which the logits are derived (`attacks.core.logits`), or a function from
        rows to logits, (n, n_classes).
    confidence : float
        κ, by how much another logit must exceed that of y.
    """

    model: keras.Model | Logits
    confidence: float = 0.0

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> CriterionResult:
        """Return the cross-entropy, and z_y − max of the other logits + κ (C&W's f₆).

        Near a cross-entropy of 0, its gradient loses first the part of y and then all of it to
        rounding; there the loss is the negative margin, whose gradient it tends to.
        """
        logits = logits_of(self.model)(x)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        true = tf.one_hot(y, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
        own = tf.reduce_max(tf.where(true, logits, logits.dtype.min), axis=-1)
        other = tf.reduce_max(tf.where(true, logits.dtype.min, logits), axis=-1)
        # By class, not by margin: of two equal logits the classifier picks the first.
        met = tf.argmax(logits, axis=-1, output_type=y.dtype) != y
        margin = own - other + self.confidence
        loss = tf.where(loss < SATURATED, -margin, loss)
        return CriterionResult(loss, margin, met & (margin <= 0))


@dataclass(frozen=True)
class Unflagged(Criterion):
    """The detector's score is at most the threshold: S(x) ≤ t.

    Parameters
    ----------
    detector : AdversarialDetector or callable
        A detector, whose score is computed so that it has a gradient everywhere
        (`attacks.core.scores`), or a differentiable function from rows to scores S, (n,) in nats.
    threshold : float, optional
        t in nats; the detector's own when not given.

    Raises
    ------
    ModelError
        If a function is given without a threshold.
    """

    detector: AdversarialDetector | Score
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is None and not isinstance(self.detector, AdversarialDetector):
            raise ModelError("Unflagged with a function: expected a threshold too")

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> CriterionResult:  # noqa: ARG002  # any class
        """Return −S, and S − t."""
        threshold = self.threshold
        if threshold is None and isinstance(self.detector, AdversarialDetector):
            threshold = self.detector.threshold
        score = score_of(self.detector)(x)
        return CriterionResult(-score, score - threshold, score <= threshold)


@dataclass(frozen=True)
class All(Criterion):
    """Several criteria at once, such as misclassified and unflagged; `&` makes one of two.

    Parameters
    ----------
    criteria : sequence of criteria
        What is to be met.
    weights : sequence of float, optional
        Weights of their losses and margins; 1 each by default.
    selective : bool
        Raise, row by row, the loss of the first criterion that is not met, instead of the weighted
        sum (selective projected gradient descent, Bryniarski et al. 2022, section 4.1): a criterion
        whose loss is large does not drown the others.
    """

    criteria: Sequence[Criterion]
    weights: Sequence[float] | None = None
    selective: bool = False

    def __and__(self, other: Criterion) -> All:
        """Return one `All`, so that `a & b & c` weighs three criteria, not a pair and one."""
        if self.weights is None and not self.selective:
            return All((*self.criteria, other))
        return super().__and__(other)

    def __call__(
        self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor | float = 1.0
    ) -> CriterionResult:
        """Return the loss, and the weighted sum of the margins that are still above 0.

        `weight`, (n,) or one number, is each row's factor on all criteria but the first.
        """
        found = [criterion(x, y) for criterion in self.criteria]
        shares = self.weights or [1.0] * len(found)
        weights = [shares[0], *(share * weight for share in shares[1:])]
        pairs = list(zip(weights, found, strict=True))
        met = tf.reduce_all(tf.stack([result.met for result in found]), axis=0)
        missing = tf.add_n([weight * tf.nn.relu(result.margin) for weight, result in pairs])
        if self.selective:
            loss = found[-1].loss
            for result in reversed(found[:-1]):
                loss = tf.where(result.met, loss, result.loss)
        else:
            loss = tf.add_n([weight * result.loss for weight, result in pairs])
        return CriterionResult(loss, missing, met, found[0].met)
