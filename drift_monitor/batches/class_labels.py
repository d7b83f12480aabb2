"""Turn class labels into class numbers."""

import json
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift_monitor.arrow_values import is_bytes, is_text, unwrapped, value_text
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.errors import BatchError
from drift_monitor.formatting import clipped

SIMILARITY = 0.75
"""Share of letters in common from which a class is taken for the one that was meant."""


def class_names(path: str, label: str | None) -> list[str] | None:
    """Return the class names that a Hugging Face Parquet file gives for its label, if any."""
    schema = ParquetSource(find_files(path)[0]).schema
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):  # metadata that another program wrote, for itself
        return None
    for key in ("info", "features", label, "names"):
        found = found.get(key) if isinstance(found, dict) else None
    is_names = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return found if found and is_names else None


def class_indices(
    column: pa.ChunkedArray, names: Sequence[str], what: str, chunk: Chunk
) -> NDArray[np.int64]:
    """Return a column of class names or class numbers as class numbers; −1 is no class.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Names or whole numbers from 0, n long, of any type that can hold them; of two classes,
        False is the first, unless they have these names. Null, NaN and −1 stand for no class.
    names : sequence of str
        The detector's class names.
    what : str
        The column's name, for the error.
    chunk : Chunk
        The rows that the column belongs to, for the error.

    Raises
    ------
    BatchError
        If a value is not a class; names file, row and value.
    """
    given = column = unwrapped(column)
    if pa.types.is_boolean(column.type) and len(names) == 2:
        text = [name.lower() for name in names]
        column = column.cast(pa.string() if {"false", "true"} == set(text) else pa.int64())
        names = text if pa.types.is_string(column.type) else names
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if pa.types.is_uint64(column.type):  # the largest would wrap round to −1
        column = pc.min_element_wise(column, pa.scalar(2**32, pa.uint64()), skip_nulls=False)
    if pa.types.is_floating(column.type):  # pandas writes whole numbers with gaps as floats
        usable = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**31))
        column = pc.if_else(pc.is_nan(column), None, pc.if_else(usable, column, -2.0))
        column = column.cast(pa.int64())
    texts = _texts(column)
    if pa.types.is_integer(column.type):
        indices = np.asarray(pc.fill_null(column.cast(pa.int64()), -1))
        known = (indices >= -1) & (indices < len(names))
    elif texts is not None:
        positions = pc.index_in(texts, pa.array(names, pa.string()))
        indices = np.asarray(pc.fill_null(positions, -1), np.int64)
        known = indices >= 0
    elif pa.types.is_null(column.type):
        return np.full(len(column), -1)
    else:
        raise BatchError(
            f"{chunk.file}: column {what!r} has type {column.type}; expected class names or numbers"
        )
    unknown = ~known & np.asarray(column.is_valid())
    if unknown.any():
        at = int(unknown.argmax())
        value = given[at].as_py() if texts is None else texts[at].as_py()
        close = get_close_matches(str(value), names, 1, SIMILARITY)
        meant = f" (perhaps {close[0]!r}?)" if close and str(value) not in names else ""
        raise BatchError(
            f"{chunk.file}, row {chunk.rows[at]}: column {what!r} is {clipped(value)}{meant}, "
            f"which is not a class of the detector ({', '.join(names)}, or 0 to {len(names) - 1}); "
            "name the right column or fit a detector for these classes"
        )
    return indices


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return names as text, whatever type has them; None for a type that holds no names."""
    if not is_text(column.type) and not is_bytes(column.type):
        return None
    try:
        return value_text(column.cast(pa.string()))
    except pa.ArrowInvalid:  # bytes that are no text
        return value_text(column)
