"""What scores rows: a runtime, and what a detector makes of its outputs. No models are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import SCORE_TEMPERATURES, InputSpec
from adversarial.bundle.read import Bundle
from adversarial.bundle.threshold import correct_flagged
from adversarial.detector.ensemble import combine_scores, normalise_weights, vote
from adversarial.errors import ModelError
from adversarial.models.checks import check_finite
from adversarial.runtimes.guard_figures import ScoredBy
from adversarial.runtimes.runtime import Outputs, Runtime, rows_per_pass
from adversarial.statistics import entropy


@dataclass(frozen=True)
class Prediction:
    """The detector's output for n rows.

    Attributes
    ----------
    score : (n,) float64
        Adversarial score S(x) in nats, 0 to 16.2.
    flagged : (n,) bool
        S(x) > t.
    prediction : (n,) int64
        Class with the largest M(x).
    defended_prediction : (n,) int64
        Class given by the defence of Figure 2: `reconstruction_prediction` on flagged rows,
        `prediction` on the others.
    reconstruction_prediction : (n,) int64
        Class with the largest M(AE(x)), or the class that an ensemble votes for; for every row,
        flagged or not.
    confidence : (n,) float32
        Largest M(x), 0 to 1.
    entropy : (n,) float64
        Entropy of M(x) in nats, 0 to ln(number of classes).
    reconstruction_confidence : (n,) float32
        Probability of `reconstruction_prediction` in M(AE(x)), 0 to 1; for an ensemble, its
        weighted mean.
    features : (n, k) float32, optional
        What the classifier's penultimate layer says of x (`adversarial.models.penultimate`); None
        where it cannot be reached.
    """

    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    prediction: NDArray[np.int64]
    defended_prediction: NDArray[np.int64]
    reconstruction_prediction: NDArray[np.int64]
    confidence: NDArray[np.float32]
    entropy: NDArray[np.float64]
    reconstruction_confidence: NDArray[np.float32]
    features: NDArray[np.float32] | None = None

    def take(self, rows: slice) -> Prediction:
        """Return the output for some of the rows."""
        arrays = {name: values[rows] for name, values in vars(self).items() if values is not None}
        return Prediction(**arrays)

    def to_table(self, class_names: Sequence[str]) -> pa.Table:
        """Return the columns of a score table, with classes by name."""
        names = pa.array(class_names, pa.string())
        return pa.table(
            {
                "prediction": names.take(pa.array(self.prediction)),
                "confidence": pa.array(self.confidence),
                "entropy": pa.array(self.entropy),
                "adversarial_score": pa.array(self.score),
                "flagged": pa.array(self.flagged),
                "reconstruction_prediction": names.take(pa.array(self.reconstruction_prediction)),
                "reconstruction_confidence": pa.array(self.reconstruction_confidence),
            }
        )


class Scorer:
    """Scores, flags and corrects rows with the outputs that a runtime computes.

    Parameters
    ----------
    runtime : Runtime
        Computes M(x), AE_j(x) and M(AE_j(x)).
    weights : sequence of float
        w_j, one per autoencoder.
    score_temperature : float
        T at which the score compares the two predictions (Eq. 9), 0.05 to 20; the paper's is 1.
    class_names : sequence of str
        Names of the classes in the order of M's outputs.
    input_spec : InputSpec
        Shape and units of a row.
    calibration : Calibration
        Threshold, reference window and what else is derived from normal rows.
    bundle : Bundle, optional
        What it was loaded from.
    scored_by : ScoredBy, optional
        What the runtime is; TensorFlow in float32 when not given.

    Attributes
    ----------
    runtime, weights, score_temperature, class_names, input_spec, calibration, bundle, scored_by
        As given; none is ever changed.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        weights: Sequence[float],
        score_temperature: float = 1.0,
        class_names: Sequence[str],
        input_spec: InputSpec,
        calibration: Calibration,
        bundle: Bundle | None = None,
        scored_by: ScoredBy | None = None,
    ) -> None:
        least, most = SCORE_TEMPERATURES
        if not least <= score_temperature <= most:
            raise ModelError(
                f"the score's temperature is {score_temperature}: expected a number from {least:g} "
                f"to {most:g}"
            )
        self.runtime: Final = runtime
        self.weights: Final = tuple(weights)
        self.score_temperature: Final = score_temperature
        self.class_names: Final = tuple(class_names)
        self.input_spec: Final = input_spec
        self.calibration: Final = calibration
        self.bundle: Final = bundle
        self.scored_by: Final = scored_by or ScoredBy(runtime="tensorflow", precision="float32")

    @property
    def threshold(self) -> float:
        """Score in nats above which a row is flagged; infinite if it has not been calibrated."""
        return self.calibration.threshold

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the bundle that it was loaded from; None if it was not loaded from one."""
        return None if self.bundle is None else self.bundle.fingerprint

    def score(self, x: NDArray[np.float32], batch_size: int | None = None) -> NDArray[np.float64]:
        """Return the adversarial score of each row (Eq. 6), (n,) float64 in nats.

        Parameters
        ----------
        x : (n, *input_shape) array
            Rows in the units the classifier takes.
        batch_size : int, optional
            Rows per pass; bounds memory. `adversarial.runtimes.runtime.rows_per_pass` when not
            given.

        Raises
        ------
        ModelError
            If the shape is wrong or a value is not finite; names the first such row.
        """
        scores = self.outputs(x, batch_size).scores(self.score_temperature)
        return combine_scores(scores, self.weights)

    def predict(self, x: NDArray[np.float32], batch_size: int | None = None) -> Prediction:
        """Return score, flag, predictions and confidences of each row.

        Parameters and errors as in `score`.
        """
        outputs = self.outputs(x, batch_size)
        return interpret(outputs, self.weights, self.threshold, self.score_temperature)

    def probabilities(
        self, x: NDArray[np.float32], batch_size: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return M(x) and M(AE(x)), (n, n_classes) each; for an ensemble, its weighted mean.

        Parameters and errors as in `score`.
        """
        outputs = self.outputs(x, batch_size)
        return outputs.probabilities, _mean(outputs.reconstruction_probabilities, self.weights)

    def reconstruct(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return AE(x), (n, *input_shape); in an ensemble, AE with the greatest weight."""
        return self.runtime.reconstruct(x, int(np.argmax(self.weights)))

    def outputs(self, x: NDArray[np.float32], batch_size: int | None = None) -> Outputs:
        """Return what the runtime computes for each row.

        Parameters and errors as in `score`.
        """
        if x.shape[1:] != self.input_spec.shape:
            raise ModelError(
                f"rows have shape {x.shape[1:]}: the detector takes {self.input_spec.shape}"
            )
        x = np.asarray(x, np.float32)
        check_finite(x)
        if not len(x):  # oneDNN's convolutions do not take zero rows
            one = self.runtime(np.zeros((1, *x.shape[1:]), np.float32))
            return one.take(slice(0))
        size = batch_size or rows_per_pass(self.input_spec.shape)
        parts = [self.runtime(x[i : i + size]) for i in range(0, len(x), size)]
        return Outputs.joined(parts)


def interpret(
    outputs: Outputs,
    weights: Sequence[float],
    threshold: float,
    score_temperature: float = 1.0,
) -> Prediction:
    """Return what a detector says of n rows, given a runtime's outputs for them.

    Parameters
    ----------
    outputs : Outputs
        M(x), M(AE_j(x)) and features.
    weights : sequence of float
        w_j, one per autoencoder.
    threshold : float
        t in nats.
    score_temperature : float
        T at which the score compares the two predictions.
    """
    prediction = outputs.probabilities.argmax(axis=1)
    score = combine_scores(outputs.scores(score_temperature), weights)
    reconstructed = vote(outputs.probabilities, outputs.reconstruction_probabilities, weights)
    flagged, defended = correct_flagged(score, threshold, prediction, reconstructed)
    mean = _mean(outputs.reconstruction_probabilities, weights)
    return Prediction(
        score=score,
        flagged=flagged,
        prediction=prediction,
        defended_prediction=defended,
        reconstruction_prediction=reconstructed,
        confidence=outputs.probabilities.max(axis=1),
        entropy=entropy(outputs.probabilities),
        reconstruction_confidence=mean[np.arange(len(mean)), reconstructed],
        features=outputs.features,
    )


def _mean(probabilities: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """Return the weighted mean over the autoencoders, (n, m, k) to (n, k)."""
    if len(weights) == 1:
        return probabilities[:, 0]
    mean: NDArray[np.float32] = np.einsum(
        "j,njk->nk", normalise_weights(weights, np.float32), probabilities
    )
    return mean
