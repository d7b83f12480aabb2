"""Which rows of a batch are shown: those with the highest scores, but few of each kind."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PER_KIND = 2
"""Rows shown with the same prediction and the same class of M(AE(x)); more look much alike."""


@dataclass(frozen=True, order=True)
class ScoredExample:
    """A row worth looking at; ordered by its score.

    Attributes
    ----------
    score : float
        Adversarial score in nats.
    position : int
        Minus the row's position among the scored rows, so that the first of equal scores wins.
    x : float32 array
        The row, in the units the classifier takes.
    kind : int
        A number for its prediction and the class of M(AE(x)) together.
    """

    score: float
    position: int
    x: NDArray[np.float32] = field(compare=False)
    kind: int = field(default=0, compare=False)


def keep_examples(
    kept: list[ScoredExample],
    score: NDArray[np.float64],
    kinds: NDArray[np.int64],
    x: NDArray[np.float32],
    *,
    first: int,
    most: int,
) -> None:
    """Add the rows of a chunk that belong among the kept ones, and drop those they replace.

    What is kept at the end are the highest scores of which at most `PER_KIND` are of one kind,
    whatever the chunks were: the sets that are allowed form a matroid, and in a matroid it is
    enough to compare each new row with the lowest one that it could stand for.

    Parameters
    ----------
    kept : list of ScoredExample
        The rows kept so far, in any order; changed in place.
    score : (n,) float64
        Scores in nats; rows whose score is not finite are left out.
    kinds : (n,) int64
        A number for each pair of a prediction and a class of M(AE(x)).
    x : (n, *input_shape) float32
        The rows.
    first : int
        Position of the first of them among the scored rows.
    most : int
        At most so many rows are kept.
    """
    if not most:
        return
    lowest_kept = min(kept).score if len(kept) == most else -np.inf
    # The first of equal scores wins, and whatever is kept came first.
    is_worth = np.isfinite(score) & (score > lowest_kept)
    for kind, alike in _by_kind(kept).items():
        if len(alike) == PER_KIND:
            is_worth &= (kinds != kind) | (score > min(alike).score)
    worth = np.flatnonzero(is_worth)
    for row in _first_of_each_kind(worth[np.argsort(-score[worth], kind="stable")], kinds):
        value, kind = float(score[row]), int(kinds[row])
        alike = [example for example in kept if example.kind == kind]
        rivals = alike if len(alike) == PER_KIND else kept if len(kept) == most else []
        if rivals:
            lowest = min(rivals)
            if (value, -(first + row)) < (lowest.score, lowest.position):
                continue
            kept.remove(lowest)
        kept.append(ScoredExample(value, -(first + row), x[row].copy(), kind))


def _by_kind(kept: list[ScoredExample]) -> dict[int, list[ScoredExample]]:
    result = defaultdict(list)
    for example in kept:
        result[example.kind].append(example)
    return result


def _first_of_each_kind(rows: NDArray[np.int64], kinds: NDArray[np.int64]) -> list[int]:
    """Return the rows, in their order, without those that `PER_KIND` of the same kind precede."""
    order = np.argsort(kinds[rows], kind="stable")
    ordered = kinds[rows][order]
    place = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    chosen: list[int] = rows[np.sort(order[place < PER_KIND])].tolist()
    return chosen
