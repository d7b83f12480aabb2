"""Adversarial detection and correction by matching prediction distributions.

The method of Vacanti & Van Looveren, "Adversarial Detection and Correction by Matching Prediction
Distributions" (2020). Names below are imported on first use, because TensorFlow takes seconds.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

# TensorFlow leaves oneDNN's kernels off on CPUs without AVX-512, where they score about 1.5 times
# and train about twice as fast. It reads the variable once, when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if TYPE_CHECKING:
    from adversarial.bundle import Bundle, BundleError, InputSpec, read_bundle
    from adversarial.classifiers import load_classifier
    from adversarial.detector import AdversarialDetector, Prediction
    from adversarial.training import fit_autoencoder

__all__ = [
    "AdversarialDetector",
    "Bundle",
    "BundleError",
    "InputSpec",
    "Prediction",
    "fit_autoencoder",
    "load_classifier",
    "read_bundle",
]

_MODULES = {
    "AdversarialDetector": "detector",
    "Bundle": "bundle",
    "BundleError": "bundle",
    "InputSpec": "bundle",
    "Prediction": "detector",
    "fit_autoencoder": "training",
    "load_classifier": "classifiers",
    "read_bundle": "bundle",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
