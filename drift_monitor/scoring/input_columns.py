"""What of a row is compared with the reference: its columns, or descriptors of an image."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from adversarial.descriptors import descriptor_names, image_descriptors, is_image, to_unit
from drift_monitor.batches.batch import Chunk, Missing

MAX_VALUES = 1 << 22
"""Values of reference rows that a bundle keeps, at most: of many columns, fewer rows …"""
MIN_ROWS = 1000
"""… but no fewer than this."""
MISSING = b"missing"
"""Key in the file's metadata: rows read, and how many of them lack each column."""


FILE_PROPERTIES = ("file_size", "jpeg")
"""What is told of image files beside the descriptors of their pixels; `Chunk.files`."""


def input_names(spec: InputSpec) -> tuple[str, ...] | None:
    """Return the names of the columns or descriptors; None where rows have neither.

    Examples
    --------
    >>> input_names(InputSpec(shape=(2,)))
    ('0', '1')
    >>> input_names(InputSpec(shape=(8, 8, 1)))[:3]
    ('brightness', 'contrast', 'sharpness')
    """
    if len(spec.shape) == 1:
        return spec.feature_names or tuple(str(number) for number in range(spec.shape[0]))
    return descriptor_names(spec.shape) if is_image(spec.shape) else None


def describe_inputs(chunk: Chunk, spec: InputSpec, *, files: bool = False) -> NDArray[np.float32]:
    """Return the columns or descriptors of rows, in the order of `input_names`.

    Parameters
    ----------
    chunk : Chunk
        Rows in the units the classifier takes.
    spec : InputSpec
        Of columns or images.
    files : bool
        Put the properties of image files after the descriptors.

    Returns
    -------
    (n, n_inputs) float32
        Finite; 0 is never −0, so that equal values have equal bytes.
    """
    if len(spec.shape) == 1:
        return chunk.x + np.float32(0)
    low, high = spec.value_range
    scaled = to_unit(chunk.x, low, high - low)
    described = np.nan_to_num(image_descriptors(scaled)) + np.float32(0)
    if files and chunk.files is not None:
        return np.hstack([described, chunk.files])
    return described


def reference_inputs(chunks: Sequence[Chunk], spec: InputSpec) -> pa.Table | None:
    """Return what a bundle keeps of its reference rows' inputs; None where rows have none.

    Parameters
    ----------
    chunks : sequence of Chunk
        The reference rows. Of more than some 4 million values every so many rows are kept.
    spec : InputSpec
        What a row is.
    """
    names = input_names(spec)
    if names is None:
        return None
    files = len(spec.shape) > 1 and all(chunk.files is not None for chunk in chunks)
    names += FILE_PROPERTIES if files else ()
    n = sum(len(chunk.x) for chunk in chunks)
    most = max(MIN_ROWS, MAX_VALUES // len(names))
    kept = np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
    described = [describe_inputs(chunk, spec, files=files) for chunk in chunks]
    values = np.concatenate(described)[kept]
    table = pa.table(dict(zip(names, map(pa.array, values.T.copy()), strict=True)))
    counted = [chunk.missing for chunk in chunks if chunk.missing]
    if not counted:
        return table
    missing = {
        "n_read": sum(part.n_read for part in counted),
        "rows": np.sum([part.rows for part in counted], axis=0).tolist(),
    }
    return table.replace_schema_metadata({MISSING: json.dumps(missing)})


def missing_in_reference(table: pa.Table) -> Missing | None:
    """Return how many of the reference's rows lacked a column when they were read, if known."""
    metadata = table.schema.metadata or {}
    if MISSING not in metadata:
        return None
    found = json.loads(metadata[MISSING])
    return Missing(found["n_read"], np.array(found["rows"], np.int64))
