"""What an attacker knows of the detector, as criteria for attacks, and when the system has lost.

A threat model turns a detector into a criterion (`attacks.core.criteria`): what an attack is to
achieve, and through which models its gradients flow.

Examples
--------
>>> attack = PGD(0.1)  # doctest: +SKIP
>>> attack.run(grey_box(detector), x, y).success.mean()  # doctest: +SKIP
0.98
>>> attack.run(undetected(detector), x, y).success.mean()  # doctest: +SKIP
0.41
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks import All, Criterion, Misclassified, Unflagged
from adversarial.attacks.core.logits import logits_of
from adversarial.bundle.threshold import threshold_from_scores
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.scorer import Prediction
from adversarial.errors import DriftMonitorError, ModelError

ThreatModel = Callable[[AdversarialDetector], Criterion]
"""Maps the attacked detector to what the attack is to achieve."""


def grey_box(detector: AdversarialDetector) -> Criterion:
    """Misclassified by M; the attacker knows M, and nothing of the detector (section 4.1)."""
    return Misclassified(detector.classifier)


def white_box(detector: AdversarialDetector) -> Criterion:
    """Misclassified by M(AE(x)), with gradients through both (section 4.3).

    With an ensemble, by M(AE(x)) of every member. M(x) itself may stay as it is; that is enough
    against a policy that corrects whatever the score.
    """
    return reduce(and_, (_through(detector, member) for member in detector.autoencoders))


def undetected(detector: AdversarialDetector, fpr: float | None = None) -> Criterion:
    """Misclassified by M, and a score of at most the threshold (Carlini et al. 2019).

    Parameters
    ----------
    detector : AdversarialDetector
        The detector; it needs a threshold.
    fpr : float, optional
        ε_FPR of the threshold, taken from the reference window; the detector's own when not given.

    Raises
    ------
    ModelError
        If `fpr` is given and the detector has no reference window.
    """
    threshold = None if fpr is None else threshold_at(detector, fpr)
    return grey_box(detector) & Unflagged(detector, threshold)


def selective(criterion: Criterion) -> Criterion:
    """Return a combined criterion whose parts an attack follows one at a time, row by row.

    Selective projected gradient descent (Bryniarski et al. 2022, section 4.1). A criterion that
    does not combine others is returned as it is.
    """
    return replace(criterion, selective=True) if isinstance(criterion, All) else criterion


def threshold_at(detector: AdversarialDetector, fpr: float) -> float:
    """Return the threshold, in nats, that the detector's reference window gives for an ε_FPR.

    Raises
    ------
    ModelError
        If the detector has no reference window, or one too small for this rate.
    """
    window = detector.calibration.reference
    if window is None:
        raise ModelError("the detector has no reference window to take thresholds from")
    return threshold_from_scores(window["adversarial_score"].to_numpy(), fpr)


def uncorrected(detector: AdversarialDetector) -> Criterion:
    """Misclassified by M and by M(AE(x)) at once: no policy gives the right class."""
    return grey_box(detector) & white_box(detector)


POLICIES: dict[str, Callable[[Prediction], NDArray[np.int64]]] = {
    "none": lambda found: found.prediction,
    "reject": lambda found: np.where(found.flagged, -1, found.prediction),
    "correct": lambda found: found.defended_prediction,
    "correct_gated": lambda found: np.where(
        found.reconstruction_confidence > found.confidence,
        found.defended_prediction,
        found.prediction,
    ),
    "correct_always": lambda found: found.reconstruction_prediction,
}
"""The class that the system gives each row, by what it does with flagged rows; −1 is none."""


def undetected_errors(found: Prediction, y: NDArray[np.int64], policy: str) -> NDArray[np.bool_]:
    """Say for each row whether the system gives a wrong answer without a warning.

    Parameters
    ----------
    found : Prediction
        The detector's predictions for the (attacked) rows.
    y : (n,) int64
        Their true classes.
    policy : {"none", "reject", "correct", "correct_gated", "correct_always"}
        Use M(x) as it is; give no answer on flagged rows; give the corrected class on flagged rows;
        give it on those flagged rows where M(AE(x)) is surer of its class than M(x) is, because
        there correction is expected to help; give it on all rows.

    Returns
    -------
    (n,) bool
        A refused row is not an error.
    """
    given = POLICIES[policy](found)
    lost: NDArray[np.bool_] = (given != y) & (given != -1)
    return lost


def _through(detector: AdversarialDetector, member: Any) -> Criterion:
    logits = logits_of(detector.classifier)
    return Misclassified(lambda x: logits(member(x, training=False)))


THREAT_MODELS: dict[str, ThreatModel] = {
    "grey-box": grey_box,
    "white-box": white_box,
    "undetected": undetected,
    "uncorrected": uncorrected,
}
"""Threat models by name (`adversarial.evaluation.threat_models`)."""


class ExperimentError(DriftMonitorError):
    """An evaluation cannot be run as requested."""


def make_threat_model(name: str) -> ThreatModel:
    """Return the threat model of this name.

    Parameters
    ----------
    name : str
        One of `THREAT_MODELS`, of which "undetected" uses the detector's own threshold; or
        "undetected-E", with the threshold of an ε_FPR such as 0.01.

    Raises
    ------
    ExperimentError
        If there is none.
    """
    if name in THREAT_MODELS:
        return THREAT_MODELS[name]
    result = re.fullmatch(r"undetected-(0?\.\d+)", name)
    if not result or not 0 < (fpr := float(result[1])) < 1:
        raise ExperimentError(
            f"no threat model {name!r}: expected one of {', '.join(THREAT_MODELS)}, or "
            "undetected-E with an ε_FPR for E, such as 0.01"
        )
    return lambda detector: undetected(detector, fpr)
