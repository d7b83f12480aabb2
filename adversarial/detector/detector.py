"""The adversarial detector: score, threshold, flag and correct (section 3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import InputSpec
from adversarial.bundle.read import Bundle
from adversarial.bundle.threshold import correct_flagged
from adversarial.detector.ensemble import check_weights, combine_scores, normalise_weights, vote
from adversarial.detector.provenance import Provenance
from adversarial.detector.runtime import Outputs, Runtime, TensorFlowRuntime
from adversarial.errors import ModelError
from adversarial.models.checks import check_finite
from adversarial.models.classifiers import row_shape
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


class AdversarialDetector:
    """A classifier M, an autoencoder AE trained to keep its predictions, and a threshold.

    Several autoencoders make an ensemble (Eq. 10 and 11): its score is the weighted mean of theirs,
    and on flagged rows they and the classifier vote (`adversarial.detector.ensemble`).

    The score of Eq. 6, S(x) = D_KL(M(x) ‖ M(AE(x))), is computed on probabilities clipped once to
    [1e-7, 1] and not rescaled (`adversarial.losses.kl_divergence`). The classifier is used as
    given, in inference mode, and never changed.

    Parameters
    ----------
    classifier : keras.Model
        M, (n, *input_shape) to (n, n_classes) probabilities.
    autoencoder : keras.Model or sequence of keras.Model
        AE, (n, *input_shape) to the same shape; several are an ensemble.
    weights : sequence of float, optional
        w_j of an ensemble's autoencoders; the classifier's own vote has the weight 1 − Σ w_j. Equal
        shares of 1 when not given.
    class_names : sequence of str, optional
        Names of the classes in the order of M's outputs; "0", "1", … when not given.
    input_spec : InputSpec, optional
        Shape and units of a row; the classifier's input shape and [0, 1] when not given.
    calibration : Calibration, optional
        Threshold, reference window and what else is derived from normal rows; nothing is flagged
        without it. `calibrated` makes one.
    provenance : Provenance, optional
        Where the autoencoders come from.
    runtime : Runtime, optional
        What computes the outputs; one compiled TensorFlow graph when not given.

    Attributes
    ----------
    autoencoders : tuple of keras.Model
        One, or those of an ensemble.
    classifier, weights, class_names, input_spec, calibration, provenance
        As given, or their defaults. None is ever changed: `replace` returns another detector.

    Examples
    --------
    >>> detector = AdversarialDetector.load("examples/fashion_mnist/detector")  # doctest: +SKIP
    >>> detector.predict(x).flagged.mean()  # doctest: +SKIP
    0.05
    """

    def __init__(
        self,
        classifier: keras.Model,
        autoencoder: keras.Model | Sequence[keras.Model],
        *,
        weights: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
        input_spec: InputSpec | None = None,
        calibration: Calibration | None = None,
        provenance: Provenance | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        n_classes = classifier.output_shape[-1]
        self.classifier: Final = classifier
        self.autoencoders: Final[tuple[keras.Model, ...]] = tuple(
            [autoencoder] if isinstance(autoencoder, keras.Model) else autoencoder
        )
        self.weights: Final = check_weights(weights, len(self.autoencoders))
        self.class_names: Final[tuple[str, ...]] = tuple(class_names or map(str, range(n_classes)))
        self.input_spec: Final = input_spec or InputSpec(shape=row_shape(classifier))
        self.calibration: Final = calibration or Calibration()
        self.provenance: Final = provenance or Provenance()
        if len(self.class_names) != n_classes:
            raise ModelError(
                f"{len(self.class_names)} class names for a classifier with {n_classes} outputs"
            )
        for name, model in (
            ("classifier", classifier),
            *(("autoencoder", autoencoder) for autoencoder in self.autoencoders),
        ):
            if row_shape(model) != self.input_spec.shape:
                raise ModelError(
                    f"the {name} takes rows of shape {row_shape(model)}, the input spec says "
                    f"{self.input_spec.shape}"
                )
        self._runtime: Final = runtime or TensorFlowRuntime(classifier, self.autoencoders)

    @property
    def threshold(self) -> float:
        """Score in nats above which a row is flagged; infinite if it has not been calibrated."""
        return self.calibration.threshold

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that it was loaded from; None if it was not loaded from one."""
        return self.provenance.bundle

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of that bundle; None if it was not loaded from one."""
        return None if self.bundle is None else self.bundle.fingerprint

    def score(self, x: NDArray[np.float32], batch_size: int = 512) -> NDArray[np.float64]:
        """Return the adversarial score of each row (Eq. 6), (n,) float64 in nats.

        Parameters
        ----------
        x : (n, *input_shape) array
            Rows in the units the classifier takes.
        batch_size : int
            Rows per pass; bounds memory.

        Raises
        ------
        ModelError
            If the shape is wrong or a value is not finite; names the first such row.
        """
        return combine_scores(self._outputs(x, batch_size).scores, self.weights)

    def predict(self, x: NDArray[np.float32], batch_size: int = 512) -> Prediction:
        """Return score, flag, predictions and confidences of each row.

        Parameters and errors as in `score`.
        """
        outputs = self._outputs(x, batch_size)
        prediction = outputs.probabilities.argmax(axis=1)
        score = combine_scores(outputs.scores, self.weights)
        reconstructed = vote(
            outputs.probabilities, outputs.reconstruction_probabilities, self.weights
        )
        flagged, defended = correct_flagged(score, self.threshold, prediction, reconstructed)
        mean = self._mean(outputs.reconstruction_probabilities)
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

    def probabilities(
        self, x: NDArray[np.float32], batch_size: int = 512
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return M(x) and M(AE(x)), (n, n_classes) each; for an ensemble, its weighted mean.

        Parameters and errors as in `score`.
        """
        outputs = self._outputs(x, batch_size)
        return outputs.probabilities, self._mean(outputs.reconstruction_probabilities)

    def reconstruct(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return AE(x), (n, *input_shape); in an ensemble, AE with the greatest weight."""
        autoencoder = self.autoencoders[int(np.argmax(self.weights))]
        reconstruction: NDArray[np.float32] = keras.ops.convert_to_numpy(
            autoencoder(x, training=False)
        )
        return reconstruction

    def calibrated(self, x: NDArray[np.float32], fpr: float) -> AdversarialDetector:
        """Return this detector with a threshold and a reference window from normal rows.

        Parameters
        ----------
        x : (n, *input_shape) array
            Normal rows that the autoencoder was not trained on.
        fpr : float
            ε_FPR, between 0 and 1: at most this share of `x` is flagged. The threshold t is the
            smallest score in `x` that leaves no larger share above it.

        Raises
        ------
        ModelError
            If `fpr` is not between 0 and 1, or so small that none of these n rows may be flagged.
        """
        window = self.predict(x).to_table(self.class_names)
        return self.replace(calibration=Calibration.from_window(window, fpr))

    def replace(
        self, *, calibration: Calibration | None = None, provenance: Provenance | None = None
    ) -> AdversarialDetector:
        """Return a detector with the same models and with what is given in place of this one's.

        With another calibration it is no longer the detector that a bundle holds: unless a
        provenance is given too, the new one has no `bundle`.
        """
        if provenance is None:
            provenance = self.provenance
            if calibration is not None:
                provenance = replace(provenance, bundle=None)
        return AdversarialDetector(
            self.classifier,
            self.autoencoders,
            weights=self.weights,
            class_names=self.class_names,
            input_spec=self.input_spec,
            calibration=calibration or self.calibration,
            provenance=provenance,
            runtime=self._runtime,
        )

    def save(self, path: str | Path) -> None:
        """Write the bundle to the directory `path`, whole or not at all.

        Raises
        ------
        ModelError
            If the detector has not been calibrated.
        BundleError
            If `path` exists and is not a bundle.
        """
        from adversarial.detector.saving import save_detector

        save_detector(self, path)

    @classmethod
    def load(cls, source: str | Path | Bundle, trust: Sequence[str] = ()) -> AdversarialDetector:
        """Load a bundle, in Keras safe mode except for what is trusted.

        Parameters
        ----------
        source : str, Path or Bundle
            The directory, or the bundle read from it, whose files are then not hashed again
            (`adversarial.bundle.read.read_bundle`).
        trust : sequence of str
            Opt-ins that the classifier needs: "Lambda", "SavedModel", or a custom class or function
            as "package.module:Name".

        Raises
        ------
        BundleError
            If a file is missing, extra or altered; names the file.
        ModelError
            If a model cannot be loaded, or needs an opt-in; names the file and the opt-in.
        """
        from adversarial.detector.saving import load_detector

        return load_detector(source, trust)

    def _mean(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted mean over the autoencoders, (n, m, k) to (n, k)."""
        shares = normalise_weights(self.weights, np.float32)
        mean: NDArray[np.float32] = np.einsum("j,njk->nk", shares, probabilities)
        return mean

    def _outputs(self, x: NDArray[np.float32], batch_size: int) -> Outputs:
        if x.shape[1:] != self.input_spec.shape:
            raise ModelError(
                f"rows have shape {x.shape[1:]}: the detector takes {self.input_spec.shape}"
            )
        x = np.asarray(x, np.float32)
        check_finite(x)
        if not len(x):  # oneDNN's convolutions do not take zero rows
            one = self._runtime(np.zeros((1, *x.shape[1:]), np.float32))
            return one.take(slice(0))
        parts = [self._runtime(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
        return Outputs.joined(parts)
