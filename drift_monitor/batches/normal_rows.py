"""Rows known to be good, to train on or to compare with: read whole, and checked first."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from adversarial.masking import mask_secrets
from drift_monitor.batches.batch import Batch, Chunk
from drift_monitor.batches.class_labels import class_indices
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.config import DataConfig
from drift_monitor.errors import BatchError

logger = logging.getLogger(__name__)


def read_normal_rows(data: DataConfig, spec: InputSpec) -> list[Chunk]:
    """Read all rows; those that cannot be used are left out, with a warning in the log.

    Raises
    ------
    BatchError
        If there are no such files, no row can be used, or a column is missing.
    """
    read = list(Batch(data.path, data, spec).chunks(4096))
    chunks = [chunk for chunk in read if len(chunk.x)]
    rejected = [row for chunk in read for row in chunk.rejected]
    if not chunks:
        raise BatchError(f"{data.path}: no row can be used; fix the input column")
    if rejected:
        first = rejected[0]
        logger.warning(
            "%s: %d of %d rows cannot be used and are left out; the first is row %d of %s: %s",
            mask_secrets(data.path),
            len(rejected),
            len(rejected) + sum(len(chunk.x) for chunk in chunks),
            first.row,
            first.file,
            first.reason,
        )
    if data.label and data.label not in chunks[0].columns.column_names:
        raise BatchError(
            f"{chunks[0].file} has no column {data.label!r}: name the right label column, or leave "
            "it out to go without labels"
        )
    return chunks


def check_columns(data: DataConfig, path: str) -> None:
    """Check that there are files, and that they have the columns, from their footers alone.

    Raises
    ------
    BatchError
        If there are no such files, one cannot be read, or a column is missing; names it.
    """
    wanted = [*data.input_columns, *([data.label] if data.label else []), *data.segments]
    for name in find_files(path):
        names = ParquetSource(name).schema.names
        missing = [column for column in wanted if column not in names]
        if missing:
            raise BatchError(
                f"{name} has no column {', '.join(map(repr, missing))}; it has {', '.join(names)}. "
                "Name the right columns with --input, --label and --segments"
            )


def true_classes(
    chunks: Sequence[Chunk], data: DataConfig, names: Sequence[str]
) -> NDArray[np.int64]:
    """Return the classes in the label column, (n,) int64; −1 where there is no label.

    Raises
    ------
    BatchError
        If a label is not a class; names file, row and value.
    """
    label = data.label
    if label is None:
        return np.full(sum(len(chunk.x) for chunk in chunks), -1)
    return np.concatenate(
        [class_indices(chunk.columns[label], names, label, chunk) for chunk in chunks]
    )
