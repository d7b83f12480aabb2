"""Where drift and harm occur: what the slices of one column contribute to the whole."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift_monitor.analysis.harm import HARMFUL, LEFT_OUT, JudgedRows, Outcomes
from drift_monitor.results.report_findings import Slice
from drift_monitor.scoring.scored_rows import Segment, align_segments
from drift_monitor.stats.proportions import rate, rate_difference

SMALLEST_SLICE = 30
"""With fewer rows, a slice is marked as too small."""


class Side(NamedTuple):
    """One sample, broken down by a column.

    Attributes
    ----------
    codes : (n,) int64
        Which of the k values each row has.
    outcome : (n,) int8
        The rows' outcomes.
    below : (n,) bool
        Whether the score is at or below the one at which D of all rows occurs.
    """

    codes: NDArray[np.int64]
    outcome: Outcomes
    below: NDArray[np.bool_]


def find_slices(
    current: JudgedRows,
    reference: JudgedRows,
    class_names: Sequence[str],
    location: float | None,
    alpha: float = 0.05,
) -> list[Slice]:
    """Return the slices by predicted class and by each segment, in the order of the report.

    Parameters
    ----------
    current, reference : JudgedRows
        The batch and the reference.
    class_names : sequence of str
        The detector's classes.
    location : float, optional
        Score at which D of all rows occurs; None where it was not tested.
    alpha : float
        1 − confidence of the intervals.
    """
    at = np.inf if location is None else location
    names = tuple(class_names)
    own, other = current.rows, reference.rows
    columns: list[tuple[str, Segment, Segment | None]] = [
        ("prediction", Segment(names, own.prediction), Segment(names, other.prediction))
    ]
    for by, segment in own.segments.items():
        known = other.segments.get(by)
        aligned = (segment, None) if known is None else align_segments(segment, known)
        columns.append((by, *aligned))
    slices = []
    for by, here, there in columns:
        result = compare_slices(
            by,
            here.values,
            Side(here.codes, current.outcome, own.score <= at),
            None if there is None else Side(there.codes, reference.outcome, other.score <= at),
            alpha,
        )
        slices += sorted((one for one in result if one.n_current or one.n_reference), key=_rank)
    return slices


def _rank(found: Slice) -> tuple[bool, float, float, str]:
    return (
        found.too_small,
        -(found.harm_contribution or 0.0),
        -(found.drift_contribution or 0.0),
        found.value,
    )


def compare_slices(
    by: str, values: Sequence[str], current: Side, reference: Side | None, alpha: float = 0.05
) -> list[Slice]:
    """Return one slice for each of the k values of a column.

    The contributions are exact shares of the whole: with s the share of a value among the rows, h
    its harm rate and F its share of scores at or below the one at which D occurs,

        Σ (s h − s' h') = difference of the harm rates,    Σ ± (s' F' − s F) = D,

    where a dash marks the reference. A slice contributes by being more frequent and by being
    worse. (h is over judged rows only, and so is s in the first sum.)

    Parameters
    ----------
    by : str
        The column.
    values : sequence of str
        Values of the column.
    current, reference : Side
        The batch; the reference, None where it lacks the column.
    alpha : float
        1 − confidence of the intervals.
    """
    here = _Counts(current, len(values))
    there = None if reference is None else _Counts(reference, len(values))
    sign = 1.0
    if there is not None and (there.below_share - here.below_share).sum() < 0:
        sign = -1.0
    slices = []
    for i, value in enumerate(values):
        own = rate(here.harmful[i], here.judged[i], alpha)
        other = rate(there.harmful[i], there.judged[i], alpha) if there else None
        n_reference = there.rows[i] if there else 0
        slices.append(
            Slice(
                by=by,
                value=value,
                n_current=here.rows[i],
                n_reference=n_reference,
                share_current=here.rows[i] / max(1, here.n),
                share_reference=n_reference / max(1, there.n) if there else None,
                current=own,
                reference=other,
                difference=rate_difference(own, other) if own and other else None,
                harm_contribution=(
                    float(here.harm_share[i] - there.harm_share[i])
                    if there and here.n_judged and there.n_judged
                    else None
                ),
                drift_contribution=(
                    sign * float(there.below_share[i] - here.below_share[i]) if there else None
                ),
                too_small=min(here.rows[i], n_reference if there else here.rows[i])
                < SMALLEST_SLICE,
            )
        )
    return slices


class _Counts:
    """Rows of each value, (k,)."""

    def __init__(self, side: Side, n_values: int) -> None:
        def count(which: NDArray[np.bool_]) -> list[int]:
            result: list[int] = np.bincount(side.codes[which], minlength=n_values).tolist()
            return result

        judged = side.outcome != LEFT_OUT
        self.n = len(side.codes)
        self.n_judged = int(np.count_nonzero(judged))
        self.rows = np.bincount(side.codes, minlength=n_values).tolist()
        self.judged = count(judged)
        self.harmful = count(side.outcome == HARMFUL)
        self.harm_share = np.array(self.harmful) / max(1, self.n_judged)
        self.below_share = np.array(count(side.below)) / max(1, self.n)
