"""How much memory the rows of a batch take."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def row_bytes(table: pa.Table) -> NDArray[np.int64]:
    """Return the bytes of each row once decoded, (n,): a value that rows share counts for each.

    Examples
    --------
    >>> shared = pa.array(["abcdefgh"] * 3).dictionary_encode()
    >>> row_bytes(pa.table({"n": pa.array([1, 2, 3], pa.int32()), "shared": shared})).tolist()
    [12, 12, 12]
    """
    sizes = np.zeros(len(table), np.int64)
    for column in table.columns:
        sizes += value_bytes(column)
    return sizes


def value_bytes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the bytes of each value once decoded, (n,); of each list, those of the mean list."""
    sizes = [np.broadcast_to(_sizes(part), len(part)) for part in column.chunks]
    return np.concatenate([np.zeros(0, np.int64), *sizes])


def largest_value(column: pa.ChunkedArray) -> int:
    """Return the bytes that no value of a column exceeds once decoded; of lists, those of the mean.

    Examples
    --------
    >>> largest_value(pa.chunked_array([["a", "abc"], [None]]))
    3
    """
    parts = (
        # A dictionary is shorter than its rows, and may have values that none of them uses.
        part.dictionary if pa.types.is_dictionary(part.type) else part
        for part in column.chunks
    )
    return max((int(np.max(_sizes(part), initial=0)) for part in parts), default=0)


def pieces(table: pa.Table, most: int) -> Iterator[pa.Table]:
    """Yield a table in slices of at most `most` decoded bytes, or of one row that takes more."""
    has_dictionaries = any(_has_dictionary(kind) for kind in table.schema.types)
    if len(table) < 2 or not (has_dictionaries or table.nbytes > most):
        yield table
        return
    ends = np.cumsum(row_bytes(table))
    first, before = 0, 0
    while first < len(table):
        stop = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield table.slice(first, stop - first)
        first, before = stop, int(ends[stop - 1])


def _has_dictionary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    children = (kind.field(at).type for at in range(kind.num_fields))
    return any(_has_dictionary(child) for child in children)


def _sizes(values: pa.Array) -> NDArray[np.int64] | int:
    """Return the bytes of each value, or of every value where all take the same."""
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return _sizes(values.storage)
    if pa.types.is_dictionary(kind):
        sizes = _sizes(values.dictionary)
        if isinstance(sizes, int):
            return sizes
        indices = np.asarray(pc.fill_null(values.indices, -1), np.int64)
        return np.append(sizes, 0)[indices]  # a null is the last, of no bytes
    if pa.types.is_struct(kind):
        sizes = np.zeros(len(values), np.int64)
        for part in values.flatten():
            sizes += _sizes(part)
        return sizes
    if pa.types.is_large_binary(kind) or pa.types.is_large_string(kind) or _is_text(kind):
        return np.asarray(pc.fill_null(pc.binary_length(values), 0), np.int64)
    return int(values.nbytes) // max(1, len(values))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_string(kind))
