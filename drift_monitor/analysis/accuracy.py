"""Accuracy of a batch: realised where there are labels, estimated where there are none."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from drift_monitor.results.report_findings import Accuracy, EstimatedAccuracy, RealisedAccuracy
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.estimates import Estimate, EstimatedShare, Rate
from drift_monitor.stats.proportions import rate, rate_difference

NO_ESTIMATOR = (
    "the detector has no accuracy estimator: fit it, or its reference, with labels (drift-monitor "
    "reference, --label)"
)


class DropErrorModel(Protocol):
    """What an estimate needs from the accuracy estimator besides its probabilities."""

    def drop_error(self, drop: float) -> float:
        """Return the standard deviation of the estimator's own error at an estimated drop."""
        ...


def compare_accuracy(
    current: ScoredRows,
    reference: ScoredRows,
    accuracy_estimator: DropErrorModel | None,
    alpha: float,
    *,
    decides: bool,
) -> Accuracy:
    """Return the accuracy of a batch against the reference's, realised and estimated.

    Parameters
    ----------
    current, reference : ScoredRows
        Rows with the estimator's probabilities, if there is an estimator.
    accuracy_estimator : AccuracyEstimator, optional
        The detector's.
    alpha : float
        1 − confidence of the intervals.
    decides : bool
        Whether the verdict counts the estimate.
    """
    here, there = realised_accuracy(current, alpha), realised_accuracy(reference, alpha)
    realised = RealisedAccuracy(
        current=here,
        reference=there,
        difference=rate_difference(here, there) if here and there else None,
    )
    own, other = current.probability_correct, reference.probability_correct
    if accuracy_estimator is None or own is None or other is None or not current.finite.any():
        missing = "no row can be judged"
        if accuracy_estimator is None and len(current):
            missing = NO_ESTIMATOR
        return Accuracy(realised=realised, estimated=None, estimated_missing=missing)
    estimated = estimated_accuracy(
        own[current.finite], other[reference.finite], accuracy_estimator, alpha, decides=decides
    )
    return Accuracy(realised=realised, estimated=estimated, estimated_missing=None)


def realised_accuracy(rows: ScoredRows, alpha: float = 0.05) -> Rate | None:
    """Return the share of labelled rows whose prediction is right, or None without labels.

    The prediction is the one that was served; where it was not logged, what the classifier says
    now.
    """
    labelled = int(np.count_nonzero(rows.label >= 0))
    return rate(int(np.count_nonzero(rows.correct)), labelled, alpha)


def estimated_accuracy(
    current: NDArray[np.float64],
    reference: NDArray[np.float64],
    accuracy_estimator: DropErrorModel,
    alpha: float = 0.05,
    *,
    decides: bool = True,
) -> EstimatedAccuracy:
    """Estimate accuracy from the probabilities that each prediction is right.

    The estimate is their mean. Its interval allows for the accuracy realised on the same rows,
    whose variance about the estimate is Σ p(1 − p)/n², and for the estimator's own error, which
    grows with the drop below the reference. The difference compares two populations: its variance
    is that of the two means, plus the estimator's own error; on a batch like the reference that
    error vanishes, so the test keeps its level there.

    Parameters
    ----------
    current, reference : (n,), (m,) float64
        Probabilities that a row's prediction is right, finite, at least one each.
    accuracy_estimator : AccuracyEstimator
        Says how large its own error is.
    alpha : float
        1 − confidence of the intervals (normal).
    decides : bool
        Whether the verdict counts the estimate.
    """
    z = float(stats.norm.isf(alpha / 2))
    here, there = float(current.mean()), float(reference.mean())
    drop = there - here
    own_error = accuracy_estimator.drop_error(drop)
    spread = math.sqrt(current.var() / len(current) + reference.var() / len(reference))
    error = math.hypot(spread, own_error)
    return EstimatedAccuracy(
        current=_share(current, own_error, z),
        reference=_share(reference, 0.0, z),
        difference=Estimate(estimate=-drop, low=-drop - z * error, high=-drop + z * error),
        p_value=float(stats.norm.sf(drop / error)) if error else float(drop <= 0),
        decides=decides,
    )


def _share(probabilities: NDArray[np.float64], own_error: float, z: float) -> EstimatedShare:
    estimate = float(probabilities.mean())
    n = len(probabilities)
    error = math.hypot(math.sqrt(float((probabilities * (1 - probabilities)).sum())) / n, own_error)
    low, high = max(0.0, estimate - z * error), min(1.0, estimate + z * error)
    return EstimatedShare(estimate=estimate, low=low, high=high, n=n)
