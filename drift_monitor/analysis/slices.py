"""Where drift and harm are: what the slices of one column contribute to the whole."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift_monitor.analysis.harm import HARMFUL, LEFT_OUT, Outcomes
from drift_monitor.stats.proportions import Rate, RateDifference, rate, rate_difference

SMALLEST_CELL = 30
"""Rows below which a slice is said to be too small."""


class Side(NamedTuple):
    """One sample, broken down by a column.

    Attributes
    ----------
    codes : (n,) int64
        Which of the k values each row has.
    outcome : (n,) int8
        Outcomes under the harm split.
    below : (n,) bool
        Whether the score is at or below the one at which D of all rows occurs.
    """

    codes: NDArray[np.int64]
    outcome: Outcomes
    below: NDArray[np.bool_]


class Figures(NamedTuple):
    """Rows of one value; the fields are those of `drift_monitor.results.report.Slice`."""

    n_current: int
    n_reference: int
    share_current: float
    share_reference: float | None
    current: Rate | None
    reference: Rate | None
    difference: RateDifference | None
    harm_contribution: float | None
    drift_contribution: float | None
    too_small: bool


def compare_slices(
    current: Side, reference: Side | None, n_values: int, alpha: float = 0.05
) -> list[Figures]:
    """Return the figures of each of the k slices.

    The contributions are exact shares of the whole: with s the share of a value among the rows, h
    its harm rate and F its share of scores at or below the one at which D occurs,

        Σ (s h − s' h') = difference of the harm rates,    Σ ± (s' F' − s F) = D,

    where a dash stands for the reference. A slice contributes by being more frequent and
    by being worse. (h counts rows that the split judges; so does s in the first sum.)

    Parameters
    ----------
    current, reference : Side
        The batch; the reference, None where it does not hold the column.
    n_values : int
        k.
    alpha : float
        1 − confidence of the intervals.
    """
    here = _Counts(current, n_values)
    there = None if reference is None else _Counts(reference, n_values)
    sign = 1.0
    if there is not None and (there.below_share - here.below_share).sum() < 0:
        sign = -1.0
    slices = []
    for value in range(n_values):
        own = rate(here.harmful[value], here.judged[value], alpha)
        other = rate(there.harmful[value], there.judged[value], alpha) if there else None
        n_reference = there.rows[value] if there else 0
        slices.append(
            Figures(
                n_current=here.rows[value],
                n_reference=n_reference,
                share_current=here.rows[value] / max(1, here.n),
                share_reference=n_reference / max(1, there.n) if there else None,
                current=own,
                reference=other,
                difference=rate_difference(own, other) if own and other else None,
                harm_contribution=(
                    float(here.harm_share[value] - there.harm_share[value])
                    if there and here.n_judged and there.n_judged
                    else None
                ),
                drift_contribution=(
                    sign * float(there.below_share[value] - here.below_share[value])
                    if there
                    else None
                ),
                too_small=min(here.rows[value], n_reference if there else here.rows[value])
                < SMALLEST_CELL,
            )
        )
    return slices


class _Counts:
    """Rows of each value, (k,)."""

    def __init__(self, side: Side, n_values: int) -> None:
        def count(which: NDArray[np.bool_]) -> list[int]:
            found: list[int] = np.bincount(side.codes[which], minlength=n_values).tolist()
            return found

        judged = side.outcome != LEFT_OUT
        self.n = len(side.codes)
        self.n_judged = int(np.count_nonzero(judged))
        self.rows = np.bincount(side.codes, minlength=n_values).tolist()
        self.judged = count(judged)
        self.harmful = count(side.outcome == HARMFUL)
        self.harm_share = np.array(self.harmful) / max(1, self.n_judged)
        self.below_share = np.array(count(side.below)) / max(1, self.n)
