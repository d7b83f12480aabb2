"""Estimates: a number, its 95 % interval, and the number of rows behind it.

Intervals are about other rows like these, not about training the models again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.statistics import Scores, roc_area

CONFIDENCE = 0.95
N_RESAMPLES = 1_000


class Estimate(NamedTuple):
    """A number, the ends of its 95 % interval, and how many rows it is based on.

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
        (`adversarial.evaluation.threat_models.POLICIES`).
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
        return undefined()
    n_hits = int(np.count_nonzero(hits))
    interval = scipy.stats.binomtest(n_hits, len(hits)).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(n_hits / len(hits), float(interval.low), float(interval.high), len(hits))


def mean(values: NDArray[np.floating] | NDArray[np.integer]) -> Estimate:
    """Return the mean, with Student's interval (NaN ends for a single value)."""
    n = len(values)
    if not n:
        return undefined()
    center = float(np.mean(values, dtype=np.float64))
    if n == 1:
        return Estimate(center, float("nan"), float("nan"), n)
    spread = float(np.std(values, ddof=1, dtype=np.float64)) / np.sqrt(n)
    margin = float(scipy.stats.t(n - 1).ppf((1 + CONFIDENCE) / 2)) * spread
    return Estimate(center, center - margin, center + margin, n)


def roc(normal: Scores, attacked: Scores) -> tuple[Scores, Scores]:
    """Return the false and true positive rates of every threshold, from none flagged to all.

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
        Row i of both is the same image; the bootstrap then draws images, not each side separately.
    seed : int
        Seed of the bootstrap, whose percentiles are the interval.
    """
    if not len(normal) or not len(attacked):
        return undefined()
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(N_RESAMPLES):
        first = rng.integers(0, len(normal), len(normal))
        second = first if paired else rng.integers(0, len(attacked), len(attacked))
        drawn.append(roc_area(normal[first], attacked[second]))
    return Estimate(roc_area(normal, attacked), *percentiles(drawn), len(normal) + len(attacked))


def ratio_of_means(above: Scores, below: Scores, *, seed: int = 0) -> Estimate:
    """Return the ratio of two groups' means, with a bootstrap interval."""
    if not len(above) or not len(below):
        return undefined()
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(above, len(above)).mean() / rng.choice(below, len(below)).mean()
        for _ in range(N_RESAMPLES)
    ]
    return Estimate(
        float(above.mean() / below.mean()), *percentiles(drawn), len(above) + len(below)
    )


def percentiles(drawn: Sequence[float] | Scores) -> tuple[float, float]:
    """Return the ends of the interval, from what was drawn in a bootstrap."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def undefined() -> Estimate:
    """Return the estimate that no rows give: NaN."""
    return Estimate(float("nan"), float("nan"), float("nan"), 0)
