"""Values of every Arrow type as what results hold: text, and times that can be represented."""

import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Values: TypeAlias = pa.Array | pa.ChunkedArray

UUID_BYTES = 16

UTC_MICROSECONDS = pa.timestamp("us", "UTC")

SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Ticks of a second, by unit."""
DAYS = (-719_162, 2_932_897)
"""From the day 0001-01-01 to the day after 9999-12-31, counted from 1970-01-01."""
DAY_SECONDS = 24 * 3600


def unwrapped(values: Values) -> Values:
    """Return values of an extension type, or of a dictionary, as what stands behind them.

    Examples
    --------
    >>> unwrapped(pa.array(["a", "b", "a"]).dictionary_encode()).type
    DataType(string)
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        if isinstance(values, pa.ChunkedArray):
            return unwrapped(
                pa.chunked_array([part.storage for part in values.chunks], kind.storage_type)
            )
        return unwrapped(values.storage)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return unwrapped(values.cast(kind.value_type))
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())  # for which Arrow has more functions
    return values


def value_text(values: Values) -> Values:
    """Return values as text: bytes as a UUID where there are 16 of them, else in hexadecimal.

    What Arrow cannot write, Python does, and bytes of a text that are no UTF-8 become the
    replacement character.

    Raises
    ------
    pyarrow.ArrowNotImplementedError
        Of lists, structs and maps, which name no row.

    Examples
    --------
    >>> value_text(pa.array([bytes(16), bytes.fromhex("65a1b2"), None])).to_pylist()
    ['00000000-0000-0000-0000-000000000000', '65a1b2', None]
    """
    values = unwrapped(values)
    kind = values.type
    if is_bytes(kind):
        return _mapped(values, _bytes_text)
    if is_text(kind):
        return values.cast(pa.string()) if _is_utf8(values) else _mapped_text(values)
    try:
        return values.cast(pa.string())
    except pa.ArrowNotImplementedError:  # of intervals of months, days and nanoseconds
        if pa.types.is_nested(kind):
            raise
        return _mapped(values, str)


def utc_times(values: Values) -> Values:
    """Return times or dates in UTC; null where a year is not one of 1 to 9999.

    DuckDB writes an infinite time as the largest number, which no calendar holds.

    Examples
    --------
    >>> times = utc_times(pa.array([0, 2**63 - 1], pa.timestamp("us")))
    >>> [time and time.year for time in times.to_pylist()]
    [1970, None]
    """
    values = unwrapped(values)
    kind = values.type
    if pa.types.is_null(kind):
        return values.cast(UTC_MICROSECONDS)
    if pa.types.is_date32(kind):
        ticks, day = values.cast(pa.int32()).cast(pa.int64()), 1
    else:
        ticks = values.cast(pa.int64())
        day = DAY_SECONDS * SECOND["ms" if pa.types.is_date64(kind) else kind.unit]
    # The largest numbers stand for infinity even where, in nanoseconds, they are times.
    first, last = (min(max(edge * day, 2 - 2**63), 2**63 - 1) for edge in DAYS)
    known = pc.and_(pc.greater_equal(ticks, first), pc.less(ticks, last))
    return pc.if_else(known, values, None).cast(UTC_MICROSECONDS, safe=False)


def _bytes_text(value: bytes) -> str:
    return str(uuid.UUID(bytes=value)) if len(value) == UUID_BYTES else value.hex()


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a type holds bytes."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds texts."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_utf8(texts: Values) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _mapped_text(texts: Values) -> Values:
    raw = texts.cast(pa.large_binary() if pa.types.is_large_string(texts.type) else pa.binary())
    return _mapped(raw, lambda value: value.decode(errors="replace"))


def _mapped(values: Values, text: Callable[[Any], str]) -> Values:
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([_mapped(part, text) for part in values.chunks], pa.string())
    found = [None if value is None else text(value) for value in values.to_pylist()]
    return pa.array(found, pa.string())
