"""The paper's evaluation in numbers: attack, detection and correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks import AttackResult
from adversarial.bundle.threshold import correct_flagged
from adversarial.detector.detector import AdversarialDetector
from adversarial.detector.scorer import Prediction
from adversarial.evaluation.estimates import Estimate, Metric, area_under_roc, mean, share
from adversarial.evaluation.threat_models import POLICIES, threshold_at, undetected_errors
from adversarial.statistics import entropy

Classes = NDArray[np.int64]

FPRS = (0.01, 0.05)
"""ε_FPR of the thresholds at which detection is reported."""


def attack_metrics(
    clean: NDArray[np.floating], attacked: NDArray[np.floating], attack: AttackResult, y: Classes
) -> list[Metric]:
    """Return what an attack does to an undefended classifier.

    Parameters
    ----------
    clean, attacked : (n, n_classes) arrays
        M(x) for the originals and for the attacked rows.
    attack : AttackResult
        Results for the same rows.
    y : (n,) int64
        True classes.

    Returns
    -------
    list of Metric
        `accuracy_clean` and `accuracy_attacked`; `success` of the attack's own criterion, and after
        rounding to 8 bits; norms over the rows on which it succeeded; entropy of M; queries.
    """
    metrics = [
        Metric("accuracy_clean", share(clean.argmax(axis=1) == y)),
        Metric("accuracy_attacked", share(attacked.argmax(axis=1) == y)),
        Metric("success", share(attack.success)),
        Metric("success_rounded", share(attack.success_rounded)),
        Metric("entropy_clean", mean(entropy(clean))),
        Metric("entropy_attacked", mean(entropy(attacked))),
        Metric("queries", mean(attack.queries)),
    ]
    norms = {"l1": attack.l1, "l2": attack.l2, "linf": attack.linf}
    return metrics + [Metric(name, mean(values[attack.success])) for name, values in norms.items()]


def defence_metrics(
    detector: AdversarialDetector,
    clean: Prediction,
    attacked: Prediction,
    y: Classes,
    *,
    fprs: Sequence[float] = FPRS,
    seed: int = 0,
) -> list[Metric]:
    """Return how well a detector detects attacked rows and corrects them.

    Parameters
    ----------
    detector : AdversarialDetector
        The detector; its reference window gives the thresholds.
    clean : Prediction
        Its predictions for the originals.
    attacked : Prediction
        Its predictions for the same rows after the attack, including those on which it failed.
    y : (n,) int64
        True classes.
    fprs : sequence of float
        ε_FPR of the thresholds.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    list of Metric
        `auc` on originals and attacked rows together (Figures 5 and 6). `accuracy_reconstructed` of
        M(AE(x)) on all attacked rows (most probably Tables 1 to 6), and on the originals
        (`accuracy_reconstructed_clean`). For each ε_FPR the `threshold` in nats, the share of
        originals and of attacked rows that is flagged (`flagged_clean`, `detection_rate`), and for
        each policy the share of attacked rows and of originals for which the system gives a wrong
        answer without a warning (`undetected_error`, `undetected_error_clean`). `accuracy_defended`
        is 1 − `undetected_error` of the policy "correct", the defence of Figure 2.

    Raises
    ------
    ModelError
        If the detector has no reference window.
    """
    metrics = [
        Metric("auc", area_under_roc(clean.score, attacked.score, paired=True, seed=seed)),
        Metric("accuracy_reconstructed", share(attacked.reconstruction_prediction == y)),
        Metric("accuracy_reconstructed_clean", share(clean.reconstruction_prediction == y)),
    ]
    window = detector.calibration.reference
    n_reference = 0 if window is None else window.num_rows
    for fpr in fprs:
        threshold = threshold_at(detector, fpr)
        before, after = (_with_threshold(result, threshold) for result in (clean, attacked))
        metrics += [
            Metric("threshold", Estimate(threshold, float("nan"), float("nan"), n_reference), fpr),
            Metric("flagged_clean", share(before.flagged), fpr),
            Metric("detection_rate", share(after.flagged), fpr),
            Metric("accuracy_defended", share(after.defended_prediction == y), fpr, "correct"),
        ]
    for name, result in (("undetected_error", attacked), ("undetected_error_clean", clean)):
        metrics += [
            Metric(name, share(lost), fpr, policy)
            for (fpr, policy), lost in undetected_errors_by_policy(
                detector, result, y, fprs=fprs
            ).items()
        ]
    return metrics


def undetected_errors_by_policy(
    detector: AdversarialDetector, found: Prediction, y: Classes, *, fprs: Sequence[float] = FPRS
) -> dict[tuple[float, str], NDArray[np.bool_]]:
    """Return where the system gives a wrong answer without a warning.

    Parameters and errors as in `defence_metrics`.

    Returns
    -------
    dict of (float, str) to (n,) bool
        For each ε_FPR and policy.
    """
    thresholds = {fpr: threshold_at(detector, fpr) for fpr in fprs}
    return {
        (fpr, policy): undetected_errors(_with_threshold(found, threshold), y, policy)
        for fpr, threshold in thresholds.items()
        for policy in POLICIES
    }


def _with_threshold(found: Prediction, threshold: float) -> Prediction:
    flagged, defended = correct_flagged(
        found.score, threshold, found.prediction, found.reconstruction_prediction
    )
    return replace(found, flagged=flagged, defended_prediction=defended)
