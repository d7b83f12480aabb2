"""The models themselves, as Keras runs them on a backend other than TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from adversarial.models.penultimate import with_features
from adversarial.runtimes.runtime import Outputs, Rows


class KerasRuntime:
    """M(x) and M(AE_j(x)) where TensorFlow need not be installed, for detectors trained there.

    Parameters
    ----------
    classifier : keras.Model
        M.
    autoencoders : sequence of keras.Model
        AE_j. All are called in inference mode; none is changed.
    """

    passes_at_once = 1

    def __init__(self, classifier: keras.Model, autoencoders: Sequence[keras.Model]) -> None:
        self._autoencoders = autoencoders
        x = keras.Input(classifier.input_shape[1:])
        looked_into = with_features(classifier)
        p, *features = (
            looked_into(x, training=False) if looked_into else [classifier(x, training=False)]
        )
        rebuilt = [autoencoder(x, training=False) for autoencoder in autoencoders]
        q = keras.ops.stack([classifier(each, training=False) for each in rebuilt], axis=1)
        self._model = keras.Model(x, [p, q, *features])

    def __call__(self, x: Rows) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape)."""
        return Outputs(*self._model.predict_on_batch(x))

    def reconstruct(self, x: Rows, member: int) -> Rows:
        """Return AE_j(x), (n, *input_shape), of the member j, which counts from 0."""
        rebuilt: Rows = self._autoencoders[member].predict_on_batch(x)
        return rebuilt
