"""The models themselves, in one compiled TensorFlow graph: the yardstick of every other runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from adversarial.errors import ModelError
from adversarial.models.penultimate import with_features
from adversarial.runtimes.runtime import (
    FEATURES,
    PROBABILITIES,
    RECONSTRUCTION,
    RECONSTRUCTION_PROBABILITIES,
    Outputs,
    Rows,
)


class TensorFlowRuntime:
    """M(x), AE_j(x) and M(AE_j(x)) in one compiled TensorFlow graph, in float32.

    Plain graph, no XLA: XLA's convolutions are slower on CPUs.

    Parameters
    ----------
    classifier : keras.Model
        M.
    autoencoders : sequence of keras.Model
        AE_j. All are called in inference mode; none is changed.

    Attributes
    ----------
    function : tf.function
        (None, *input_shape) to a dictionary of M(x), M(AE_j(x)), AE_j(x) and, where the penultimate
        layer of M can be reached, what it says.

    Raises
    ------
    ModelError
        If Keras runs on a backend other than TensorFlow.
    """

    passes_at_once = 1  # each holds the activations of all its rows

    def __init__(self, classifier: keras.Model, autoencoders: Sequence[keras.Model]) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ModelError(
                f"Keras runs on {keras.backend.backend()}, but the detector scores with "
                "TensorFlow: unset KERAS_BACKEND"
            )
        self._autoencoders = autoencoders
        looked_into = with_features(classifier)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None, *classifier.input_shape[1:]], tf.float32)],
            jit_compile=False,
        )
        def outputs(x: tf.Tensor) -> dict[str, tf.Tensor]:
            p, *features = (
                looked_into(x, training=False) if looked_into else [classifier(x, training=False)]
            )
            rebuilt = [autoencoder(x, training=False) for autoencoder in autoencoders]
            q = tf.stack([classifier(each, training=False) for each in rebuilt], axis=1)
            return (
                {PROBABILITIES: p, RECONSTRUCTION_PROBABILITIES: q}
                | {RECONSTRUCTION.format(j): each for j, each in enumerate(rebuilt)}
                | ({FEATURES: features[0]} if features else {})
            )

        self.function: Any = outputs

    def __call__(self, x: Rows) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape)."""
        y = self.function(tf.convert_to_tensor(x, tf.float32))
        return Outputs(
            y[PROBABILITIES].numpy(),
            y[RECONSTRUCTION_PROBABILITIES].numpy(),
            y[FEATURES].numpy() if FEATURES in y else None,
        )

    def reconstruct(self, x: Rows, member: int) -> Rows:
        """Return AE_j(x), (n, *input_shape), of the member j, which counts from 0."""
        rebuilt: Rows = keras.ops.convert_to_numpy(self._autoencoders[member](x, training=False))
        return rebuilt
