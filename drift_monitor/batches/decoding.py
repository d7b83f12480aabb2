"""From the input columns of a Parquet table to arrays in the units the classifier takes."""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from adversarial.bundle.manifest import InputSpec

IMAGE_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode by number of channels."""

JPEG_START = b"\xff\xd8"
"""The first bytes of every JPEG file."""


def decode_rows(table: pa.Table, spec: InputSpec) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Decode rows; the columns' types say how they are laid out.

    Parameters
    ----------
    table : pyarrow.Table
        The input columns of n rows: one column of image files or tensors, or numeric columns.
    spec : InputSpec
        Shape and units.

    Returns
    -------
    x : (n, *spec.shape) float32
        The rows; those that cannot be used have arbitrary values.
    reasons : dict of int to str
        Why rows cannot be used, by their number.
    """
    column = table.schema.field(0)
    reasons: dict[int, str] = {}
    flat = len(table.schema) > 1 or is_number(column)
    if flat:
        x = _flat_rows(table)
    elif is_image(column.type):
        x, reasons = _images(table.column(0), spec)
    else:
        x, reasons = _tensors(table.column(0), spec)
    finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
    for row in np.flatnonzero(~finite):
        what = table.column_names[np.isfinite(x[row]).argmin()] if flat else "a value"
        reasons.setdefault(int(row), f"{what} is missing or not finite")
    return x, reasons


def is_number(column: pa.Field) -> bool:
    """Whether a column holds numbers or booleans."""
    kind = column.type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def is_image(kind: pa.DataType) -> bool:
    """Whether a type holds image files: binary, or a struct with `bytes`."""
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def file_properties(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return the bytes of each image file, and 1 where it is a JPEG and 0 otherwise, (n, 2)."""
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    sizes = pc.fill_null(pc.binary_length(column), 0)
    starts = pc.binary_slice(column.cast(pa.binary()), 0, len(JPEG_START))
    is_jpeg = pc.fill_null(pc.equal(starts, pa.scalar(JPEG_START, pa.binary())), False)
    return np.stack([np.asarray(sizes), np.asarray(is_jpeg)], axis=1).astype(np.float32)


def tensor_shape(kind: pa.DataType, declared: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the shape of a row of a tensor type, or None if the type cannot be read.

    A fixed-size list has the `declared` shape if that has the same number of values; otherwise it
    is flat.
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        in_order = kind.permutation in (None, list(range(len(kind.shape))))
        return tuple(kind.shape) if in_order else None
    if pa.types.is_fixed_size_list(kind) and is_number(kind.field(0)):
        shape = tuple(declared) if declared else (kind.list_size,)
        return shape if int(np.prod(shape)) == kind.list_size else (kind.list_size,)
    return None


def _flat_rows(table: pa.Table) -> NDArray[np.float32]:
    columns = [np.asarray(c.cast(pa.float32(), safe=False)) for c in table.columns]
    return np.stack(columns, axis=1).astype(np.float32)


def _tensors(
    column: pa.ChunkedArray, spec: InputSpec
) -> tuple[NDArray[np.float32], dict[int, str]]:
    storage = column.combine_chunks()
    if isinstance(storage, pa.ExtensionArray):
        storage = storage.storage
    null_rows = np.flatnonzero(np.asarray(storage.is_null()))
    reasons = {int(row): "input is null" for row in null_rows}
    size = int(np.prod(spec.shape))
    # A null slot still spans `size` values; `flatten` would drop them, `values` keeps the grid.
    values = storage.values.slice(storage.offset * size, len(storage) * size)
    x = np.asarray(values.cast(pa.float32(), safe=False)).reshape(len(storage), *spec.shape)
    if pa.types.is_uint8(values.type):
        x = _from_bytes(x, spec)
    return x, reasons


def _images(column: pa.ChunkedArray, spec: InputSpec) -> tuple[NDArray[np.float32], dict[int, str]]:
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    height, width, channels = spec.shape
    pixels = np.zeros((len(column), height, width, channels), np.uint8)
    reasons: dict[int, str] = {}
    for row, encoded in enumerate(column.to_pylist()):
        try:
            pixels[row] = _decode_image(encoded, spec)
        except _UndecodableError as error:
            reasons[row] = str(error)
    return _from_bytes(pixels, spec), reasons


class _UndecodableError(Exception):
    """One image cannot be scored; the message is the reason written to `rejected.parquet`."""


def _decode_image(encoded: bytes | None, spec: InputSpec) -> NDArray[np.uint8]:
    height, width, channels = spec.shape
    if not encoded:
        raise _UndecodableError("image is null or empty")
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as image:
            if image.size != (width, height):
                raise _UndecodableError(
                    f"image is {image.height}×{image.width}, expected {height}×{width}"
                )
            if image.mode.startswith(("I", "F")):  # converting would clip, not scale
                raise _UndecodableError("image has more than 8 bits per channel")
            decoded = np.asarray(image.convert(IMAGE_MODES[channels]))
    except UnidentifiedImageError:  # its message contains an object's memory address
        raise _UndecodableError("image cannot be decoded: not a PNG or JPEG file") from None
    # Pillow raises OSError for a damaged file, and SyntaxError or ValueError from some decoders.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _UndecodableError(f"image cannot be decoded: {error}") from error
    return decoded.reshape(spec.shape)


def _from_bytes(
    pixels: NDArray[np.uint8] | NDArray[np.float32], spec: InputSpec
) -> NDArray[np.float32]:
    low, high = spec.value_range
    scaled: NDArray[np.float32] = np.multiply(pixels, (high - low) / 255, dtype=np.float32)
    return scaled + np.float32(low) if low else scaled
