"""From the input columns of a Parquet table to arrays in the units the classifier takes."""

import io
import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from adversarial.bundle.manifest import InputSpec

IMAGE_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode by number of channels."""

NO_IMAGE = "image is null or empty"
ONLY_A_PATH = "image is a path without the bytes of its file: write them into the batch"

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
    elif has_image_files(column.type):
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
    is_whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(is_whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_image(kind: pa.DataType) -> bool:
    """Whether a type holds image files: binary, or a struct with `bytes`."""
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def has_image_files(kind: pa.DataType) -> bool:
    """As `is_image`, of a column as it was read: its files may be in a dictionary."""
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return is_image(kind.value_type if pa.types.is_dictionary(kind) else kind)


def file_properties(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return the bytes of each image file, and 1 where it is a JPEG and 0 otherwise, (n, 2)."""
    files, places = _distinct(column)
    sizes = pc.fill_null(pc.binary_length(files), 0)
    starts = pc.binary_slice(files.cast(pa.large_binary()), 0, len(JPEG_START))
    is_jpeg = pc.fill_null(pc.equal(starts, pa.scalar(JPEG_START, pa.large_binary())), False)
    properties = np.stack([np.asarray(sizes), np.asarray(is_jpeg)], axis=1).astype(np.float32)
    return properties if places is None else np.append(properties, [[0, 0]], axis=0)[places]


def _distinct(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64] | None]:
    """Return image files, and of a dictionary which of them each row has; −1 where it has none.

    The files of a dictionary are not repeated, so that large ones that rows share fit in memory.
    """
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    if not pa.types.is_dictionary(column.type):
        return column.combine_chunks(), None
    encoded = column.unify_dictionaries().combine_chunks()
    used, places = np.unique(np.asarray(pc.fill_null(encoded.indices, -1)), return_inverse=True)
    known = used >= 0
    files = encoded.dictionary.take(pa.array(used[known]))
    return files, np.where(known, np.cumsum(known) - 1, -1)[places].astype(np.int64)


def numbers_in(kind: pa.DataType) -> pa.DataType | None:
    """Return the type of the numbers of a tensor or of lists, however deep; None for other types.

    Examples
    --------
    >>> numbers_in(pa.list_(pa.list_(pa.uint8(), 28)))
    DataType(uint8)
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        return kind.value_type
    if not _is_list(kind):
        return None
    inner = kind.field(0)
    return inner.type if is_number(inner) else numbers_in(inner.type)


def tensor_shape(
    kind: pa.DataType, declared: Sequence[int] | None, expected: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Return the shape of a row of a tensor or of lists, or None if the type cannot be read.

    A fixed-size list has the `declared` shape if that has the same number of values. Lists of any
    length have it, or else the `expected` one, and rows that have another are rejected. Where only
    a dimension of one tells a shape from the expected one, it is the expected one.
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        if kind.permutation not in (None, list(range(len(kind.shape)))):
            return None
        shape = tuple(kind.shape)
    elif numbers_in(kind) is None:
        return None
    else:
        sizes = _list_sizes(kind)
        shape = tuple(declared or expected) if None in sizes else tuple(sizes)
        if declared and math.prod(declared) == math.prod(shape):
            shape = tuple(declared)
    same = [n for n in shape if n != 1] == [n for n in expected if n != 1]
    return expected if same and len(shape) > 1 else shape


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _list_sizes(kind: pa.DataType) -> list[int | None]:
    """Return the length of the lists at each depth, outermost first; None where it may vary."""
    if not _is_list(kind):
        return []
    size = kind.list_size if pa.types.is_fixed_size_list(kind) else None
    return [size, *_list_sizes(kind.field(0).type)]


def _flat_rows(table: pa.Table) -> NDArray[np.float32]:
    columns = [np.asarray(c.cast(pa.float32(), safe=False)) for c in table.columns]
    return np.stack(columns, axis=1).astype(np.float32, copy=False)


def _tensors(
    column: pa.ChunkedArray, spec: InputSpec
) -> tuple[NDArray[np.float32], dict[int, str]]:
    storage = column.combine_chunks()
    if isinstance(storage, pa.ExtensionArray):
        storage = storage.storage
    if len(_list_sizes(storage.type)) > 1 or not pa.types.is_fixed_size_list(storage.type):
        return _lists(storage, spec)
    null_rows = np.flatnonzero(np.asarray(storage.is_null()))
    reasons = {int(row): "input is null" for row in null_rows}
    size = math.prod(spec.shape)
    # A null slot still spans `size` values; `flatten` would drop them, `values` keeps the grid.
    values = storage.values.slice(storage.offset * size, len(storage) * size)
    x = np.asarray(values.cast(pa.float32(), safe=False)).reshape(len(storage), *spec.shape)
    return _from_bytes(x, spec) if pa.types.is_uint8(values.type) else x, reasons


def _lists(lists: pa.Array, spec: InputSpec) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Read rows that are lists, of lists or of numbers, of which some may have another shape."""
    depth = len(_list_sizes(lists.type))
    # As many dimensions as there are lists in each other; the innermost list has what is left.
    sizes = [*spec.shape[: depth - 1], math.prod(spec.shape[depth - 1 :])]
    fits = np.ones(len(lists), bool)
    inner, owners = lists, np.arange(len(lists))
    for size in sizes:
        wrong = np.asarray(pc.fill_null(pc.not_equal(pc.list_value_length(inner), size), True))
        fits[owners[wrong]] = False
        keep = fits[owners]
        inner, owners = inner.filter(pa.array(keep)).flatten(), np.repeat(owners[keep], size)
    # A list that does not fit takes its row's others with it, whatever depth they are at.
    inner = inner.filter(pa.array(fits[owners]))
    x = np.zeros((len(lists), *spec.shape), np.float32)
    x[fits] = np.asarray(inner.cast(pa.float32(), safe=False)).reshape(-1, *spec.shape)
    null = np.asarray(lists.is_null())
    expected = "×".join(map(str, spec.shape))
    reasons = {
        int(row): "input is null" if null[row] else f"input has another shape, expected {expected}"
        for row in np.flatnonzero(~fits)
    }
    return _from_bytes(x, spec) if pa.types.is_uint8(inner.type) else x, reasons


def _images(column: pa.ChunkedArray, spec: InputSpec) -> tuple[NDArray[np.float32], dict[int, str]]:
    files, places = _distinct(column)
    pixels = np.zeros((len(files) + 1, *spec.shape), np.uint8)
    why: dict[int, str] = {len(files): NO_IMAGE}
    for at, file in enumerate(files):
        try:
            pixels[at] = _decode_image(file.as_py(), spec)
        except _UndecodableError as error:
            why[at] = str(error)
    if places is None:
        del why[len(files)]
        return _from_bytes(pixels[:-1], spec), _with_paths(column, why)
    places = np.where(places < 0, len(files), places)
    reasons = {row: why[at] for row, at in enumerate(places.tolist()) if at in why}
    return _from_bytes(pixels[places], spec), _with_paths(column, reasons)


def _with_paths(column: pa.ChunkedArray, reasons: dict[int, str]) -> dict[int, str]:
    """Say of rows without an image where they have its path, as data sets of Hugging Face may."""
    if not pa.types.is_struct(column.type) or column.type.get_field_index("path") < 0:
        return reasons
    has_path = np.asarray(pc.struct_field(column, "path").is_valid())
    return {
        row: ONLY_A_PATH if reason == NO_IMAGE and has_path[row] else reason
        for row, reason in reasons.items()
    }


class _UndecodableError(Exception):
    """One image cannot be scored; the message is the reason written to `rejected.parquet`."""


def _decode_image(encoded: bytes | None, spec: InputSpec) -> NDArray[np.uint8]:
    if not encoded:
        raise _UndecodableError(NO_IMAGE)
    try:
        with Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG")) as image:
            _check_header(image, spec)
            mode = IMAGE_MODES[spec.shape[2]]
            decoded = np.asarray(image if image.mode == mode else image.convert(mode))
    except _UndecodableError:
        raise
    except UnidentifiedImageError:  # its message contains an object's memory address
        raise _UndecodableError("image cannot be decoded: not a PNG or JPEG file") from None
    # Pillow's decoders raise whatever they run into: OSError, SyntaxError, KeyError, struct.error.
    except Exception as error:
        raise _UndecodableError(f"image cannot be decoded: {error}") from error
    return decoded.reshape(spec.shape)


def _check_header(image: Image.Image, spec: InputSpec) -> None:
    """Refuse an image by what its header says, before its pixels take any memory."""
    height, width, _ = spec.shape
    if image.size != (width, height):
        raise _UndecodableError(f"image is {image.height}×{image.width}, expected {height}×{width}")
    if image.mode.startswith(("I", "F")):  # converting would clip, not scale
        raise _UndecodableError("image has more than 8 bits per channel")


def _from_bytes(
    pixels: NDArray[np.uint8] | NDArray[np.float32], spec: InputSpec
) -> NDArray[np.float32]:
    low, high = spec.value_range
    scaled: NDArray[np.float32] = np.multiply(pixels, (high - low) / 255, dtype=np.float32)
    return scaled + np.float32(low) if low else scaled
