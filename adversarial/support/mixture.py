"""Which mixture of calibration rows a batch looks like, and how much of it looks like none.

A batch is compared with explanations, from the simplest on: the normal rows as they are; the normal
rows with their classes in other shares; normal rows and rows with one kind of damage; normal and
damaged rows in any shares, one share for each kind. What a learner can still tell from the best of
them is in no calibration row, and nothing is known of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adversarial.support.learner import Comparison, compare, ks_by_chance
from adversarial.support.shares import Shares, most_different, rake

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]
Name = Literal["normal", "classes", "damage", "selection"]

BLUR = 0.05
"""Noise that numbers get, in their own unit: a learner is not to tell constants apart by less."""
REFINEMENTS = 2
"""Times that a learner sets the shares of a mixture right."""
RAKED_BINS = (50, 20)
"""Of each number, by which a selection of rows is weighted: fine, and robust."""
HOPELESS = 0.3
"""What a mixture leaves where setting it right is not worth the time."""
FEWEST_SELECTED = 100
"""Effective number of normal rows of which a batch may be a selection."""
KINDS_TRIED = 4
"""Kinds of damage that are tried alone."""
KINDS_LIKELY = 8
"""Kinds of damage that a batch may be of, by its histograms."""


@dataclass(frozen=True)
class Explanation:
    """A mixture of calibration rows that a batch may be a sample of.

    Attributes
    ----------
    name : {"normal", "classes", "damage", "selection"}
        What the mixture is of.
    weights : (m,) float64
        Of the calibration rows; their sum is 1.
    distance : float
        KS distance of a learner's scores between the batch and the mixture, on rows that it was not
        fitted on: a lower bound of the share of the batch that the mixture lacks.
    unexplained : float
        The same beyond what chance gives; 0 to 1.
    """

    name: Name
    weights: Floats
    distance: float
    unexplained: float


class Explainer:
    """Finds what a batch looks like.

    Parameters
    ----------
    batch : (n, k) float32
        Rows of the batch.
    rows : (m, k) float32
        Calibration rows.
    cells : (m,) int64
        Cell of each: its class, for normal rows, and its kind of damage for the others.
    n_normal : int
        Cells below this number are of normal rows.
    seed : int
        Of the learner's folds.
    """

    def __init__(
        self, batch: Matrix, rows: Matrix, cells: Indices, n_normal: int, seed: int = 0
    ) -> None:
        self.normal = cells < n_normal
        columns = most_different(batch, rows[self.normal])
        self.batch_as_is, self.rows_as_is = batch[:, columns], rows[:, columns]
        rng = np.random.default_rng(seed)
        self.batch, self.rows = (
            (part + BLUR * rng.standard_normal(part.shape)).astype(np.float32)
            for part in (self.batch_as_is, self.rows_as_is)
        )
        self._cells, self._n_normal = cells, n_normal
        self.seed = seed
        self.chance = ks_by_chance(len(batch), int(self.normal.sum()))

    @cached_property
    def shares(self) -> Shares:
        """The shares of the cells, which a batch of normal rows need not be asked for."""
        return Shares(self.batch, self.rows, self._cells, self._n_normal)

    def as_normal(self) -> Explanation:
        """Return the normal rows as they are."""
        return self._explanation("normal", self.normal / self.normal.sum())[0]

    def classes(self, best: Explanation) -> Explanation:
        """Return the classes in other shares, if they explain more than what was found before."""
        found = self._refined(*self._explanation("classes", self.shares.of_classes()))
        return found if self.is_clearly_better(found, best) else best

    def likely_kinds(self) -> Indices:
        """Return the damaged cells that the batch's histograms speak for, in any order."""
        mixed = np.unique(self.shares.cells[self.shares.of_damage > 0])
        alone = np.array([*self.shares.of_one_kind(KINDS_LIKELY)], np.int64)
        kinds = np.union1d(mixed, alone)
        return kinds[kinds >= self.shares.n_normal]

    def damaged(self) -> list[Explanation]:
        """Return normal rows and rows with one kind of damage, or with several if need be.

        The best comes first; after it, other kinds that explain the batch as well, but for chance.
        """
        tried = [
            self._explanation("damage", weights)
            for weights in self.shares.of_one_kind(KINDS_TRIED).values()
        ] or [self._explanation("damage", self.shares.of_damage)]
        tried.sort(key=lambda found: found[0].distance)
        best = self._refined(*tried[0], normal_as_one=True)
        if best.unexplained:
            found = self._refined(*self._explanation("damage", self.shares.of_damage))
            best = found if self.is_clearly_better(found, best) else best
        most = best.distance + self.chance / 2
        return [best, *(other for other, _ in tried[1:] if other.distance < most)]

    def selected(self) -> Explanation | None:
        """Return the normal rows weighted one by one, so that they come nearest to the batch.

        None where that leaves next to none of them, or there are none for a part of the batch.
        """
        found = []
        for n_bins in RAKED_BINS:
            raked = rake(self.batch_as_is, self.rows_as_is[self.normal], n_bins, self.chance)
            if raked is None or (raked**2).sum() * FEWEST_SELECTED > 1:
                continue
            weights = np.zeros(len(self.rows))
            weights[self.normal] = raked
            found.append(self._explanation("selection", weights)[0])
        return min(found, key=lambda one: one.unexplained, default=None)

    def is_clearly_better(self, other: Explanation, simple: Explanation) -> bool:
        """Say whether another explanation leaves less than a simpler one, beyond chance."""
        return other.unexplained < simple.unexplained - self.chance / 2

    def _explanation(self, name: Name, weights: Floats) -> tuple[Explanation, Comparison]:
        found = compare(self.batch, self.rows, weights, self.seed)
        # Few rows of a kind leave much to chance; that must not count for the damage.
        m = int(self.normal.sum()) if name == "damage" else 1 / float((weights**2).sum())
        unexplained = max(0.0, found.distance - ks_by_chance(len(self.batch), m))
        return Explanation(name, weights, found.distance, unexplained), found

    def _refined(
        self, best: Explanation, found: Comparison, *, normal_as_one: bool = False
    ) -> Explanation:
        """Return the best of a mixture and of those that a learner makes of it."""
        current = best
        for _ in range(REFINEMENTS):
            if not 0 < best.unexplained < HOPELESS:
                break
            weights = self.shares.adjusted(
                current.weights, found.scores, normal_as_one=normal_as_one
            )
            current, found = self._explanation(best.name, weights)
            if current.unexplained < best.unexplained:
                best = current
        return best
