"""The adversarial detector: score, threshold, flag and correct (section 3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import InputSpec
from adversarial.bundle.read import Bundle
from adversarial.detector.ensemble import check_weights
from adversarial.detector.guard import take_sample
from adversarial.detector.provenance import Provenance
from adversarial.detector.scorer import Scorer
from adversarial.errors import ModelError
from adversarial.models.classifiers import row_shape
from adversarial.runtimes.runtime import Runtime


class AdversarialDetector(Scorer):
    """A classifier M, an autoencoder AE trained to keep its predictions, and a threshold.

    A scorer that has its models at hand, so that it can be attacked, calibrated and saved.

    Several autoencoders make an ensemble (Eq. 10 and 11): its score is the weighted mean of theirs,
    and on flagged rows they and the classifier vote (`adversarial.detector.ensemble`).

    The score of Eq. 6, S(x) = D_KL(M(x) ‖ M(AE(x))), is computed on probabilities clipped once to
    [1e-7, 1] and not rescaled (`adversarial.statistics.kl_divergence`). The classifier is used as
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
    score_temperature : float
        T at which the score compares M(x) and M(AE(x)); the paper's is 1. Below 1, what both are
        sure of counts more: `studies/scores.md` says what it gains and costs.
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
        What computes the outputs; when not given, one compiled graph of the backend that Keras runs
        on.

    Attributes
    ----------
    autoencoders : tuple of keras.Model
        One, or those of an ensemble.
    classifier, weights, score_temperature, class_names, input_spec, calibration, provenance
        As given, or their defaults. None is ever changed: `replace` returns another detector.

    Examples
    --------
    >>> detector = AdversarialDetector.load("examples/fashion_mnist/detector")  # doctest: +SKIP
    >>> detector.predict(x).flagged.mean()  # doctest: +SKIP
    0.05
    """

    def __init__(  # noqa: PLR0913  # a parameter is a part of the detector
        self,
        classifier: keras.Model,
        autoencoder: keras.Model | Sequence[keras.Model],
        *,
        weights: Sequence[float] | None = None,
        score_temperature: float = 1.0,
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
        self.provenance: Final = provenance or Provenance()
        super().__init__(
            runtime or _runtime(classifier, self.autoencoders),
            weights=check_weights(weights, len(self.autoencoders)),
            score_temperature=score_temperature,
            class_names=tuple(class_names or map(str, range(n_classes))),
            input_spec=input_spec or InputSpec(shape=row_shape(classifier)),
            calibration=calibration or Calibration(),
            bundle=self.provenance.bundle,
        )
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
        calibration = Calibration.from_window(window, fpr)
        return self.replace(calibration=replace(calibration, runtime_sample=take_sample(self, x)))

    def replace(
        self,
        *,
        score_temperature: float | None = None,
        calibration: Calibration | None = None,
        provenance: Provenance | None = None,
    ) -> AdversarialDetector:
        """Return a detector with the same models and with what is given in place of this one's.

        Another temperature of the score leaves nothing of the calibration but the ε_FPR, unless one
        is given too. With another calibration it is no longer the detector that a bundle holds:
        unless a provenance is given too, the new one has no `bundle`.
        """
        if score_temperature is None:
            score_temperature = self.score_temperature
        elif score_temperature != self.score_temperature:
            calibration = calibration or Calibration(fpr=self.calibration.fpr)
        if provenance is None:
            provenance = self.provenance
            if calibration is not None:
                provenance = replace(provenance, bundle=None)
        return AdversarialDetector(
            self.classifier,
            self.autoencoders,
            weights=self.weights,
            score_temperature=score_temperature,
            class_names=self.class_names,
            input_spec=self.input_spec,
            calibration=calibration or self.calibration,
            provenance=provenance,
            runtime=self.runtime,
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


def _runtime(classifier: keras.Model, autoencoders: Sequence[keras.Model]) -> Runtime:
    """Return what computes the outputs on the backend that Keras runs on."""
    if keras.backend.backend() == "tensorflow":
        from adversarial.runtimes.tensorflow_runtime import TensorFlowRuntime

        return TensorFlowRuntime(classifier, autoencoders)
    from adversarial.runtimes.keras_runtime import KerasRuntime

    return KerasRuntime(classifier, autoencoders)
