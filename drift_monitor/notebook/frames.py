"""DataFrames as the Arrow tables that the job reads, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from drift_monitor.errors import BatchError

if TYPE_CHECKING:
    import pandas as pd

Rows: TypeAlias = "pd.DataFrame | pa.Table | str | Path"
"""Rows to score: in memory, or the path, glob or URL of Parquet files."""


def as_batch(rows: Rows, columns: Sequence[str]) -> str | pa.Table:
    """Return rows in a form that `drift_monitor.batches.batch.Batch` takes.

    Parameters
    ----------
    rows : pandas.DataFrame, pyarrow.Table, str or Path
        Rows in memory, or the path, glob or URL of Parquet files.
    columns : sequence of str
        The columns that are needed; others of a DataFrame are not converted.

    Raises
    ------
    BatchError
        If a DataFrame has no rows, lacks a column, has it twice, or holds in it what Arrow has no
        type for.
    """
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, str | Path):
        return str(rows)
    import pandas as pd

    if not isinstance(rows, pd.DataFrame):
        raise TypeError(
            f"expected a DataFrame, an Arrow table or the path of Parquet files, not a "
            f"{type(rows).__name__}"
        )
    return _to_table(rows, columns)


def _to_table(frame: "pd.DataFrame", columns: Sequence[str]) -> pa.Table:
    names = [str(name) for name in frame.columns]
    for column in columns:
        if names.count(column) != 1:
            result = "has several columns" if column in names else "has no column"
            raise BatchError(
                f"the DataFrame {result} {column!r}; it has {', '.join(names)}: name the right one"
            )
    if not len(frame):
        raise BatchError("the DataFrame has no rows: at least one is needed")
    arrays = {}
    for column in columns:
        values = frame.iloc[:, names.index(column)]
        try:
            arrays[column] = _to_array(values)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise BatchError(
                f"column {column!r} of the DataFrame cannot be converted: {error}"
            ) from None
    return pa.table(arrays)


def _to_array(values: "pd.Series[Any]") -> pa.Array | pa.ChunkedArray:
    """Return a column as Arrow has it; NumPy arrays of one shape become tensors."""
    given = [value for value in values if isinstance(value, np.ndarray)]
    if not given:
        return pa.Array.from_pandas(values)
    shapes = sorted({array.shape for array in given})
    if len(shapes) > 1:
        raise ValueError(
            f"it holds arrays of the shapes {', '.join(map(str, shapes))}; expected one"
        )
    shape = shapes[0]
    missing = np.array([not isinstance(value, np.ndarray) for value in values])
    stacked = np.zeros((len(values), *shape), np.result_type(*given))
    stacked[~missing] = given
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(stacked.dtype), shape)
    storage = pa.FixedSizeListArray.from_arrays(
        pa.array(stacked.reshape(-1)), int(np.prod(shape)), mask=pa.array(missing)
    )
    return pa.ExtensionArray.from_storage(kind, storage)
