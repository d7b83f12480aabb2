"""Detectors saved as bundles, and loaded from them."""

import logging
from collections.abc import Sequence
from pathlib import Path

import keras

from adversarial.bundle.manifest import Manifest
from adversarial.bundle.read import Bundle, bundle_lock, read_bundle
from adversarial.bundle.write import autoencoder_files, write_bundle, write_calibration
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.provenance import Provenance
from adversarial.errors import ModelError
from adversarial.models.classifiers import (
    load_model,
    read_classifier,
    save_classifier,
    saved_model_output,
    without_optimizer,
)

logger = logging.getLogger(__name__)


def save_detector(detector: AdversarialDetector, path: str | Path) -> None:
    """Write a bundle to the directory `path`, whole or not at all.

    Errors as in `AdversarialDetector.save`.
    """
    calibration, provenance = detector.calibration, detector.provenance
    fpr = calibration.fpr
    if fpr is None or calibration.reference is None:
        raise ModelError(
            "a bundle needs a threshold and a reference window: save what `calibrated` returns"
        )

    def fill(directory: Path) -> None:
        save_classifier(detector.classifier, directory)
        names = autoencoder_files(len(detector.autoencoders))
        for name, autoencoder in zip(names, detector.autoencoders, strict=True):
            (directory / name).parent.mkdir(exist_ok=True)
            without_optimizer(autoencoder).save(directory / name)
        write_calibration(directory, calibration)
        add_scoring_graph(directory, detector)

    def describe(sha256: dict[str, str]) -> Manifest:
        return Manifest(
            class_names=detector.class_names,
            input=detector.input_spec,
            threshold=calibration.threshold,
            fpr=fpr,
            temperature=provenance.temperature,
            ensemble_weights=detector.weights,
            score_temperature=detector.score_temperature,
            classifier_output=saved_model_output(detector.classifier),
            training=dict(provenance.training),
            reference_created=calibration.created,
            sha256=sha256,
        )

    write_bundle(path, fill, describe)


def add_scoring_graph(directory: Path, detector: AdversarialDetector) -> None:
    """Write a detector's scoring graph; where there can be none, the log says why.

    Parameters
    ----------
    directory : Path
        Of the bundle that is being written.
    detector : AdversarialDetector
        Whose models the graph is of.
    """
    if keras.backend.backend() != "tensorflow":
        logger.warning(
            "No scoring graph: Keras runs on %s, and only TensorFlow's models can be converted. "
            "drift-monitor reference adds one where TensorFlow is installed",
            keras.backend.backend(),
        )
        return
    from adversarial.runtimes.scoring_graph import write_scoring_graph
    from adversarial.runtimes.tensorflow_runtime import TensorFlowRuntime

    runtime = TensorFlowRuntime(detector.classifier, detector.autoencoders)
    try:
        write_scoring_graph(runtime, directory)
    except ModelError as error:
        logger.warning(
            "No scoring graph: %s. Rows are scored by TensorFlow, which takes longer to start and "
            "has to be installed where batches are scored",
            error,
        )


def load_detector(source: str | Path | Bundle, trust: Sequence[str] = ()) -> AdversarialDetector:
    """Load a bundle; parameters and errors as in `AdversarialDetector.load`."""
    with bundle_lock(source):
        bundle = read_bundle(source)
        manifest = bundle.manifest
        return AdversarialDetector(
            read_classifier(bundle, trust),
            [
                load_model(bundle.file(name))
                for name in autoencoder_files(len(manifest.ensemble_weights))
            ],
            weights=manifest.ensemble_weights,
            score_temperature=manifest.score_temperature,
            class_names=manifest.class_names,
            input_spec=manifest.input,
            calibration=bundle.calibration(),
            provenance=Provenance(manifest.temperature, manifest.training, bundle),
        )
