"""Accuracy of a batch: realised where there are labels, estimated where there are none."""

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.proportions import Rate, rate


class DropErrorModel(Protocol):
    """What an estimate asks of the accuracy estimator beside its probabilities."""

    def drop_error(self, drop: float) -> float:
        """Return the standard deviation of the estimator's own error at an estimated drop."""
        ...


class Share(NamedTuple):
    """An estimated share of `n` rows, with its interval."""

    estimate: float
    low: float
    high: float
    n: int


class AccuracyEstimate(NamedTuple):
    """Estimated accuracy of a batch and of the reference, and the first minus the second.

    `p_value` is one-sided: that accuracy has not fallen.
    """

    current: Share
    reference: Share
    difference: tuple[float, float, float]
    p_value: float


def realised_accuracy(rows: ScoredRows, alpha: float = 0.05) -> Rate | None:
    """Return the share of labelled rows whose prediction is right, or None without labels.

    What was served counts; where it was not logged, what the classifier says now.
    """
    labelled = int(np.count_nonzero(rows.label >= 0))
    return rate(int(np.count_nonzero(rows.right)), labelled, alpha)


def estimated_accuracy(
    current: NDArray[np.float64],
    reference: NDArray[np.float64],
    accuracy_estimator: DropErrorModel,
    alpha: float = 0.05,
) -> AccuracyEstimate:
    """Estimate accuracy from the probabilities that each prediction is right.

    The estimate is their mean. Its interval is that of the accuracy realised on the same rows,
    whose variance about the estimate is Σ p(1 − p)/n², and of the estimator's own error, which
    grows with the drop below the reference. The difference compares two populations: its variance
    is that of the two means, and again the estimator's own error; on a batch like the reference
    that error vanishes, so the test keeps its level there.

    Parameters
    ----------
    current, reference : (n,), (m,) float64
        Probabilities that a row's prediction is right, finite, at least one each.
    accuracy_estimator : AccuracyEstimator
        Gives its own error.
    alpha : float
        1 − confidence of the intervals (normal).
    """
    z = float(stats.norm.isf(alpha / 2))
    here, there = float(current.mean()), float(reference.mean())
    drop = there - here
    own_error = accuracy_estimator.drop_error(drop)
    spread = math.sqrt(current.var() / len(current) + reference.var() / len(reference))
    error = math.hypot(spread, own_error)
    return AccuracyEstimate(
        current=_share(current, own_error, z),
        reference=_share(reference, 0.0, z),
        difference=(-drop, -drop - z * error, -drop + z * error),
        p_value=float(stats.norm.sf(drop / error)) if error else float(drop <= 0),
    )


def _share(probabilities: NDArray[np.float64], own_error: float, z: float) -> Share:
    estimate = float(probabilities.mean())
    n = len(probabilities)
    error = math.hypot(math.sqrt(float((probabilities * (1 - probabilities)).sum())) / n, own_error)
    return Share(estimate, max(0.0, estimate - z * error), min(1.0, estimate + z * error), n)
