"""The adversarial score of a detector, differentiable everywhere."""

from collections.abc import Callable

import tensorflow as tf

from adversarial.attacks.core.logits import logits_of
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.ensemble import normalise_weights

Score = Callable[[tf.Tensor], tf.Tensor]


def score_of(detector: AdversarialDetector | Score) -> Score:
    """Return the detector's score as a function of tensors that has a gradient everywhere.

    The score used for flagging clips probabilities at 1e-7, and what is clipped has no gradient.
    Here the divergence is computed from logits, without clipping: it is the same except where a
    probability lies below that, and there it is larger by no more than the classes' probability
    times the difference in logits.

    Parameters
    ----------
    detector : AdversarialDetector or callable
        A detector; a function from rows to scores is returned as it is.
    """
    if not isinstance(detector, AdversarialDetector):
        return detector
    beta = 1 / detector.score_temperature  # softmax(z / T) is Eq. 9
    shares = normalise_weights(detector.weights, "float32")
    logits = logits_of(detector.classifier)

    def log_probabilities(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.log_softmax(beta * logits(x))

    def score(x: tf.Tensor) -> tf.Tensor:
        log_p = log_probabilities(x)
        return tf.add_n(
            [
                share * _divergence(log_p, log_probabilities(member(x, training=False)))
                for share, member in zip(shares, detector.autoencoders, strict=True)
            ]
        )

    return score


def _divergence(log_p: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)
