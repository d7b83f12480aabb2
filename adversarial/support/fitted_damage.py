"""Damage that would give normal flat rows the columns of a batch, fitted to that batch.

Calibration rows are damaged in ways thought of beforehand: a column ten times too large, but not
one sixty times too large. What a batch's columns look like says more: which function of a column,
which value in its place, which order of the columns. Each is one way in which normal rows, whose
classes are known, may have become those of the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.statistics import ks_distance
from adversarial.support.learner import ONCE_IN_1000, ks_by_chance

Floats = NDArray[np.float32]
Columns = tuple[int, ...]

MAPPED, REDRAWN, SET, PERMUTED = "mapped", "redrawn", "set", "permuted"
MAX_SET = 5
"""Columns of which a single frequent value is tried."""
MAX_VALUES = 5
"""The most frequent values of a column, among which that one is."""
SMALLEST_EXCESS = 0.02
"""Share of rows by which a value must be more frequent in the batch to be tried."""
MAX_PERMUTED = 40
"""Columns that are tried in one another's place."""
VALUES = 1_000
"""Of a column, by which columns are told from one another."""


class FittedDamage(NamedTuple):
    """Normal rows, damaged in one way.

    Attributes
    ----------
    family : {"mapped", "redrawn", "set", "permuted"}
        Each value replaced by the batch's value of the same rank; values drawn from the batch's,
        whatever the row; one value in all rows; columns in one another's place.
    columns : tuple of int
        Of the rows: those that are damaged, the one that moved most first.
    rows : (m, k) float32
        The damaged rows.
    """

    family: str
    columns: Columns
    rows: Floats


def fit_damage(batch: Floats, normal: Floats, seed: int = 0) -> list[FittedDamage]:
    """Return damage that gives normal rows the distributions of a batch's columns.

    Parameters
    ----------
    batch : (n, k) float32
        Rows of the batch, in the units the classifier takes.
    normal : (m, k) float32
        Normal rows.
    seed : int
        Breaks ties between equal values, and draws.

    Returns
    -------
    list of FittedDamage
        Empty where no column moved beyond chance.
    """
    moved = moved_columns(batch, normal)
    if not moved:
        return []
    rng = np.random.default_rng(seed)
    falling = _falling(batch, normal)
    found = []
    for columns in dict.fromkeys([moved[:1], moved]):
        mapped, redrawn = normal.copy(), normal.copy()
        for j in columns:
            mapped[:, j] = _of_same_rank(batch[:, j], normal[:, j], rng, falling=falling[j])
            redrawn[:, j] = rng.choice(batch[:, j], len(normal))
        found.append(FittedDamage(MAPPED, columns, mapped))
        found.append(FittedDamage(REDRAWN, columns, redrawn))
    found += _set(batch, normal, moved)
    if permuted := _permuted(batch, normal, moved):
        found.append(permuted)
    return found


def moved_columns(batch: Floats, normal: Floats) -> Columns:
    """Return the columns whose distribution moved beyond chance, the one that did most first."""
    pairs = zip(batch.T, normal.T, strict=True)
    distances = np.array([ks_distance(here, there) for here, there in pairs])
    order = np.argsort(-distances, kind="stable")
    least = ks_by_chance(len(batch), len(normal), ONCE_IN_1000)
    return tuple(int(j) for j in order if distances[j] > least)


def _of_same_rank(
    batch: Floats, normal: Floats, rng: np.random.Generator, *, falling: bool
) -> Floats:
    """Return for each normal value the batch's value of the same rank, ties in any order."""
    order = np.lexsort((rng.random(len(normal)), normal))
    ranks = np.empty(len(normal))
    ranks[order] = (np.arange(len(normal)) + 0.5) / len(normal)
    values = np.sort(batch)
    places = ((1 - ranks if falling else ranks) * len(values)).astype(np.int64)
    return values[np.minimum(places, len(values) - 1)]


def _falling(batch: Floats, normal: Floats) -> list[bool]:
    """Say for each column whether it hangs together with the others the other way round."""
    here, there = (_rank_correlations(rows) for rows in (batch, normal))
    own = np.eye(len(here), dtype=bool)
    agreement = np.where(own, 0, here * there).sum(axis=1)
    return [bool(sum_ < 0) for sum_ in agreement]


def _rank_correlations(rows: Floats) -> NDArray[np.float64]:
    """Return Spearman's correlations, (k, k); 0 with a constant column."""
    ranks = scipy.stats.rankdata(rows, axis=0)
    ranks -= ranks.mean(axis=0)
    norms = np.sqrt((ranks**2).sum(axis=0))
    result: NDArray[np.float64] = (ranks.T @ ranks) / np.maximum(np.outer(norms, norms), 1e-9)
    return result


def _set(batch: Floats, normal: Floats, moved: Columns) -> list[FittedDamage]:
    """Return rows with the value that is more frequent in the batch, where there is one."""
    found: list[FittedDamage] = []
    all_set = normal.copy()
    together: list[int] = []
    for j in moved:
        values, counts = np.unique(batch[:, j], return_counts=True)
        top = np.argsort(-counts)[:MAX_VALUES]
        before = (normal[:, j, None] == values[top]).mean(axis=0)
        excess = counts[top] / len(batch) - before
        best = int(np.argmax(excess))
        if excess[best] < SMALLEST_EXCESS:
            continue
        value = values[top[best]]
        all_set[:, j] = value
        together.append(j)
        if len(found) < MAX_SET:
            rows = normal.copy()
            rows[:, j] = value
            found.append(FittedDamage(SET, (j,), rows))
    if len(together) > 1:
        found.append(FittedDamage(SET, tuple(together), all_set))
    return found


def _permuted(batch: Floats, normal: Floats, moved: Columns) -> FittedDamage | None:
    """Return rows with the moved columns in the order in which they are most like the batch's."""
    columns = list(moved[:MAX_PERMUTED])
    here, there = (rows[:VALUES][:, columns].T for rows in (batch, normal))
    cost = np.array([[ks_distance(column, other) for other in there] for column in here])
    _, source = scipy.optimize.linear_sum_assignment(cost)
    changed = [place for place in range(len(columns)) if source[place] != place]
    if not changed:
        return None
    rows = normal.copy()
    rows[:, columns] = normal[:, [columns[place] for place in source]]
    return FittedDamage(PERMUTED, tuple(columns[place] for place in changed), rows)
