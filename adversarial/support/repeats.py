"""How often the rows of a sample repeat beyond nature, and what that makes of their number.

A job that writes rows again makes few rows look like many. Equal rows need not be the same row,
though: of few numbers with few values many are equal by nature, and damage makes rows equal that
were not. So what counts is how much oftener rows repeat than those of which a batch is likely a
sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.support.sample import INPUTS, numbers

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BEYOND_NATURE = 1.2
"""Repetition below this many times the natural one is none: chance makes as much."""


class Repeats(NamedTuple):
    """The rows of a sample that are equal.

    Attributes
    ----------
    groups : (n,) int64
        Equal rows have the same number.
    distinct : int
        How many differ.
    """

    groups: Indices
    distinct: int

    @classmethod
    def of(cls, rows: pa.Table) -> Repeats:
        """Find the equal rows of a sample: in the input, the confidence and the score."""
        outputs = [
            rows[name].to_numpy().astype(np.float64) for name in ("adversarial_score", "confidence")
        ]
        looked_at = np.column_stack([*outputs, numbers(rows, INPUTS).astype(np.float64)])
        whole = np.ascontiguousarray(looked_at).view(f"V{looked_at.strides[0]}").ravel()
        distinct, groups = np.unique(whole, return_inverse=True)
        return cls(groups.astype(np.int64), len(distinct))

    def equal_rows(self, some: NDArray[np.bool_] | None = None) -> float:
        """Return how many rows equal one of the sample, itself included, on average.

        `some`, (n,), are the rows to take the mean over.
        """
        sizes = np.bincount(self.groups)[self.groups]
        chosen = sizes if some is None else sizes[some]
        return float(chosen.mean()) if len(chosen) else 1.0

    def chance_of_equal(self, weights: Floats) -> float:
        """Return the chance that two independent rows of a weighted sample, (n,), are equal."""
        weights = weights / weights.sum()
        alone = float((weights**2).sum())
        together = float((np.bincount(self.groups, weights) ** 2).sum())
        return (together - alone) / (1 - alone) if alone < 1 else 0.0


def beyond_nature(repeats: Repeats, known: pa.Table, weights: Floats) -> float:
    """Return how many times as often rows repeat as so many of a mixture of calibration rows do.

    Parameters
    ----------
    repeats : Repeats
        Of the rows of a batch.
    known : pyarrow.Table
        A calibration sample.
    weights : (m,) float64
        Of its rows in the mixture.

    Returns
    -------
    float
        1 where they do so less than 1.2 times as often.
    """
    found = repeats.equal_rows()
    if found < BEYOND_NATURE:
        return 1.0
    natural = natural_rows(len(repeats.groups), known, weights)
    return found / natural if found >= BEYOND_NATURE * natural else 1.0


def natural_rows(n: int, known: pa.Table, weights: Floats) -> float:
    """Return how many of n independent rows of a mixture equal one of them, itself included."""
    used = np.flatnonzero(weights > 0)
    found = Repeats.of(known.take(pa.array(used)))
    return 1 + (n - 1) * found.chance_of_equal(weights[used])
