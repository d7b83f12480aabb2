"""A random sample of a batch's rows with what describes them, kept while the batch streams by."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.support.novelty import Described
from adversarial.support.sample import OUTPUTS, with_description

MAX_ROWS = 5_000
"""Rows of a sample: more would not change what a batch is found to look like."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class RowSample:
    """The rows whose positions have the smallest keys: the same however the batch is cut.

    Memory does not grow with the batch.
    """

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._largest = np.uint64(2**64 - 1)

    def add(self, first: int, outputs: pa.Table, rows: Described) -> None:
        """Add rows.

        Parameters
        ----------
        first : int
            Position of the first among the scored rows.
        outputs : pyarrow.Table
            n rows with the columns `OUTPUTS`.
        rows : Described
            What describes them.
        """
        keys = mixed(np.arange(first, first + len(outputs), dtype=np.uint64))
        kept = np.flatnonzero(keys <= self._largest)
        if not len(kept):
            return
        table = outputs.select(OUTPUTS).take(pa.array(kept))
        self._tables.append(with_description(table, rows.take(kept)))
        self._keys.append(keys[kept])
        if sum(map(len, self._keys)) > 2 * MAX_ROWS:
            self._shrink()

    def table(self) -> pa.Table | None:
        """Return the sample, in the order of the keys; None without rows."""
        if not self._tables:
            return None
        self._shrink()
        return self._tables[0]

    def _shrink(self) -> None:
        keys = np.concatenate(self._keys)
        smallest = np.argsort(keys, kind="stable")[:MAX_ROWS]
        self._tables = [pa.concat_tables(self._tables).take(pa.array(smallest)).combine_chunks()]
        self._keys = [keys[smallest]]
        if len(smallest) == MAX_ROWS:
            self._largest = self._keys[0][-1]


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a well-mixed number for each number, without ties (SplitMix64)."""
    z = numbers * _GOLDEN + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return result
