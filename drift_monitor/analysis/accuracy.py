"""Accuracy of a batch: realised where there are labels, estimated where there are none."""

import math
from typing import NamedTuple, Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.results.report_findings import (
    Accuracy,
    AccuracyBounds,
    EstimatedAccuracy,
    LikelyExplanation,
    RealisedAccuracy,
    Support,
)
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.estimates import Estimate, EstimatedShare, Rate
from drift_monitor.stats.proportions import rate, rate_difference

NO_ESTIMATOR = (
    "the detector has no accuracy estimator: fit it, or its reference, with labels (drift-monitor "
    "reference, --label)"
)


OWN_ERROR = 0.15
"""Standard deviation of an estimate's own error, as a share of the drop that it estimates."""
MISSED_BY_LEARNER = 4.0
"""A learner's KS distance is a lower bound of the share of rows that a mixture lacks; it is taken
this many times."""


class Unlabelled(NamedTuple):
    """What is known of a batch's rows without labels.

    Attributes
    ----------
    support : Support, optional
        How far they are like the calibration rows; None where the detector keeps none.
    novel_excess : float
        Share of novel rows beyond that of normal ones.
    rejected : float
        Share of the rows read that could not be scored.
    """

    support: Support | None
    novel_excess: float
    rejected: float

    def unknown(self, explanation: LikelyExplanation | None) -> float:
        """Return the share of the rows read of which an explanation says nothing; 0 to 1."""
        if explanation is None:
            return 1.0
        novel = max(0.0, self.novel_excess - explanation.novel)
        missed = max(self.missed(explanation), novel)
        return 1 - (1 - min(1.0, missed)) * (1 - self.rejected)

    def missed(self, explanation: LikelyExplanation) -> float:
        """Return the share of the scored rows that a learner tells from an explanation's."""
        return min(1.0, MISSED_BY_LEARNER * explanation.unexplained)


class DropErrorModel(Protocol):
    """What an estimate needs from the accuracy estimator besides its probabilities."""

    def drop_error(self, drop: float) -> float:
        """Return the standard deviation of the estimator's own error at an estimated drop."""
        ...


def compare_accuracy(
    current: ScoredRows,
    reference: ScoredRows,
    accuracy_estimator: DropErrorModel | None,
    unlabelled: Unlabelled | None,
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
    unlabelled : Unlabelled, optional
        What is known of the batch's support.
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
        own[current.finite],
        other[reference.finite],
        accuracy_estimator,
        unlabelled,
        alpha,
        decides=decides,
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
    unlabelled: Unlabelled | None = None,
    alpha: float = 0.05,
    *,
    n_effective: float | None = None,
    decides: bool = True,
) -> EstimatedAccuracy:
    """Estimate accuracy without labels, and bound it.

    The estimate is the mean of the probabilities p that each prediction is right, and a correction:
    by how much p is off, on average, for the calibration rows that the batch looks like. (Together
    they are the augmented inverse-probability-weighted mean: p may be blind to a fault that those
    rows show.) Its interval holds within support: for the rows that look like calibration rows. It
    allows for the accuracy realised on the same rows, whose variance about the estimate is
    Σ p(1 − p)/n², for the few calibration rows of a kind, and for the estimator's own error, a
    share of the drop it estimates. The difference compares two populations by one estimator: its
    variance is that of the two means, and where there is no drop, its own error vanishes.

    The bounds hold whatever the remaining rows are: those that look like no calibration row, and
    those that were rejected; and whichever of the likely explanations is true. The bounds of the
    accuracy itself, not of the difference, also allow for the sampling error of the reference.

    Parameters
    ----------
    current, reference : (n,), (m,) float64
        Probabilities that a row's prediction is right, finite, at least one each.
    accuracy_estimator : AccuracyEstimator
        Says how large its own error is where nothing is known of support.
    unlabelled : Unlabelled, optional
        What is known of the batch's support.
    alpha : float
        1 − confidence of the intervals (normal).
    n_effective : float, optional
        Independent rows that those of the batch count as; n when not given.
    decides : bool
        Whether the verdict counts the estimate.
    """
    z = float(scipy.stats.norm.isf(alpha / 2))
    there = float(reference.mean())
    n = n_effective or len(current)
    spread = math.sqrt(current.var() / n + reference.var() / len(reference))
    rows = unlabelled or Unlabelled(None, 0.0, 0.0)
    explanations: list[LikelyExplanation | None] = [
        *(rows.support.explanations if rows.support else [])
    ]
    found = [
        _explained(float(current.mean()), there, spread, z, explanation, rows, accuracy_estimator)
        for explanation in explanations or [None]
    ]
    best = found[0]
    difference = Estimate(
        estimate=-best.drop,
        low=max(-1.0, min(one.low for one in found)),
        high=min(1.0, max(one.high for one in found)),
    )
    bounds = [_bounds(one.low, one.high, there, one.unknown) for one in found]
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    # The labels of the reference, by which the estimator was fitted, might have been luckier.
    luck = z * _sampling_error(reference)
    return EstimatedAccuracy(
        current=_share(current, n, there - best.drop, best.error, z),
        reference=_share(reference, len(reference), there, 0.0, z),
        difference=difference,
        largest_drop=max(one.drop for one in found),
        p_value=max(one.p_value for one in found),
        bounds=AccuracyBounds(
            low=max(0.0, there - best.drop - math.hypot(low + best.drop, luck)),
            high=min(1.0, there - best.drop + math.hypot(high + best.drop, luck)),
            difference_low=low,
            difference_high=high,
            unknown=max(one.unknown for one in found),
        ),
        decides=decides,
    )


class _Explained(NamedTuple):
    """The drop in accuracy under one explanation, and its interval within support."""

    drop: float
    low: float
    high: float
    p_value: float
    error: float
    unknown: float


def _explained(
    mean: float,
    reference: float,
    spread: float,
    z: float,
    explanation: LikelyExplanation | None,
    rows: Unlabelled,
    accuracy_estimator: DropErrorModel,
) -> _Explained:
    correction = explanation.correction if explanation else 0.0
    drop = reference - min(1.0, max(0.0, mean + correction))
    if explanation is None:
        own = accuracy_estimator.drop_error(drop)
    else:
        own = math.hypot(OWN_ERROR * drop, explanation.correction_error)
    error = math.hypot(spread, own)
    return _Explained(
        drop,
        -drop - z * error,
        -drop + z * error,
        float(scipy.stats.norm.sf(drop / error)) if error else float(drop <= 0),
        own,
        rows.unknown(explanation),
    )


def _bounds(low: float, high: float, reference: float, unknown: float) -> tuple[float, float]:
    """Return the bounds of a difference, when a share of the rows may be anything."""
    known = 1 - unknown
    low = known * max(0.0, reference + low) - reference
    high = known * min(1.0, reference + high) + unknown - reference
    return max(-1.0, low), min(1.0, high)


def _share(
    probabilities: NDArray[np.float64], n: float, estimate: float, own_error: float, z: float
) -> EstimatedShare:
    repeated = math.sqrt(len(probabilities) / n)
    error = math.hypot(repeated * _sampling_error(probabilities), own_error)
    low, high = max(0.0, estimate - z * error), min(1.0, estimate + z * error)
    return EstimatedShare(estimate=estimate, low=low, high=high, n=len(probabilities))


def _sampling_error(probabilities: NDArray[np.float64]) -> float:
    """Return the standard error of the share of right predictions among so many rows."""
    return math.sqrt(float((probabilities * (1 - probabilities)).sum())) / len(probabilities)
