"""Adversarial detection and correction by matching prediction distributions.

The method of Vacanti & Van Looveren, "Adversarial Detection and Correction by Matching Prediction
Distributions" (2020). Names below are imported on first use, because TensorFlow takes seconds; what
scores rows does without it.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

# TensorFlow leaves oneDNN's kernels off on CPUs without AVX-512, where they score about 1.5 times
# and train about twice as fast. It reads the variable once, when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if TYPE_CHECKING:
    from adversarial.bundle.calibration import Calibration
    from adversarial.bundle.manifest import BundleError, InputSpec
    from adversarial.bundle.read import Bundle, read_bundle
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.detector.loading import load_scorer
    from adversarial.detector.scorer import Prediction, Scorer
    from adversarial.models.classifiers import load_classifier
    from adversarial.training.fit import fit_autoencoder
    from adversarial.training.objective import HiddenLayer, Objective
    from adversarial.training.settings import Plan, TrainingSettings

__all__ = [
    "AdversarialDetector",
    "Bundle",
    "BundleError",
    "Calibration",
    "HiddenLayer",
    "InputSpec",
    "Objective",
    "Plan",
    "Prediction",
    "Scorer",
    "TrainingSettings",
    "fit_autoencoder",
    "load_classifier",
    "load_scorer",
    "read_bundle",
]

_MODULES = {
    "AdversarialDetector": "detector.detector",
    "Bundle": "bundle.read",
    "BundleError": "bundle.manifest",
    "Calibration": "bundle.calibration",
    "HiddenLayer": "training.objective",
    "InputSpec": "bundle.manifest",
    "Objective": "training.objective",
    "Plan": "training.settings",
    "Prediction": "detector.scorer",
    "Scorer": "detector.scorer",
    "TrainingSettings": "training.settings",
    "fit_autoencoder": "training.fit",
    "load_classifier": "models.classifiers",
    "load_scorer": "detector.loading",
    "read_bundle": "bundle.read",
}

_OF_MODELS = ("AdversarialDetector", "fit_autoencoder", "load_classifier")
"""Names that need Keras and TensorFlow."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _OF_MODELS:
        from adversarial.extras import require_training

        require_training(f"adversarial.{name}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
