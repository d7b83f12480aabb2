"""A drift: which rows of production a batch holds, and what is done to them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.rows import Inputs, Rows

Change = Callable[[Inputs, np.random.Generator], Inputs]
"""From drawn rows, which it may overwrite, to changed ones."""
Pick = Callable[[Rows, int, np.random.Generator], NDArray[np.int64]]
"""From the production rows and a number of rows to the numbers of those in the batch."""

CALIBRATED = frozenset(
    {
        # flat rows
        *("noise", "shift", "swap", "lose", "sentinel", "extreme", "units", "sign"),
        *("columns_swapped", "frozen", "shuffled"),
        # images
        *("corruption", "inverted", "not_normalised", "normalised_twice", "channels_swapped"),
        *("transposed", "mirrored", "rotated", "moved", "cropped", "occluded", "black"),
    }
)
"""Families that a detector's accuracy estimator is fitted on, or will be."""
NULL = "null"
CLASS_MIX = "class_mix"
NATURAL = "natural"
REPEATED = "repeated"


def pick_any(rows: Rows, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pick rows at random, none twice."""
    return rng.choice(len(rows), n, replace=False)


def leave(x: Inputs, rng: np.random.Generator) -> Inputs:  # noqa: ARG001
    """Change nothing."""
    return x


@dataclass(frozen=True)
class Drift:
    """One way to make a batch out of production rows.

    Attributes
    ----------
    name : str
        Unique among the drifts of a classifier.
    family : str
        What kind of drift it is; the same for all severities.
    change : callable
        What is done to the rows.
    pick : callable
        Which rows are taken.
    mild : bool
        Whether it is meant to be harmless.
    batch : Rows, optional
        The batch itself, where it was not made but came so.
    """

    name: str
    family: str
    change: Change = leave
    pick: Pick = pick_any
    mild: bool = False
    batch: Rows | None = None

    @property
    def calibrated(self) -> bool:
        """Whether a detector's calibration uses the family."""
        return self.family in CALIBRATED

    def __call__(self, rows: Rows, n: int, rng: np.random.Generator) -> Rows:
        """Return a batch of n rows with their true classes."""
        if self.batch is not None:
            return self.batch
        picked = rows.take(self.pick(rows, n, rng))
        changed = self.change(picked.x.copy(), rng)
        return Rows(changed.astype(np.float32), picked.y)


def of_some(change: Change, share: float) -> Change:
    """Return a change of a random share of the rows only."""

    def changed(x: Inputs, rng: np.random.Generator) -> Inputs:
        here = np.flatnonzero(rng.random(len(x)) < share)
        x[here] = change(x[here], rng)
        return x

    return changed
