"""The paper's evaluation in numbers: attack, detection, correction and drift, with intervals.

Every number is an `Estimate` with its 95 % interval and the number of rows behind it. Intervals
speak of other rows like these, not of other trainings of the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from adversarial.attacks import AttackResult
from adversarial.detector import AdversarialDetector, Prediction
from adversarial.threat_models import POLICIES, threshold_at, undetected_errors

Scores = NDArray[np.float64]
Classes = NDArray[np.int64]

CONFIDENCE = 0.95
FPRS = (0.01, 0.05)
"""ε_FPR of the thresholds at which detection is reported."""
N_RESAMPLES = 1_000


class Estimate(NamedTuple):
    """A number, the ends of its 95 % interval, and how many rows it is from.

    All three are NaN where there are no rows.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Metric:
    """One number of an evaluation.

    Attributes
    ----------
    name : str
        What it is, e.g. "auc".
    estimate : Estimate
        The number.
    fpr : float, optional
        ε_FPR of the threshold, where it depends on one.
    policy : str, optional
        What the system does with flagged rows, where it depends on that
        (`adversarial.threat_models.POLICIES`).
    """

    name: str
    estimate: Estimate
    fpr: float | None = None
    policy: str | None = None


def share(hits: NDArray[np.bool_]) -> Estimate:
    """Return the share of hits, with Wilson's interval.

    Examples
    --------
    >>> found = share(np.arange(100) < 90)
    >>> round(found.low, 4), round(found.high, 4)
    (0.8256, 0.9448)
    """
    if not len(hits):
        return _nothing()
    n_hits = int(np.count_nonzero(hits))
    interval = stats.binomtest(n_hits, len(hits)).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(n_hits / len(hits), float(interval.low), float(interval.high), len(hits))


def mean(values: NDArray[np.floating] | NDArray[np.integer]) -> Estimate:
    """Return the mean, with Student's interval (NaN ends for a single value)."""
    n = len(values)
    if not n:
        return _nothing()
    center = float(np.mean(values, dtype=np.float64))
    if n == 1:
        return Estimate(center, float("nan"), float("nan"), n)
    spread = float(np.std(values, ddof=1, dtype=np.float64)) / np.sqrt(n)
    margin = float(stats.t(n - 1).ppf((1 + CONFIDENCE) / 2)) * spread
    return Estimate(center, center - margin, center + margin, n)


def roc(normal: Scores, attacked: Scores) -> tuple[Scores, Scores]:
    """Return false and true positive rates of every threshold, from none flagged to all.

    Parameters
    ----------
    normal, attacked : (n,), (m,) float64
        Adversarial scores in nats; a row is flagged if its score exceeds the threshold.

    Returns
    -------
    (k,), (k,) float64
        Both rising from 0 to 1.
    """
    thresholds = np.unique(np.concatenate([normal, attacked]))[::-1]
    rates = [
        1 - np.searchsorted(np.sort(scores), thresholds, side="right") / len(scores)
        for scores in (normal, attacked)
    ]
    return (
        np.concatenate([[0.0], rates[0], [1.0]]),
        np.concatenate([[0.0], rates[1], [1.0]]),
    )


def area_under_roc(normal: Scores, attacked: Scores, *, paired: bool, seed: int = 0) -> Estimate:
    """Return the chance that an attacked row scores higher than a normal one.

    Parameters
    ----------
    normal, attacked : (n,), (m,) float64
        Scores.
    paired : bool
        Row i of both is of the same image; then images are drawn in the bootstrap, and not each
        side by itself.
    seed : int
        Of the bootstrap, whose percentiles are the interval.
    """
    if not len(normal) or not len(attacked):
        return _nothing()
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(N_RESAMPLES):
        first = rng.integers(0, len(normal), len(normal))
        second = first if paired else rng.integers(0, len(attacked), len(attacked))
        drawn.append(_area(normal[first], attacked[second]))
    return Estimate(_area(normal, attacked), *_percentiles(drawn), len(normal) + len(attacked))


def ratio_of_means(above: Scores, below: Scores, *, seed: int = 0) -> Estimate:
    """Return the ratio of two groups' means, with a bootstrap interval."""
    if not len(above) or not len(below):
        return _nothing()
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(above, len(above)).mean() / rng.choice(below, len(below)).mean()
        for _ in range(N_RESAMPLES)
    ]
    return Estimate(
        float(above.mean() / below.mean()), *_percentiles(drawn), len(above) + len(below)
    )


def entropy(probabilities: NDArray[np.floating]) -> Scores:
    """Return the entropy of each row of probabilities, (n, n_classes), in nats (Figure 4)."""
    p = np.asarray(probabilities, np.float64)
    found: Scores = -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=1)
    return found


def attack_metrics(
    clean: NDArray[np.floating], attacked: NDArray[np.floating], attack: AttackResult, y: Classes
) -> list[Metric]:
    """Return what an attack does to a classifier that nothing defends.

    Parameters
    ----------
    clean, attacked : (n, n_classes) arrays
        M(x) of the originals and of the attacked rows.
    attack : AttackResult
        Of the same rows.
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
        With a reference window, from whose scores the thresholds are taken.
    clean : Prediction
        What it says of the originals.
    attacked : Prediction
        What it says of the same rows, attacked; failed attacks stay among them.
    y : (n,) int64
        True classes.
    fprs : sequence of float
        ε_FPR of the thresholds.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Metric
        `auc` on originals and attacked rows together (Figures 5 and 6). `accuracy_reconstructed` of
        M(AE(x)) on all attacked rows (most probably Tables 1 to 6), and on the originals
        (`accuracy_reconstructed_clean`). For each ε_FPR the `threshold` in nats, the share of
        originals and of attacked rows that is flagged (`flagged_clean`, `detection_rate`), and for
        each policy the share of attacked rows and of originals on which the system ends in a wrong
        answer that nobody is warned of (`undetected_error`, `undetected_error_clean`).
        `accuracy_defended` is 1 − `undetected_error` of the policy "correct", the defence of
        Figure 2.

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
    n_reference = 0 if detector.reference is None else detector.reference.num_rows
    for fpr in fprs:
        threshold = threshold_at(detector, fpr)
        before, after = (_with_threshold(found, threshold) for found in (clean, attacked))
        metrics += [
            Metric("threshold", Estimate(threshold, float("nan"), float("nan"), n_reference), fpr),
            Metric("flagged_clean", share(before.flagged), fpr),
            Metric("detection_rate", share(after.flagged), fpr),
            Metric("accuracy_defended", share(after.corrected_prediction == y), fpr, "correct"),
        ]
    for name, found in (("undetected_error", attacked), ("undetected_error_clean", clean)):
        metrics += [
            Metric(name, share(lost), fpr, policy)
            for (fpr, policy), lost in lost_rows(detector, found, y, fprs=fprs).items()
        ]
    return metrics


def lost_rows(
    detector: AdversarialDetector, found: Prediction, y: Classes, *, fprs: Sequence[float] = FPRS
) -> dict[tuple[float, str], NDArray[np.bool_]]:
    """Return where the system ends in a wrong answer that nobody is warned of.

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


def drift_metrics(
    before: Prediction, after: Prediction, y: Classes, *, seed: int = 0
) -> list[Metric]:
    """Return how well the score tells harmful drift from harmless (section 4.4, Figure 7).

    Harmful and harmless are as in `split_drift`.

    Parameters
    ----------
    before, after : Prediction
        What the detector says of the rows before the drift, and of the same rows after it.
    y : (n,) int64
        True classes.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Metric
        Accuracy of M before and after the drift, and of M(AE(x)) after it; mean score of the
        originals, of harmful and of harmless rows, and the ratio of the latter two; D and p of a
        two-sample Kolmogorov-Smirnov test between them; AUC of the score as a detector of harm.
    """
    is_harmful, is_harmless = split_drift(before.prediction, after.prediction, y)
    harmful, harmless = after.score[is_harmful], after.score[is_harmless]
    metrics = [
        Metric("accuracy_clean", share(before.prediction == y)),
        Metric("accuracy_drifted", share(after.prediction == y)),
        Metric("accuracy_reconstructed", share(after.reconstruction_prediction == y)),
        Metric("score_clean", mean(before.score)),
        Metric("score_harmful", mean(harmful)),
        Metric("score_harmless", mean(harmless)),
        Metric("score_ratio", ratio_of_means(harmful, harmless, seed=seed)),
        Metric("auc_harm", area_under_roc(harmless, harmful, paired=False, seed=seed)),
    ]
    return metrics + separation(harmful, harmless)


def split_drift(
    before: Classes, after: Classes, y: Classes
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which drifted rows are harmful, and which are harmless.

    A row is harmful if it is misclassified and its original is not, harmless if the class that M
    gives is the same; other rows are in neither group.

    Parameters
    ----------
    before, after, y : (n,) int64
        M's classes of the originals and of the drifted rows, and the true ones.
    """
    return (before == y) & (after != y), before == after


def separation(harmful: Scores, harmless: Scores) -> list[Metric]:
    """Return D and p of a two-sample Kolmogorov-Smirnov test; of no rows where one is empty."""
    statistic = p_value = _nothing()
    if len(harmful) and len(harmless):
        test = stats.ks_2samp(harmful, harmless)
        n, nan = len(harmful) + len(harmless), float("nan")
        statistic = Estimate(float(test.statistic), nan, nan, n)
        p_value = Estimate(float(test.pvalue), nan, nan, n)
    return [Metric("ks_statistic", statistic), Metric("ks_p_value", p_value)]


def _with_threshold(found: Prediction, threshold: float) -> Prediction:
    flagged = found.score > threshold
    corrected = np.where(flagged, found.reconstruction_prediction, found.prediction)
    return replace(found, flagged=flagged, corrected_prediction=corrected)


def _area(normal: Scores, attacked: Scores) -> float:
    """Return the area by ranks; equal scores count half."""
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, attacked, side="left")
    not_above = np.searchsorted(ordered, attacked, side="right")
    return float((below + not_above).mean() / (2 * len(normal)))


def _percentiles(drawn: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _nothing() -> Estimate:
    return Estimate(float("nan"), float("nan"), float("nan"), 0)
