"""Corrections: where the class of M(AE(x)) is offered in the prediction's place, and what it gains.

A correction is not always an improvement, so it is offered only where the accuracy estimator
gives it the higher probability of being right.
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.results.report_findings import Correction, CorrectionGain
from drift_monitor.scoring.scored_rows import Classes, ScoredRows
from drift_monitor.stats.estimates import Estimate


def proposed(rows: ScoredRows) -> NDArray[np.bool_]:
    """Return which rows are flagged and have another class after reconstruction, (n,) bool."""
    result: NDArray[np.bool_] = rows.flagged & (rows.reconstruction != rows.prediction)
    return result


def offered(rows: ScoredRows) -> NDArray[np.bool_]:
    """Return which proposed rows have the likelier class after reconstruction, (n,) bool.

    Without an accuracy estimator every proposal is offered, as in the paper (Figure 2).
    """
    result = proposed(rows)
    if rows.probability_correct is None or rows.reconstruction_probability_correct is None:
        return result
    return result & (rows.reconstruction_probability_correct > rows.probability_correct)


def correction_pairs(rows: ScoredRows, class_names: Sequence[str]) -> list[Correction]:
    """Return the pairs of classes that occur among the proposed rows, most frequent first."""
    n_classes = len(class_names)
    some = np.flatnonzero(proposed(rows))
    keys = rows.prediction[some] * n_classes + rows.reconstruction[some]
    result, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    size = len(result)

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(which, values[some], minlength=size).astype(np.float64)

    given = sums(offered(rows).astype(np.float64))
    before = after = None
    if rows.probability_correct is not None and rows.reconstruction_probability_correct is not None:
        before = sums(rows.probability_correct) / counts
        after = sums(rows.reconstruction_probability_correct) / counts
    return [
        Correction(
            prediction=class_names[result[i] // n_classes],
            reconstruction_prediction=class_names[result[i] % n_classes],
            n=int(counts[i]),
            offered=int(given[i]),
            probability_before=None if before is None else float(before[i]),
            probability_after=None if after is None else float(after[i]),
        )
        for i in np.lexsort((result, -counts))
    ]


def correction_gain(rows: ScoredRows, alpha: float = 0.05) -> CorrectionGain:
    """Return what the offered corrections are expected to gain, as a share of the batch's rows.

    Without an estimator there is no expected gain. The realised gain is measured on the labelled
    rows, as a share of them, and is None where no row has a label.

    Each corrected row changes the number of right predictions by +1, 0 or −1, with the estimator's
    probabilities; the interval is the normal one for their sum, and takes the estimator at its
    word.
    """
    all_proposed, given = proposed(rows), offered(rows)
    n = len(rows)
    expected = expected_of_all = None
    before, after = rows.probability_correct, rows.reconstruction_probability_correct
    if before is not None and after is not None and n:
        moves = (after - before)[given]
        variance = float(((after + before)[given] - moves**2).sum())
        reach = float(scipy.stats.norm.isf(alpha / 2)) * math.sqrt(max(0.0, variance)) / n
        centre = float(moves.sum()) / n
        expected = Estimate(estimate=centre, low=centre - reach, high=centre + reach)
        expected_of_all = float((after - before)[all_proposed].sum()) / n
    labelled = rows.label >= 0
    return CorrectionGain(
        proposed=int(np.count_nonzero(all_proposed)),
        offered=int(np.count_nonzero(given)),
        expected=expected,
        expected_of_all=expected_of_all,
        realised=_realised(rows, given & labelled, int(np.count_nonzero(labelled))),
    )


def corrected_classes(rows: ScoredRows) -> Classes:
    """Return the class of each row after the offered corrections, (n,) int64."""
    return np.where(offered(rows), rows.reconstruction, rows.prediction)


def _realised(rows: ScoredRows, corrected: NDArray[np.bool_], n: int) -> float | None:
    if not n:
        return None
    label = rows.label[corrected]
    gained = np.count_nonzero(rows.reconstruction[corrected] == label)
    lost = np.count_nonzero(rows.prediction[corrected] == label)
    return (gained - lost) / n
