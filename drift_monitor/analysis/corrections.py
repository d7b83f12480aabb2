"""Corrections: where the class of M(AE(x)) is offered in the prediction's place, and what it gains.

A correction is not always an improvement. It is offered only for rows like those that the detector
was calibrated on, only where the accuracy estimator gives it the higher probability of being right,
and only if the batch does not lose by it whatever is unknown of its rows.
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.analysis.accuracy import NO_ESTIMATOR, OWN_ERROR, Unlabelled
from drift_monitor.results.report_findings import Correction, CorrectionGain, LikelyExplanation
from drift_monitor.scoring.scored_rows import Classes, ScoredRows
from drift_monitor.stats.estimates import Estimate

NO_NOVELTY = (
    "an older version made the detector, which does not know which rows are like those that it was "
    "calibrated on: make its reference anew, with labels (drift-monitor reference, --label)"
)
NOT_BOUNDED = (
    "an older version scored the interval and did not bound what corrections gain: run it again"
)
ALL_NOVEL = "none of these rows is like those that the detector was calibrated on"
NONE_LIKELIER = "the class after reconstruction is the likelier for none of these rows"
MAY_LOSE = "more right predictions may be lost than gained"

Mask = NDArray[np.bool_]


def proposed(rows: ScoredRows) -> Mask:
    """Return which rows are flagged and have another class after reconstruction, (n,) bool."""
    result: Mask = rows.flagged & (rows.reconstruction != rows.prediction)
    return result


def likelier(rows: ScoredRows) -> Mask:
    """Return which proposed rows may be corrected, (n,) bool.

    They are within support, and their class after reconstruction is the likelier to be right. None
    may where the detector knows nothing of support or accuracy.
    """
    before, after = rows.probability_correct, rows.reconstruction_probability_correct
    if rows.novel is None or before is None or after is None:
        return np.zeros(len(rows), bool)
    return proposed(rows) & ~rows.novel & (after > before)


def offered(rows: ScoredRows, gain: CorrectionGain) -> Mask:
    """Return for which rows a correction is offered, (n,) bool: `likelier`, or none."""
    return likelier(rows) if gain.withheld is None else np.zeros(len(rows), bool)


def corrected_classes(rows: ScoredRows, given: Mask) -> Classes:
    """Return the class of each row after the given corrections, (n,) int64."""
    return np.where(given, rows.reconstruction, rows.prediction)


def correction_pairs(rows: ScoredRows, given: Mask, class_names: Sequence[str]) -> list[Correction]:
    """Return the pairs of classes that occur among the proposed rows, most frequent first.

    Parameters
    ----------
    rows : ScoredRows
        The batch.
    given : (n,) bool
        For which rows the correction is offered.
    class_names : sequence of str
        The detector's classes.
    """
    n_classes = len(class_names)
    some = np.flatnonzero(proposed(rows))
    keys = rows.prediction[some] * n_classes + rows.reconstruction[some]
    result, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    size = len(result)

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(which, values[some], minlength=size).astype(np.float64)

    n_given = sums(given.astype(np.float64))
    before = after = None
    if rows.probability_correct is not None and rows.reconstruction_probability_correct is not None:
        before = sums(rows.probability_correct) / counts
        after = sums(rows.reconstruction_probability_correct) / counts
    return [
        Correction(
            prediction=class_names[result[i] // n_classes],
            reconstruction_prediction=class_names[result[i] % n_classes],
            n=int(counts[i]),
            offered=int(n_given[i]),
            probability_before=None if before is None else float(before[i]),
            probability_after=None if after is None else float(after[i]),
        )
        for i in np.lexsort((result, -counts))
    ]


def correction_gain(
    rows: ScoredRows, unlabelled: Unlabelled | None = None, alpha: float = 0.05
) -> CorrectionGain:
    """Return what corrections are expected to gain, and why they are withheld where they are.

    Each corrected row changes the number of right predictions by +1, 0 or −1. The expected gain is
    the mean of the estimator's probabilities for that, and by how much these are off for the
    calibration rows that the batch looks like. Its bounds are made as those of the accuracy
    (`accuracy.estimated_accuracy`): they allow for the outcome of each row, for the few calibration
    rows of a kind, for the estimator's own error, and for every likely explanation of the batch; of
    the corrected rows that no explanation covers, all may be lost, or all gained.

    The realised gain is measured on the labelled rows, as a share of them.

    Parameters
    ----------
    rows : ScoredRows
        The batch.
    unlabelled : Unlabelled, optional
        What is known of the batch's support.
    alpha : float
        1 − confidence of the bounds (normal).
    """
    all_proposed, given = proposed(rows), likelier(rows)
    within = None if rows.novel is None else int(np.count_nonzero(all_proposed & ~rows.novel))
    expected = _expected(rows, given, unlabelled, alpha)
    labelled = rows.label >= 0
    gain = CorrectionGain(
        proposed=int(np.count_nonzero(all_proposed)),
        within_support=within,
        likelier=int(np.count_nonzero(given)),
        offered=0,
        expected=expected,
        realised=_realised(rows, given & labelled, int(np.count_nonzero(labelled))),
    )
    withheld = _withheld(rows, gain, unlabelled) if gain.proposed else None
    return gain.model_copy(
        update={"withheld": withheld, "offered": 0 if withheld else gain.likelier}
    )


def _withheld(rows: ScoredRows, gain: CorrectionGain, unlabelled: Unlabelled | None) -> str | None:
    """Return why no correction is offered, or None."""
    support = unlabelled.support if unlabelled else None
    reasons = (
        (rows.probability_correct is None, NO_ESTIMATOR),
        (gain.within_support is None, NO_NOVELTY),
        (gain.within_support == 0, ALL_NOVEL),
        (gain.likelier == 0, NONE_LIKELIER),
        (gain.expected is None, (support.missing if support else None) or NOT_BOUNDED),
        (gain.expected is not None and gain.expected.low < 0, MAY_LOSE),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _expected(
    rows: ScoredRows, given: Mask, unlabelled: Unlabelled | None, alpha: float
) -> Estimate | None:
    before, after = rows.probability_correct, rows.reconstruction_probability_correct
    support = unlabelled.support if unlabelled else None
    if unlabelled is None or support is None or before is None or after is None or not given.any():
        return None
    n, z = len(rows), float(scipy.stats.norm.isf(alpha / 2))
    moves = (after - before)[given]
    own = float(moves.sum()) / n
    chance = max(0.0, float(((after + before)[given] - moves**2).sum())) / n**2
    found = []
    for explanation in support.explanations:
        if explanation.gain is None or explanation.gain_error is None:
            return None
        share = len(moves) / n
        centre = min(share, max(-share, own + explanation.gain))
        errors = (math.sqrt(chance), explanation.gain_error, OWN_ERROR * centre)
        reach = z * math.hypot(*errors)
        found.append(_bounded(centre, reach, share, unlabelled, explanation))
    if not found:
        return None
    return Estimate(
        estimate=found[0].estimate,
        low=min(one.low for one in found),
        high=max(one.high for one in found),
    )


def _bounded(
    centre: float,
    reach: float,
    share: float,
    unlabelled: Unlabelled,
    explanation: LikelyExplanation,
) -> Estimate:
    """Return a gain with its bounds, where a share of the rows is corrected."""
    unknown = min(share, unlabelled.missed(explanation))
    known = 1 - unknown / share
    return Estimate(
        estimate=centre,
        low=known * max(-share, centre - reach) - unknown,
        high=known * min(share, centre + reach) + unknown,
    )


def _realised(rows: ScoredRows, corrected: Mask, n: int) -> float | None:
    if not n:
        return None
    label = rows.label[corrected]
    gained = np.count_nonzero(rows.reconstruction[corrected] == label)
    lost = np.count_nonzero(rows.prediction[corrected] == label)
    return (gained - lost) / n
