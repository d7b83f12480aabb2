"""What goes wrong with the columns of flat rows: noise, lost values, units, sentinels and more.

Rows are in the units that the classifier takes, and faults may leave the range of the reference,
as those of production do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Indices = NDArray[np.int64]

DEVIATIONS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Noise and shifts, in standard deviations of each column."""
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Values of a row that are swapped with other rows' or lost."""
SOME = 0.25
"""Share of a row's columns that a gross fault meets, where it meets some."""
SENTINELS = (0.0, -1.0, -999.0, 9999.0, float(np.iinfo(np.int32).min))
UNITS = (10.0, 100.0, 1000.0, 0.1, 0.01, 0.001)
MOVES = (-8.0, -2.0, 2.0, 8.0)
"""In standard deviations of each column."""
SCALES = (0.25, 0.5, 2.0, 4.0)
"""Of the distance from each column's mean."""


@dataclass(frozen=True)
class Columns:
    """What faults need to know of the columns: the reference rows, and statistics of them.

    Attributes
    ----------
    rows : (n, k) float32
        Normal rows.
    mean, deviation, median, low, high : (k,) float32
        Of each column.
    """

    rows: Rows
    mean: Rows
    deviation: Rows
    median: Rows
    low: Rows
    high: Rows

    @classmethod
    def of(cls, rows: Rows) -> Columns:
        """Return the columns of normal rows, (n, k) float32."""
        return cls(
            rows,
            rows.mean(axis=0, dtype=np.float64).astype(np.float32),
            rows.std(axis=0, dtype=np.float64).astype(np.float32),
            np.median(rows, axis=0).astype(np.float32),
            rows.min(axis=0),
            rows.max(axis=0),
        )


Fault = Callable[[Rows, Columns, np.random.Generator], Rows]
"""Returns the rows, (n, k) float32, with the fault in every column."""


def graded_faults() -> Iterator[tuple[str, float, Fault]]:
    """Yield faults of all columns by degree: family, severity and what does it."""
    yield from (("noise", d, partial(_noise, d)) for d in DEVIATIONS)
    yield from (("shift", d, partial(_shift, d)) for d in DEVIATIONS)
    yield from (("swap", share, partial(_swap, share)) for share in SHARES)
    yield from (("lose", share, partial(_lose, share)) for share in SHARES)


def gross_faults() -> Iterator[tuple[str, float, Fault]]:
    """Yield faults that may strike single columns as well as all of them."""
    yield from (("sentinel", value, partial(_constant, value)) for value in SENTINELS)
    yield from (("unit", factor, partial(_times, factor)) for factor in UNITS)
    yield "sign", 1.0, partial(_times, -1.0)
    yield "frozen", 1.0, _frozen
    yield "shuffled", 1.0, partial(_swap, 1.0)
    yield "swapped_columns", 1.0, _swapped_columns
    yield from (
        (f"imputed_{kind}", 1.0, partial(_imputed, kind))
        for kind in ("mean", "median", "low", "high")
    )
    yield from (("moved", d, partial(_moved, d)) for d in MOVES)
    yield from (("scaled", factor, partial(_scaled, factor)) for factor in SCALES)


def strike_columns(
    x: Rows, fault: Fault, columns: Columns, scope: str | int, rng: np.random.Generator
) -> Rows:
    """Return rows of which one column, some, or all have a fault.

    Parameters
    ----------
    x : (n, k) float32
        Normal rows.
    fault : callable
        The fault.
    columns : Columns
        Of the reference.
    scope : int, "some" or "all"
        The column that it strikes; "some" is a drawing of its own for every row.
    rng : numpy.random.Generator
        Draws columns and what is random in the fault.
    """
    broken = fault(x, columns, rng)
    n, k = x.shape
    if scope == "all":
        return np.asarray(broken, np.float32)
    hit = rng.random((n, k)) < SOME if scope == "some" else np.arange(k) == scope
    return np.where(hit, broken, x).astype(np.float32)


def _noise(deviations: float, x: Rows, columns: Columns, rng: np.random.Generator) -> Rows:
    drawn = rng.standard_normal(x.shape, np.float32)
    return x + np.float32(deviations) * columns.deviation * drawn


def _shift(deviations: float, x: Rows, columns: Columns, rng: np.random.Generator) -> Rows:
    """Move every value up, down or not at all."""
    ways = rng.integers(-1, 2, x.shape).astype(np.float32)
    return x + np.float32(deviations) * columns.deviation * ways


def _swap(share: float, x: Rows, _: Columns, rng: np.random.Generator) -> Rows:
    others: Rows = rng.permuted(x, axis=0)
    return np.where(rng.random(x.shape) < share, others, x)


def _lose(share: float, x: Rows, columns: Columns, rng: np.random.Generator) -> Rows:
    return np.where(rng.random(x.shape) < share, columns.median, x)


def _constant(value: float, x: Rows, _: Columns, __: np.random.Generator) -> Rows:
    return np.full_like(x, value)


def _times(factor: float, x: Rows, _: Columns, __: np.random.Generator) -> Rows:
    return x * np.float32(factor)


def _frozen(x: Rows, columns: Columns, rng: np.random.Generator) -> Rows:
    return np.broadcast_to(columns.rows[rng.integers(len(columns.rows))], x.shape)


def _swapped_columns(x: Rows, _: Columns, rng: np.random.Generator) -> Rows:
    return x[:, rng.permutation(x.shape[1])]


def _imputed(kind: str, x: Rows, columns: Columns, _: np.random.Generator) -> Rows:
    return np.broadcast_to(getattr(columns, kind), x.shape)


def _moved(deviations: float, x: Rows, columns: Columns, _: np.random.Generator) -> Rows:
    return x + np.float32(deviations) * columns.deviation


def _scaled(factor: float, x: Rows, columns: Columns, _: np.random.Generator) -> Rows:
    return columns.mean + np.float32(factor) * (x - columns.mean)
