"""The seam between a detector and what computes its outputs: one call, one pass.

Another runtime (a different inference engine for the same two models) is a callable of the same
signature as `TensorFlowRuntime`.
"""

from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.losses import kl_divergence


class Outputs(NamedTuple):
    """What one pass over n rows gives."""

    probabilities: NDArray[np.float32]
    """M(x), (n, n_classes)."""
    corrected_probabilities: NDArray[np.float32]
    """M(AE(x)), (n, n_classes)."""
    score: NDArray[np.float64]
    """D_KL(M(x) ‖ M(AE(x))) in nats, (n,); Eq. 6."""


class Runtime(Protocol):
    """Computes the outputs of a detector for a batch of rows."""

    def __call__(self, x: NDArray[np.float32]) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape)."""
        ...


class TensorFlowRuntime:
    """M(x), AE(x), M(AE(x)) and the KL divergence in one compiled TensorFlow graph.

    Plain graph, no XLA: on CPUs XLA's convolutions are the slower ones. The divergence is taken in
    float64 of float32 probabilities, because ln(p/q) near p = q loses what float32 holds.

    Parameters
    ----------
    classifier, autoencoder : keras.Model
        M and AE. Called in inference mode; neither is changed.

    Raises
    ------
    ModelError
        If Keras runs on another backend.
    """

    def __init__(self, classifier: keras.Model, autoencoder: keras.Model) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ModelError(
                f"Keras runs on {keras.backend.backend()}, but the detector scores with "
                "TensorFlow: unset KERAS_BACKEND"
            )

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None, *classifier.input_shape[1:]], tf.float32)],
            jit_compile=False,
        )
        def outputs(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            p = classifier(x, training=False)
            q = classifier(autoencoder(x, training=False), training=False)
            return p, q, kl_divergence(tf.cast(p, tf.float64), tf.cast(q, tf.float64))

        self._outputs = outputs

    def __call__(self, x: NDArray[np.float32]) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape)."""
        p, q, score = self._outputs(tf.convert_to_tensor(x, tf.float32))
        return Outputs(p.numpy(), q.numpy(), score.numpy())
