"""The harm split: which predictions were harmed, how often, and how far that exceeds the reference.

Three splits (see `docs/verdicts.md`), each applied alike to the reference and the current rows. An
outcome is an int8: 1 harmful, 0 harmless, −1 left out.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

HARMFUL, HARMLESS, LEFT_OUT = 1, 0, -1

Classes = NDArray[np.int64]
Outcomes = NDArray[np.int8]


def split_by_labels(prediction: Classes, label: Classes) -> Outcomes:
    """Harmful where the prediction is wrong; rows without a label (−1) are left out.

    Examples
    --------
    >>> split_by_labels(np.array([3, 3, 3]), np.array([3, 7, -1]))
    array([ 0,  1, -1], dtype=int8)
    """
    outcome = np.where(prediction != label, HARMFUL, HARMLESS).astype(np.int8)
    outcome[label < 0] = LEFT_OUT
    return outcome


def split_paired(prediction: Classes, label: Classes, clean_prediction: Classes) -> Outcomes:
    """Split by comparison with the prediction on the clean twin (section 4.4 of the paper).

    Harmful where a correct prediction became incorrect, harmless where the prediction stayed the
    same; every other row is left out.

    Examples
    --------
    >>> split_paired(np.array([1, 2, 2, 1]), np.array([1, 1, 1, 1]), np.array([1, 1, 2, 2]))
    array([ 0,  1,  0, -1], dtype=int8)
    """
    outcome = np.full(len(prediction), LEFT_OUT, np.int8)
    outcome[prediction == clean_prediction] = HARMLESS
    outcome[(clean_prediction == label) & (prediction != label)] = HARMFUL
    outcome[(label < 0) | (clean_prediction < 0)] = LEFT_OUT
    return outcome


def split_by_detector(
    flagged: NDArray[np.bool_], prediction: Classes, corrected_prediction: Classes
) -> Outcomes:
    """Harmful where the row is flagged and its correction gives another class.

    Examples
    --------
    >>> split_by_detector(np.array([True, True, False]), np.array([1, 1, 1]), np.array([2, 1, 1]))
    array([1, 0, 0], dtype=int8)
    """
    harmful = flagged & (prediction != corrected_prediction)
    return np.where(harmful, HARMFUL, HARMLESS).astype(np.int8)


@dataclass(frozen=True)
class Rate:
    """A share of rows with its Wilson score interval."""

    count: int
    n: int
    rate: float
    low: float
    high: float


def rate(count: int, n: int, alpha: float = 0.05) -> Rate | None:
    """Return the share of `count` of `n` rows, or None where n is zero.

    Parameters
    ----------
    count, n : int
        Rows.
    alpha : float
        1 − confidence of the Wilson score interval.
    """
    if not n:
        return None
    interval = stats.binomtest(count, n).proportion_ci(1 - alpha, method="wilson")
    return Rate(count, n, count / n, float(interval.low), float(interval.high))


def harm_rate(outcome: Outcomes, alpha: float = 0.05) -> Rate | None:
    """Return the share of harmful rows among those not left out, or None if there are none.

    Parameters
    ----------
    outcome : (n,) int8
        Outcomes.
    alpha : float
        1 − confidence of the Wilson score interval.

    Examples
    --------
    >>> harm_rate(np.array([1, 0, 0, -1], np.int8)).rate
    0.3333333333333333
    """
    judged = int(np.count_nonzero(outcome != LEFT_OUT))
    return rate(int(np.count_nonzero(outcome == HARMFUL)), judged, alpha)


def rise_p_value(current: Rate, reference: Rate) -> float:
    """Return the p-value of Fisher's exact test against a current rate above the reference's.

    Examples
    --------
    Fisher's tea-tasting lady, who told 3 of 4 cups: 0.243.

    >>> round(rise_p_value(rate(3, 4), rate(1, 4)), 3)
    0.243
    """
    table = np.array([[side.count, side.n - side.count] for side in (current, reference)])
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


class RateDifference(NamedTuple):
    """Current minus reference rate, with Newcombe's hybrid score interval."""

    estimate: float
    low: float
    high: float


def rate_difference(current: Rate, reference: Rate) -> RateDifference:
    """Return the difference of two rates (Newcombe 1998, method 10), at the rates' own confidence.

    Examples
    --------
    Newcombe's example (a): 56/70 against 48/80 gives 0.2 (0.0524 to 0.3339).

    >>> low, high = rate_difference(rate(56, 70), rate(48, 80))[1:]
    >>> print(f"{low:.4f} {high:.4f}")
    0.0524 0.3339
    """
    estimate = current.rate - reference.rate
    return RateDifference(
        estimate,
        estimate - math.hypot(current.rate - current.low, reference.high - reference.rate),
        estimate + math.hypot(current.high - current.rate, reference.rate - reference.low),
    )
