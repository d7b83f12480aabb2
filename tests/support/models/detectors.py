"""Detectors that differ in a few things from another."""

from typing import Any

from adversarial import AdversarialDetector


def altered(detector: AdversarialDetector, **changes: Any) -> AdversarialDetector:
    """Return a detector made as `detector` is, but for what is given."""
    names = ("weights", "class_names", "input_spec", "calibration", "provenance")
    made = {name: getattr(detector, name) for name in names} | changes
    classifier = made.pop("classifier", detector.classifier)
    autoencoders = made.pop("autoencoders", detector.autoencoders)
    return AdversarialDetector(classifier, autoencoders, **made)
