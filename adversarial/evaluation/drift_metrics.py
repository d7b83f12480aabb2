"""Harmful and harmless drift: the score of each, by corruption and by severity (Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.evaluation.estimates import (
    N_RESAMPLES,
    Estimate,
    Metric,
    area_under_roc,
    mean,
    percentiles,
    ratio_of_means,
    share,
    undefined,
)
from adversarial.evaluation.read import Case, Columns
from adversarial.statistics import Scores

if TYPE_CHECKING:  # needs TensorFlow, which showing kept numbers does not
    from adversarial.detector.scorer import Prediction

Classes = NDArray[np.int64]


def drift_metrics(
    before: Prediction, after: Prediction, y: Classes, *, seed: int = 0
) -> list[Metric]:
    """Return how well the score tells harmful drift from harmless (section 4.4, Figure 7).

    Harmful and harmless are as in `split_drift`.

    Parameters
    ----------
    before, after : Prediction
        The detector's predictions for the rows before the drift, and for the same rows after it.
    y : (n,) int64
        True classes.
    seed : int
        Seed of the bootstrap.

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
    return metrics + _separation(harmful, harmless)


def split_drift(
    before: Classes, after: Classes, y: Classes
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which drifted rows are harmful, and which are harmless.

    A row is harmful if it is misclassified and its original is not, harmless if M gives both the
    same class; other rows are in neither group.

    Parameters
    ----------
    before, after, y : (n,) int64
        M's classes for the originals and for the drifted rows, and the true ones.
    """
    return (before == y) & (after != y), before == after


@dataclass(frozen=True)
class SeveritySummary:
    """What drift of one severity does, seen by one defence.

    Attributes
    ----------
    defence : str
    severity : int
        0 for the originals.
    corruptions : int
        How many are taken together.
    accuracy, accuracy_reconstructed : Estimate
        Accuracy of M(x) and of M(AE(x)).
    score : Estimate
        Mean over all rows, in nats.
    score_harmful, score_harmless : Estimate
        Mean over the rows of each kind (`split_drift`); there are none among the originals.
    ratio : Estimate
        Ratio of the former to the latter.
    ks_metrics : list of Metric
        D and p of a two-sample Kolmogorov-Smirnov test between the two.
    """

    defence: str
    severity: int
    corruptions: int
    accuracy: Estimate
    accuracy_reconstructed: Estimate
    score: Estimate
    score_harmful: Estimate
    score_harmless: Estimate
    ratio: Estimate
    ks_metrics: list[Metric]

    @property
    def ks(self) -> float:
        """D of the test, NaN where one of the two is empty."""
        return self.ks_metrics[0].estimate.value

    def metrics(self) -> list[Metric]:
        """Return the numbers under the names that they have for one corruption."""
        return [
            Metric("accuracy_drifted", self.accuracy),
            Metric("accuracy_reconstructed", self.accuracy_reconstructed),
            Metric("score_harmful", self.score_harmful),
            Metric("score_harmless", self.score_harmless),
            Metric("score_ratio", self.ratio),
            *self.ks_metrics,
        ]


def by_severity(
    rows: Mapping[Case, Mapping[str, Columns]], *, seed: int = 0
) -> list[SeveritySummary]:
    """Return what drift does at every severity, all corruptions together, by defence.

    Every corruption drifts the same images, so the bootstrap behind the intervals draws images, not
    rows.

    Parameters
    ----------
    rows : mapping of Case to mapping of str to columns
        As `adversarial.evaluation.read.read_rows` returns them; attacks are left out.
    seed : int
        Seed of the bootstrap.
    """
    drifted: dict[tuple[str, int], list[Columns]] = {}
    for case, defences in rows.items():
        for defence, columns in defences.items():
            if case.corruption is not None and case.severity is not None:
                drifted.setdefault((defence, case.severity), []).append(columns)
    result = []
    for defence in dict.fromkeys(defence for defence, _ in drifted):
        severities = sorted(severity for name, severity in drifted if name == defence)
        originals = [_originals(drifted[defence, severities[0]][0])]
        result.append(_summarise(defence, 0, originals, seed))
        result += [
            _summarise(defence, severity, drifted[defence, severity], seed)
            for severity in severities
        ]
    return result


def _separation(harmful: Scores, harmless: Scores) -> list[Metric]:
    """Return D and p of a two-sample Kolmogorov-Smirnov test; undefined if one sample is empty."""
    statistic = p_value = undefined()
    if len(harmful) and len(harmless):
        test = scipy.stats.ks_2samp(harmful, harmless)
        n, nan = len(harmful) + len(harmless), float("nan")
        statistic = Estimate(float(test.statistic), nan, nan, n)
        p_value = Estimate(float(test.pvalue), nan, nan, n)
    return [Metric("ks_statistic", statistic), Metric("ks_p_value", p_value)]


def _originals(columns: Columns) -> Columns:
    names = ("prediction", "reconstruction_prediction", "score")
    return {**columns, **{name: columns[f"{name}_clean"] for name in names}}


def _summarise(
    defence: str, severity: int, corruptions: Sequence[Columns], seed: int
) -> SeveritySummary:
    n_images = len(corruptions[0]["row"])
    sums, counts = np.zeros((2, 5, n_images))
    harmful, harmless = [], []
    for columns in corruptions:
        label, score = columns["label"], columns["score"]
        before, after = columns["prediction_clean"], columns["prediction"]
        every = np.full(n_images, True)
        is_harmful, is_harmless = split_drift(before, after, label)
        if not severity:  # the originals have not drifted
            is_harmless = ~every
        parts = (
            (after == label, every),
            (columns["reconstruction_prediction"] == label, every),
            (score, every),
            (score, is_harmful),
            (score, is_harmless),
        )
        for index, (values, taken) in enumerate(parts):
            sums[index] += np.where(taken, values, 0)
            counts[index] += taken
        harmful.append(score[is_harmful])
        harmless.append(score[is_harmless])
    drawn = _resample(sums, counts, seed)
    totals = counts.sum(axis=1).astype(int)
    with np.errstate(invalid="ignore"):
        values = sums.sum(axis=1) / totals
    accuracy, accuracy_reconstructed, score_all, score_harmful, score_harmless = (
        _estimate(value, sample, n) for value, sample, n in zip(values, drawn, totals, strict=True)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = _estimate(values[3] / values[4], drawn[3] / drawn[4], totals[3] + totals[4])
    return SeveritySummary(
        defence,
        severity,
        len(corruptions),
        accuracy=accuracy,
        accuracy_reconstructed=accuracy_reconstructed,
        score=score_all,
        score_harmful=score_harmful,
        score_harmless=score_harmless,
        ratio=ratio,
        ks_metrics=_separation(np.concatenate(harmful), np.concatenate(harmless)),
    )


def _resample(
    sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the means over drawn images, (n_statistics, n_resamples)."""
    rng = np.random.default_rng(seed)
    n_images = sums.shape[1]
    result = np.empty((len(sums), N_RESAMPLES))
    with np.errstate(invalid="ignore"):
        for index in range(N_RESAMPLES):
            times = np.bincount(rng.integers(0, n_images, n_images), minlength=n_images)
            result[:, index] = (sums @ times) / (counts @ times)
    return result


def _estimate(value: float, drawn: NDArray[np.float64], n: int) -> Estimate:
    if not np.isfinite(value):
        return undefined()
    return Estimate(float(value), *percentiles(drawn[np.isfinite(drawn)]), int(n))
