"""A batch's inputs reduced to counts at the reference's values: flat in memory, mergeable."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Chunk, Missing
from drift_monitor.scoring.input_columns import (
    FILE_PROPERTIES,
    describe_inputs,
    input_names,
    missing_in_reference,
)

Values = NDArray[np.float32]
Counts = NDArray[np.int64]

BUFFERED_VALUES = 1 << 23
BUFFERED_ROWS = 1 << 16
"""Rows sorted at once, at most; a sort of so many costs little more than looking a reference up."""
OUTSIDE_BITS = 18
"""Bits of a float32 that the intervals outside the range leave out; sign, exponent and 5 stay."""


@dataclass(frozen=True)
class ReferenceColumn:
    """One input of the reference.

    Attributes
    ----------
    values : (n_rows,) float32
        In the reference's order.
    """

    values: Values

    @cached_property
    def _unique(self) -> tuple[Values, Counts]:
        distinct, counts = np.unique(self.values, return_counts=True)
        return distinct, counts.astype(np.int64)

    @property
    def distinct(self) -> Values:
        """The distinct values, (k,), ascending."""
        return self._unique[0]

    @property
    def counts(self) -> Counts:
        """Rows with each distinct value, (k,)."""
        return self._unique[1]

    @cached_property
    def in_half(self) -> NDArray[np.bool_]:
        """Whether every other row, counted from the first, holds a distinct value, (k,)."""
        return np.isin(self.distinct, self.values[::2])


@dataclass(frozen=True)
class ReferenceInputs:
    """The inputs of the reference, and how many rows lacked each when they were read, if known."""

    names: tuple[str, ...]
    n: int
    columns: tuple[ReferenceColumn, ...]
    missing: Missing | None

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """Return the inputs in a bundle's `reference_inputs.parquet`."""
        columns = [np.asarray(column.cast(pa.float32())) for column in table.columns]
        return cls(
            tuple(table.column_names),
            len(table),
            tuple(map(ReferenceColumn, columns)),
            missing_in_reference(table),
        )


class ColumnSummary:
    """One input of a batch, by the k distinct values of the reference.

    Between two neighbours of them the reference's distribution function is constant, so that these
    counts give D exactly, and the greatest value in each gap the place where it is reached.

    Attributes
    ----------
    below, at_or_below : (k,) int64
        Rows below each value, and at or below it.
    greatest : (k + 1,) float32
        Greatest value in each gap: below the first value, between neighbours, above the last; −inf
        where the gap is empty.
    outside : dict of int to (int, float)
        Of rows outside the reference's range, counted in intervals 1/32 of a power of 2 wide or
        narrower: their number, and the greatest value.
    low, high : float32
        Smallest and largest value.
    """

    def __init__(self, distinct: Values) -> None:
        self.distinct = distinct
        self.below = np.zeros(len(distinct), np.int64)
        self.at_or_below = np.zeros(len(distinct), np.int64)
        self.greatest = np.full(len(distinct) + 1, -np.inf, np.float32)
        self.outside: dict[int, tuple[int, float]] = {}
        self.low, self.high = np.float32(np.inf), np.float32(-np.inf)

    def add(self, ordered: Values) -> None:
        """Count values, (n,), ascending, n at least 1."""
        n = len(ordered)
        below = np.searchsorted(ordered, self.distinct)
        at_or_below = below.copy()
        met = np.flatnonzero(ordered[np.minimum(below, n - 1)] == self.distinct)
        at_or_below[met] = np.searchsorted(ordered, self.distinct[met], side="right")
        self.below += below
        self.at_or_below += at_or_below
        ends = np.append(below, n)
        filled = np.flatnonzero(ends > np.concatenate([[0], at_or_below]))
        last = ordered[ends[filled] - 1]
        self.greatest[filled] = np.maximum(self.greatest[filled], last)
        self.low, self.high = min(self.low, ordered[0]), max(self.high, ordered[-1])
        for part in (ordered[: below[0]], ordered[at_or_below[-1] :]):
            self._count_outside(part)

    def merge(self, other: "ColumnSummary") -> None:
        """Add what another part of the batch holds."""
        self.below += other.below
        self.at_or_below += other.at_or_below
        np.maximum(self.greatest, other.greatest, out=self.greatest)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        for key, counted in other.outside.items():
            self._put_outside(key, *counted)

    def _count_outside(self, ordered: Values) -> None:
        if not len(ordered):
            return
        keys = ordered.view(np.int32) >> OUTSIDE_BITS
        last = np.append(np.flatnonzero(np.diff(keys)), len(keys) - 1)
        for key, count, greatest in zip(
            keys[last].tolist(),
            np.diff(last, prepend=-1).tolist(),
            ordered[last].tolist(),
            strict=True,
        ):
            self._put_outside(key, count, greatest)

    def _put_outside(self, key: int, count: int, greatest: float) -> None:
        known, before = self.outside.get(key, (0, greatest))
        self.outside[key] = known + count, max(before, greatest)


class InputSummary:
    """The inputs of a batch against those of the reference, fed chunk by chunk.

    Its size depends on the reference alone. Parts of a batch, summed up apart and merged in any
    order, give the same as the whole.

    Parameters
    ----------
    reference : ReferenceInputs
        The detector's own reference window.
    spec : InputSpec
        What a row is.

    Attributes
    ----------
    n : int
        Rows counted.
    n_read : int
        Rows read, those that could not be scored included.
    missing : (n_inputs,) int64, optional
        Rows read without a finite value in each column; not known of images.
    """

    def __init__(self, reference: ReferenceInputs, spec: InputSpec) -> None:
        self.reference = reference
        self.spec = spec
        self.n = 0
        self.n_read = 0
        self.missing: Counts | None = None
        self._columns = [ColumnSummary(column.distinct) for column in reference.columns]
        rows = max(1, min(BUFFERED_ROWS, BUFFERED_VALUES // len(reference.names)))
        self._buffer = np.empty((len(reference.names), rows), np.float32)
        self._filled = 0
        self._files = reference.names[-len(FILE_PROPERTIES) :] == FILE_PROPERTIES

    @property
    def columns(self) -> list[ColumnSummary]:
        """What is counted of each input."""
        self._flush()
        return self._columns

    def add(self, chunk: Chunk) -> None:
        """Count the rows of a chunk."""
        self.n += len(chunk.x)
        self.n_read += len(chunk.x) + len(chunk.rejected)
        if chunk.missing:
            self._count_missing(chunk.missing.rows)
        values = describe_inputs(chunk, self.spec, files=self._files)
        done = 0
        while done < len(values):
            part = values[done : done + self._buffer.shape[1] - self._filled]
            self._buffer[:, self._filled : self._filled + len(part)] = part.T
            self._filled += len(part)
            done += len(part)
            if self._filled == self._buffer.shape[1]:
                self._flush()

    def merge(self, other: "InputSummary") -> None:
        """Add another part of the batch, summed up against the same reference."""
        self.n += other.n
        self.n_read += other.n_read
        if other.missing is not None:
            self._count_missing(other.missing)
        for mine, theirs in zip(self.columns, other.columns, strict=True):
            mine.merge(theirs)

    def _count_missing(self, rows: Counts) -> None:
        self.missing = rows if self.missing is None else self.missing + rows

    def _flush(self) -> None:
        if not self._filled:
            return
        for column, values in zip(self._columns, self._buffer, strict=True):
            column.add(np.sort(values[: self._filled]))
        self._filled = 0


def summary_for(
    table: pa.Table | None, spec: InputSpec, *, files: bool = False
) -> InputSummary | None:
    """Return an empty summary against a bundle's reference inputs; None where it has none.

    Parameters
    ----------
    table : pyarrow.Table, optional
        The reference inputs.
    spec : InputSpec
        What a row is.
    files : bool
        Whether the batch is of image files: their properties count too, if the reference has them.
    """
    names = input_names(spec)
    if table is None or names is None:
        return None
    if files and set(FILE_PROPERTIES) <= set(table.column_names):
        names += FILE_PROPERTIES
    if not set(names) <= set(table.column_names):
        return None
    return InputSummary(ReferenceInputs.of(table.select(names)), spec)
