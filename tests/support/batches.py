"""Batches in every layout, written and read by tests."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig

Pixels = NDArray[np.uint8]

FLAT = InputSpec(shape=(2,))
GREY = InputSpec(shape=(4, 3, 1))


def encode(image: Pixels, kind: str = "png") -> bytes:
    """Return an image file; a single channel is dropped, since Pillow has none for it."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1:] == (1,) else image).save(buffer, kind)
    return buffer.getvalue()


def fixed_size_list(rows: list[Any], size: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(rows, pa.list_(kind or pa.float32(), size))


def tensor_column(values: NDArray[Any]) -> pa.Array:
    kind = pa.from_numpy_dtype(values.dtype)
    storage = pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), int(np.prod(values.shape[1:]))
    )
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, values.shape[1:]), storage)


def batch(path: Path | str, spec: InputSpec, **data: Any) -> Batch:
    return Batch(str(path), DataConfig(path=str(path), **({"input": "x"} | data)), spec)


def read(batch: Batch, size: int = 3) -> tuple[NDArray[np.float32], list[int], list[int]]:
    """Return the rows, their numbers and those of the rejected; check every chunk's form."""
    chunks = list(batch.chunks(size))
    for chunk in chunks:
        assert chunk.x.dtype == np.float32
        assert chunk.x.shape == (len(chunk.rows), *batch.spec.shape)
        assert len(chunk.columns) == len(chunk.rows)
        assert len(chunk.rows) + len(chunk.rejected) <= size
    return (
        np.concatenate([chunk.x for chunk in chunks]),
        [int(row) for chunk in chunks for row in chunk.rows],
        [rejected.row for chunk in chunks for rejected in chunk.rejected],
    )


def random_pixels(*shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def binary(pixels: Pixels) -> pa.Array:
    return pa.array([encode(image) for image in pixels], pa.binary())
