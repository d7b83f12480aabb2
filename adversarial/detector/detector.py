"""The adversarial detector: score, threshold, flag and correct (section 3 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import AccuracyEstimator
from adversarial.bundle.manifest import InputSpec, Manifest
from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from adversarial.bundle.threshold import apply_threshold, correct_flagged, threshold_from_scores
from adversarial.bundle.write import autoencoder_files, write_bundle, write_reference
from adversarial.detector.ensemble import check_weights, combine_scores, normalise_weights, vote
from adversarial.detector.runtime import Outputs, Runtime, TensorFlowRuntime
from adversarial.errors import ModelError
from adversarial.models.checks import check_finite
from adversarial.models.classifiers import (
    load_model,
    read_classifier,
    row_shape,
    save_classifier,
    saved_model_output,
    without_optimizer,
)
from adversarial.statistics import entropy


@dataclass(frozen=True)
class Prediction:
    """What the detector says of n rows.

    Attributes
    ----------
    score : (n,) float64
        Adversarial score S(x) in nats, 0 to 16.2.
    flagged : (n,) bool
        S(x) > t.
    prediction : (n,) int64
        Class of the largest M(x).
    defended_prediction : (n,) int64
        Class that the defence of Figure 2 answers: of the largest M(AE(x)), or of an ensemble's
        vote, on flagged rows; `prediction` on the others.
    reconstruction_prediction : (n,) int64
        The same of every row, flagged or not.
    confidence : (n,) float32
        Largest M(x), 0 to 1.
    entropy : (n,) float64
        Entropy of M(x) in nats, 0 to ln(number of classes).
    reconstruction_confidence : (n,) float32
        Probability of `reconstruction_prediction` in M(AE(x)), 0 to 1; of an ensemble, its mean,
        weighted.
    """

    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    prediction: NDArray[np.int64]
    defended_prediction: NDArray[np.int64]
    reconstruction_prediction: NDArray[np.int64]
    confidence: NDArray[np.float32]
    entropy: NDArray[np.float64]
    reconstruction_confidence: NDArray[np.float32]

    def to_table(self, class_names: Sequence[str]) -> pa.Table:
        """Return the columns that score tables have: classes by name."""
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
    [1e-7, 1] and not rescaled (`adversarial.losses.kl_divergence`). The classifier is used as it
    is handed in, in inference mode, and never changed.

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
    threshold : float
        t in nats; infinite until `threshold_from_fpr` sets it.
    fpr : float, optional
        ε_FPR that the threshold came from.
    temperature : float
        T that the autoencoder was trained with (Eq. 9). The score does not use it.
    training : mapping, optional
        Summary of the training run, kept in the bundle.
    reference : pyarrow.Table, optional
        The reference window, kept in the bundle.
    reference_created : datetime, optional
        When the reference window was scored, UTC.
    accuracy_estimator : AccuracyEstimator, optional
        From outputs to the probability that a prediction is right, kept in the bundle.
    feature_quantiles : dict of str to list of float, optional
        Of each feature over the reference rows (`drift_monitor.detectors.reference`), kept in the
        bundle.
    runtime : Runtime, optional
        What computes the outputs; one compiled TensorFlow graph when not given.

    Attributes
    ----------
    bundle : Bundle or None
        What it was loaded from.

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
        threshold: float = float("inf"),
        fpr: float | None = None,
        temperature: float = 1.0,
        training: Mapping[str, Any] | None = None,
        reference: pa.Table | None = None,
        reference_created: datetime | None = None,
        accuracy_estimator: AccuracyEstimator | None = None,
        feature_quantiles: dict[str, list[float]] | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        n_classes = classifier.output_shape[-1]
        self.classifier = classifier
        self.autoencoders = tuple(
            [autoencoder] if isinstance(autoencoder, keras.Model) else autoencoder
        )
        self.weights = check_weights(weights, len(self.autoencoders))
        self.class_names = tuple(class_names or map(str, range(n_classes)))
        self.input_spec = input_spec or InputSpec(shape=row_shape(classifier))
        self.threshold = threshold
        self.fpr = fpr
        self.temperature = temperature
        self.training = dict(training or {})
        self.reference = reference
        self.reference_created = reference_created
        self.accuracy_estimator = accuracy_estimator
        self.feature_quantiles = feature_quantiles
        self.bundle: Bundle | None = None
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
        self._runtime = runtime or TensorFlowRuntime(classifier, self.autoencoders)

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the bundle that it was loaded from; None where it was not."""
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
        )

    def probabilities(
        self, x: NDArray[np.float32], batch_size: int = 512
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return M(x) and M(AE(x)), (n, n_classes) each; of an ensemble the weighted mean.

        Parameters and errors as in `score`.
        """
        outputs = self._outputs(x, batch_size)
        return outputs.probabilities, self._mean(outputs.reconstruction_probabilities)

    def reconstruct(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return AE(x), (n, *input_shape); of an ensemble that of the greatest weight."""
        autoencoder = self.autoencoders[int(np.argmax(self.weights))]
        reconstruction: NDArray[np.float32] = keras.ops.convert_to_numpy(
            autoencoder(x, training=False)
        )
        return reconstruction

    def threshold_from_fpr(self, x: NDArray[np.float32], fpr: float) -> float:
        """Set the threshold so that at most a share `fpr` of the normal rows `x` is flagged.

        Parameters
        ----------
        x : (n, *input_shape) array
            Normal rows that the autoencoder was not trained on.
        fpr : float
            ε_FPR, between 0 and 1.

        Returns
        -------
        float
            The threshold t, in nats: the smallest score in `x` with a share of at most `fpr` above.

        Raises
        ------
        ModelError
            If `fpr` is not between 0 and 1, or so small that none of these n rows may be flagged.
        """
        return self.threshold_from_scores(self.score(x), fpr)

    def threshold_from_scores(self, scores: NDArray[np.float64], fpr: float) -> float:
        """As `threshold_from_fpr`, from scores of normal rows, (n,)."""
        self.threshold = threshold_from_scores(scores, fpr)
        self.fpr = fpr
        return self.threshold

    def calibrate(self, window: pa.Table, fpr: float) -> None:
        """Set the threshold and the reference window from scored normal rows.

        Parameters
        ----------
        window : pyarrow.Table
            Score table of the reference window, with the columns of `Prediction.to_table`; those
            that depend on the threshold are made anew.
        fpr : float
            ε_FPR, between 0 and 1.

        Raises
        ------
        ModelError
            As in `threshold_from_fpr`.
        """
        self.threshold_from_scores(window["adversarial_score"].to_numpy(), fpr)
        self.reference = apply_threshold(window, self.threshold)

    def save(self, path: str | Path) -> None:
        """Write the bundle to the directory `path`, whole or not at all.

        Raises
        ------
        ModelError
            If the threshold or the reference window has not been set.
        BundleError
            If `path` exists and is not a bundle.
        """
        if self.fpr is None or self.reference is None:
            raise ModelError(
                "a bundle needs a threshold and a reference window: call threshold_from_fpr and "
                "set `reference` before saving"
            )
        fpr, reference = self.fpr, self.reference

        def fill(directory: Path) -> None:
            save_classifier(self.classifier, directory)
            for name, autoencoder in zip(
                autoencoder_files(len(self.autoencoders)), self.autoencoders, strict=True
            ):
                (directory / name).parent.mkdir(exist_ok=True)
                without_optimizer(autoencoder).save(directory / name)
            write_reference(directory, reference, self.accuracy_estimator, self.feature_quantiles)

        def describe(sha256: dict[str, str]) -> Manifest:
            return Manifest(
                class_names=self.class_names,
                input=self.input_spec,
                threshold=self.threshold,
                fpr=fpr,
                temperature=self.temperature,
                ensemble_weights=self.weights,
                classifier_output=saved_model_output(self.classifier),
                training=self.training,
                reference_created=self.reference_created,
                sha256=sha256,
            )

        write_bundle(path, fill, describe)

    @classmethod
    def load(cls, source: str | Path | Bundle, trust: Sequence[str] = ()) -> AdversarialDetector:
        """Load a bundle, in Keras safe mode but for what is trusted.

        Parameters
        ----------
        source : str, Path or Bundle
            The directory, or the bundle in it, whose files are then not hashed again
            (`adversarial.bundle.read.read_bundle`).
        trust : sequence of str
            Opt-ins that the classifier needs: "Lambda", "SavedModel", or a custom class or function
            as "package.module:Name".

        Raises
        ------
        BundleError
            If a file is missing, extra or altered; names the file.
        ModelError
            If a model cannot be loaded, or not without an opt-in; names the file and the opt-in.
        """
        with bundle_lock(source):
            bundle = read_bundle(source)
            manifest = bundle.manifest
            detector = cls(
                read_classifier(bundle.path, manifest.classifier_output, trust),
                [
                    load_model(bundle.path / name)
                    for name in autoencoder_files(len(manifest.ensemble_weights))
                ],
                weights=manifest.ensemble_weights,
                class_names=manifest.class_names,
                input_spec=manifest.input,
                threshold=manifest.threshold,
                fpr=manifest.fpr,
                temperature=manifest.temperature,
                training=manifest.training,
                reference=bundle.reference(),
                reference_created=manifest.reference_created,
                accuracy_estimator=bundle.accuracy_estimator(),
                feature_quantiles=bundle.feature_quantiles(),
            )
        detector.bundle = bundle
        return detector

    def _mean(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over the autoencoders by weight, (n, m, k) to (n, k)."""
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
            return Outputs(
                one.probabilities[:0], one.reconstruction_probabilities[:0], one.scores[:0]
            )
        parts = [self._runtime(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
        return Outputs(*(np.concatenate(part) for part in zip(*parts, strict=True)))
