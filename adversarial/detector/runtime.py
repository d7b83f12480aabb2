"""The seam between a detector and what computes its outputs: one call, one pass.

Another runtime (a different inference engine for the same models) is a callable with the same
signature as `TensorFlowRuntime`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.losses import kl_divergence
from adversarial.models.penultimate import with_features


class Outputs(NamedTuple):
    """The outputs of one pass over n rows."""

    probabilities: NDArray[np.float32]
    """M(x), (n, n_classes)."""
    reconstruction_probabilities: NDArray[np.float32]
    """M(AE_j(x)) of m autoencoders, (n, m, n_classes)."""
    scores: NDArray[np.float64]
    """D_KL(M(x) ‖ M(AE_j(x))) in nats, (n, m); Eq. 6."""
    features: NDArray[np.float32] | None = None
    """What the penultimate layer of M says, (n, k); None where it cannot be reached."""

    def take(self, rows: slice) -> Outputs:
        """Return the outputs of some of the rows."""
        return Outputs(
            self.probabilities[rows],
            self.reconstruction_probabilities[rows],
            self.scores[rows],
            None if self.features is None else self.features[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[Outputs]) -> Outputs:
        """Return the outputs of consecutive passes, at least one, as those of one pass."""
        features = [part.features for part in parts if part.features is not None]
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.reconstruction_probabilities for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate(features) if features else None,
        )


class Runtime(Protocol):
    """Computes the outputs of a detector for a batch of rows."""

    def __call__(self, x: NDArray[np.float32]) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape)."""
        ...


class TensorFlowRuntime:
    """M(x), AE(x), M(AE(x)) and the KL divergence in one compiled TensorFlow graph.

    Plain graph, no XLA: XLA's convolutions are slower on CPUs. The divergence of the float32
    probabilities is computed in float64, because ln(p/q) near p = q loses the digits that float32
    has.

    Parameters
    ----------
    classifier : keras.Model
        M.
    autoencoders : sequence of keras.Model
        AE_j. All are called in inference mode; none is changed.

    Raises
    ------
    ModelError
        If Keras runs on a backend other than TensorFlow.
    """

    def __init__(self, classifier: keras.Model, autoencoders: Sequence[keras.Model]) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ModelError(
                f"Keras runs on {keras.backend.backend()}, but the detector scores with "
                "TensorFlow: unset KERAS_BACKEND"
            )

        looked_into = with_features(classifier)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None, *classifier.input_shape[1:]], tf.float32)],
            jit_compile=False,
        )
        def outputs(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
            p, *features = (
                looked_into(x, training=False) if looked_into else [classifier(x, training=False)]
            )
            q = tf.stack(
                [
                    classifier(autoencoder(x, training=False), training=False)
                    for autoencoder in autoencoders
                ],
                axis=1,
            )
            scores = kl_divergence(tf.cast(p, tf.float64)[:, None], tf.cast(q, tf.float64))
            return p, q, scores, *features

        self._outputs = outputs

    def __call__(self, x: NDArray[np.float32]) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape)."""
        return Outputs(*(y.numpy() for y in self._outputs(tf.convert_to_tensor(x, tf.float32))))
