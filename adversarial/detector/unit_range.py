"""A detector of rows in their own units, wrapped as one of rows in [0, 1].

Attacks by name (`adversarial.attacks.named`) and corruptions are made for values in [0, 1]: their
steps and norms are fractions of a value's range.
"""

from dataclasses import replace

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from adversarial.detector.detector import AdversarialDetector

Rows = NDArray[np.float32]

SMALLEST_SPAN = 1e-6
"""Smallest width of a range: a constant feature can be scaled, and no attack moves it."""


class UnitRange:
    """The range of a row's values: maps rows to [0, 1], and a detector to one of such rows.

    Parameters
    ----------
    low, high : float, or (n_features,) arrays
        The values that become 0 and 1.

    Examples
    --------
    >>> units = UnitRange(0.0, 255.0)
    >>> units.scale(np.float32([[0, 51, 255]]))
    array([[0. , 0.2, 1. ]], dtype=float32)
    """

    def __init__(self, low: float | Rows, high: float | Rows) -> None:
        self.low = np.asarray(low, np.float32)
        self.span = np.maximum(
            np.asarray(high, np.float32) - self.low, SMALLEST_SPAN * np.maximum(1, np.abs(self.low))
        ).astype(np.float32)

    def scale(self, x: Rows) -> Rows:
        """Return rows within the range as rows in [0, 1]."""
        scaled: Rows = np.clip((x - self.low) / self.span, 0, 1).astype(np.float32)
        return scaled

    def restore(self, scaled: Rows) -> Rows:
        """Return scaled rows in their own units; those outside [0, 1] leave the range."""
        rows: Rows = (scaled * self.span + self.low).astype(np.float32)
        return rows

    def wrap(self, detector: AdversarialDetector) -> AdversarialDetector:
        """Return a detector that gives for scaled rows what `detector` gives for the rows."""
        if np.all(self.low == 0) and np.all(self.span == 1):
            return detector
        shape = detector.input_spec.shape
        to_units = keras.layers.Rescaling(self.span, self.low)
        from_units = keras.layers.Rescaling(1 / self.span, -self.low / self.span)

        def through(model: keras.Model, *, back: bool) -> keras.Model:
            inputs = keras.Input(shape)
            outputs = model(to_units(inputs))
            return keras.Model(inputs, from_units(outputs) if back else outputs)

        return AdversarialDetector(
            through(detector.classifier, back=False),
            [through(autoencoder, back=True) for autoencoder in detector.autoencoders],
            weights=detector.weights,
            score_temperature=detector.score_temperature,
            class_names=detector.class_names,
            input_spec=InputSpec(shape=shape),
            # The quantiles are in the features' own units, which scaled rows no longer have.
            calibration=replace(
                detector.calibration, feature_quantiles=None, reference_inputs=None
            ),
            provenance=detector.provenance,
        )
