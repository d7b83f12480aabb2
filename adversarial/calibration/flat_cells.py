"""The ways in which flat rows are damaged for calibration, and how many rows of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adversarial.corruptions.flat_faults import (
    Columns,
    Fault,
    graded_faults,
    gross_faults,
    strike_columns,
)

Rows = NDArray[np.float32]

ROWS = 500
"""How many rows are changed in one way, at one severity."""
GROSS_ROWS = 300
"""The same for gross faults."""
ROWS_PER_COLUMN = 100
"""The same for gross faults of a single column."""
MAX_SINGLE_COLUMNS = 60
"""With more columns than this, none is struck alone."""

Change = Callable[[Rows, np.random.Generator, int], Rows]
"""Returns rows, changed; also given what draws, and the seed."""


class Cell(NamedTuple):
    """One way of damaging rows, at one severity.

    Attributes
    ----------
    family : str
        What is done; the same for all severities.
    severity : float
        How much of it.
    n : int
        Of how many rows a calibration is made.
    change : callable
        Does it.
    """

    family: str
    severity: float
    n: int
    change: Change

    def damage(self, rows: Rows, rng: np.random.Generator, seed: int) -> Rows:
        """Return rows with the damage, as float32; some may not be finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.change(rows, rng, seed), np.float32)


def flat_cells(x: Rows) -> Iterator[Cell]:
    """Yield the cells of flat rows.

    Parameters
    ----------
    x : (n, *input_shape) float32
        Normal rows, in the units the classifier takes: ranges, medians and spreads are theirs.
    """
    shape = x.shape[1:]
    columns = Columns.of(x.reshape(len(x), -1))

    def struck(fault: Fault, scope: str | int) -> Change:
        def change(rows: Rows, rng: np.random.Generator, _: int) -> Rows:
            flat = strike_columns(rows.reshape(len(rows), -1), fault, columns, scope, rng)
            return flat.reshape(len(rows), *shape)

        return change

    for family, severity, fault in graded_faults():
        yield Cell(family, severity, ROWS, struck(fault, "all"))
    k = columns.rows.shape[1]
    single = range(k) if k <= MAX_SINGLE_COLUMNS else ()
    for family, severity, fault in gross_faults():
        for scope in ("some", "all"):
            yield Cell(f"{family}-{scope}", severity, GROSS_ROWS, struck(fault, scope))
        for j in single:
            yield Cell(f"{family}-{j}", severity, ROWS_PER_COLUMN, struck(fault, j))
