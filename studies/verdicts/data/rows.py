"""Labelled rows in memory and as the Parquet files that `fit` and the study read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.files import replace_file

IMAGE = "image"
LABEL = "label"

Inputs = NDArray[Any]
"""Images (n, height, width, channels), uint8 in files and float32 in [0, 1] in memory; or flat
rows (n, n_columns), float32."""
Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows and their true classes.

    Attributes
    ----------
    x : (n, *input_shape)
        The classifier's inputs.
    y : (n,) int64
        Numbers of the classes.
    """

    x: Inputs
    y: Classes

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    def take(self, index: NDArray[np.int64] | slice) -> "Rows":
        """Return the rows of an index."""
        return Rows(self.x[index], self.y[index])


@dataclass(frozen=True)
class Source:
    """All rows of one classifier.

    Attributes
    ----------
    class_names : tuple of str
        In the order of the classifier's outputs.
    columns : tuple of str
        Of flat rows; empty of images.
    train, reference, production : Rows
        Disjoint.
    later : Rows, optional
        What really came after the reference period, in order.
    """

    class_names: tuple[str, ...]
    columns: tuple[str, ...]
    train: Rows
    reference: Rows
    production: Rows
    later: Rows | None = None


def to_table(x: Inputs, columns: Sequence[str]) -> pa.Table:
    """Return inputs as the columns that the monitor reads."""
    if columns:
        return pa.table({name: x[:, number] for number, name in enumerate(columns)})
    shape = x.shape[1:]
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(x.dtype), shape)
    flat = pa.array(np.ascontiguousarray(x).reshape(-1))
    storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))
    return pa.table({IMAGE: pa.ExtensionArray.from_storage(kind, storage)})


def write_rows(path: Path, rows: Rows, columns: Sequence[str], class_names: Sequence[str]) -> None:
    """Write rows with the names of their classes."""
    labels = pa.array(class_names).take(pa.array(rows.y))
    with replace_file(path) as scratch:
        pq.write_table(to_table(rows.x, columns).append_column(LABEL, labels), scratch)


def read_rows(path: Path, columns: Sequence[str], class_names: Sequence[str]) -> Rows:
    """Read what `write_rows` wrote; pixels come back in [0, 1]."""
    table = pq.read_table(path)
    number = {name: index for index, name in enumerate(class_names)}
    y = np.array([number[name] for name in table[LABEL].to_pylist()], np.int64)
    if columns:
        return Rows(np.stack([table[name].to_numpy() for name in columns], axis=1), y)
    image = table[IMAGE].combine_chunks()
    array = image.chunk(0) if isinstance(image, pa.ChunkedArray) else image
    return Rows(np.divide(array.to_numpy_ndarray(), 255, dtype=np.float32), y)
