"""Production batches: read Parquet, give arrays ready to score, in chunks of bounded size."""

import math
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from adversarial.memory import default_limit
from drift_monitor.batches.decoding import (
    IMAGE_MODES,
    decode_rows,
    file_properties,
    has_image_files,
    is_image,
    is_number,
    tensor_shape,
)
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource, TableSource
from drift_monitor.config import DataConfig
from drift_monitor.errors import BatchError, ChangedBatchError
from drift_monitor.memory import largest_value, row_bytes, value_bytes
from drift_monitor.read_ahead import read_ahead
from drift_monitor.results.data_file import DataFile

TABLES_AHEAD = 2
DECODE_THREADS = 2
SMALL_IMAGE = 64 * 64
"""Pixels below which one thread decodes as fast as two, which would wait for the interpreter's lock
at every image and take half as much CPU again."""
CHUNKS_AHEAD = 2 * DECODE_THREADS
SHARES = 16
"""A chunk takes up to one part in so many of the memory limit, before and after it is decoded."""
VALUE_BYTES = 9
"""Bytes of a value while it is decoded: a byte of an image, a float32, and another beside it."""
LONGEST_TEXT = 4096
"""Bytes of a row id or a segment, at most; every page and table that shows a row repeats them."""


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be scored, and why."""

    file: str
    row: int
    reason: str


class Missing(NamedTuple):
    """Of `n_read` rows of numeric columns, how many lack a finite value in each, (columns,)."""

    n_read: int
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one file, or of a table in memory.

    Attributes
    ----------
    file : str
        Path or URL of the file; "the table" for a table in memory.
    rows : (n,) int64
        Numbers of the rows that can be scored, counted from 0 within the file.
    x : (n, *shape) float32
        Those rows, in the units the classifier takes.
    columns : pyarrow.Table
        Their other columns, n rows.
    rejected : list of Rejected
        The rows that cannot be scored.
    missing : Missing, optional
        How many of the rows as they were read lack each feature; of flat rows.
    files : (n, 2) float32 array, optional
        Of image files, the number of bytes, and whether it is a JPEG: 1, or 0.
    """

    file: str
    rows: NDArray[np.int64]
    x: NDArray[np.float32]
    columns: pa.Table
    rejected: list[Rejected] = field(default_factory=list)
    missing: Missing | None = None
    files: NDArray[np.float32] | None = None


class Batch:
    """The rows of one interval, checked against the monitor's columns, not yet decoded.

    Parameters
    ----------
    rows : str or pyarrow.Table
        Local path or fsspec URL of Parquet files, which may be a glob; files are read in the order
        of their names. Or the rows themselves.
    data : DataConfig
        What the columns mean.
    spec : InputSpec
        What the classifier takes.
    memory_limit : int, optional
        Bytes that the rows held at once may take; `adversarial.memory.default_limit` by default.

    Raises
    ------
    BatchError
        If there is no such file, a file is not Parquet or is cut short, a column is missing or has
        the wrong type or shape, or there are no rows; names the file and the remedy.
    """

    def __init__(
        self,
        rows: str | pa.Table,
        data: DataConfig,
        spec: InputSpec,
        memory_limit: int | None = None,
    ) -> None:
        self.data = data
        self.spec = spec
        self._chunk_bytes = max(1, (memory_limit or default_limit()) // SHARES)
        if len(spec.shape) == 1 and spec.feature_names not in (None, tuple(data.input_columns)):
            raise BatchError(
                f"data.input lists {data.input_columns}, but the detector was fitted on "
                f"{list(spec.feature_names or ())}: list the same columns in the same order"
            )
        self._sources: list[ParquetSource | TableSource] = []
        self._path = rows
        self._files: list[str] = []
        if isinstance(rows, str):
            self._files = find_files(rows, retry_seconds=data.retry_seconds)
        for source in self._files or [rows]:
            opened = (
                ParquetSource(source, data.retry_seconds)
                if isinstance(source, str)
                else TableSource(source)
            )
            # A job that had no rows to write may not have known their types either.
            if opened.n_rows:
                self._check_schema(opened.name, opened.schema)
            self._sources.append(opened)
        if not self.n_rows:
            what = rows if isinstance(rows, str) else TableSource.name
            raise BatchError(
                f"{what} has no rows: a batch needs at least one; check the job that writes it"
            )

    @property
    def rows_of(self) -> dict[str, int]:
        """Number of rows by path or URL, or by "the table" for a table in memory."""
        return {source.name: source.n_rows for source in self._sources}

    @property
    def first_rows(self) -> dict[str, int]:
        """Number of rows in the files before each file, by the keys of `rows_of`."""
        return dict(zip(self.rows_of, accumulate(self.rows_of.values(), initial=0), strict=False))

    @property
    def n_rows(self) -> int:
        """Rows of all files together."""
        return sum(self.rows_of.values())

    @property
    def has_labels(self) -> bool:
        """Whether some file has the label column, or the monitor names none."""
        label = self.data.label
        return not label or any(label in source.schema.names for source in self._with_rows)

    @property
    def has_image_files(self) -> bool:
        """Whether every row is an image file, and none a tensor or flat."""
        column = self.data.input_columns[0]
        return all(is_image(source.schema.field(column).type) for source in self._with_rows)

    @property
    def _with_rows(self) -> list[ParquetSource | TableSource]:
        return [source for source in self._sources if source.n_rows]

    def rows_at_once(self, most: int) -> int:
        """Return how many rows may be held decoded together: `most`, or fewer where they are large.

        At least 1.
        """
        return max(1, min(most, self._chunk_bytes // (VALUE_BYTES * math.prod(self.spec.shape))))

    def chunks(self, size: int) -> Generator[Chunk]:
        """Yield the rows in order, at most `size` at a time, read and decoded ahead by threads.

        Where files are small, several chunks together have `size` rows: one begins with every file,
        and the next ends where these rows are full. At most eight are held at once, whatever the
        batch's size, and a chunk has fewer rows where rows are large (`rows_at_once`).

        Raises
        ------
        BatchError
            If a file turns out to be damaged, or changes while it is read.
        """
        tables = read_ahead(self._tables(self.rows_at_once(size)), TABLES_AHEAD, "read")
        pending: deque[Future[Chunk]] = deque()
        with (
            closing(tables),
            ThreadPoolExecutor(self._decode_threads, thread_name_prefix="decode") as pool,
        ):
            for file, first_row, table in tables:
                pending.append(pool.submit(self._decode, file, first_row, table))
                if len(pending) > CHUNKS_AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    @property
    def _decode_threads(self) -> int:
        is_small = self.has_image_files and math.prod(self.spec.shape[:2]) < SMALL_IMAGE
        return 1 if is_small else DECODE_THREADS

    def files(self) -> list[DataFile]:
        """Return the files with their rows and SHA-256; none for a table in memory.

        Call it after `chunks`, which hashes the files as it reads them. A file that has not been
        read by then is read only for its SHA-256.

        Raises
        ------
        ChangedBatchError
            If a file has changed or gone since, or another has come.
        """
        files = [source for source in self._sources if isinstance(source, ParquetSource)]
        described = [file.describe() for file in files]
        for file in files:
            file.check_unchanged()
        if isinstance(self._path, str):
            now = find_files(self._path, retry_seconds=self.data.retry_seconds)
            if now != self._files:
                raise ChangedBatchError(
                    f"{self._path} had {len(self._files):,} files when it was first read, and has "
                    f"{len(now):,} now: run again once the job that writes them has ended"
                )
        return described

    def _tables(self, size: int) -> Generator[tuple[str, int, pa.Table]]:
        n = 0
        for source in self._with_rows:
            first_row = 0
            wanted = list(dict.fromkeys([*self.data.input_columns, *self._carried(source.schema)]))
            for table in source.tables(size, wanted, self._chunk_bytes, size - n % size):
                yield source.name, first_row, table
                first_row += table.num_rows
            n += first_row

    def _carried(self, schema: pa.Schema) -> list[str]:
        """Return the columns besides the input that the monitor names and the file has."""
        data = self.data
        named = [data.row_id, data.timestamp, data.prediction, data.label, data.clean_prediction]
        return [c for c in dict.fromkeys([*named, *data.segments]) if c and c in schema.names]

    def _check_schema(self, file: str, schema: pa.Schema) -> None:
        data = self.data
        # Labels may arrive later; every other column must be there.
        promised = [data.row_id, data.timestamp, data.prediction, data.clean_prediction]
        for column in [*data.input_columns, *promised, *data.segments]:
            if column and column not in schema.names:
                raise BatchError(
                    f"{file} has no column {column!r}; it has {', '.join(schema.names)}. Name the "
                    "right column in the monitor's 'data' section, or fix the job that writes the "
                    "file"
                )
        for column in [*data.input_columns, *self._carried(schema)]:
            if schema.names.count(column) > 1:
                raise BatchError(f"{file} has several columns {column!r}; keep one of them")
        for segment in data.segments:
            if pa.types.is_nested(schema.field(segment).type):
                raise BatchError(
                    f"{file}: segment {segment!r} has type {schema.field(segment).type}; expected "
                    "text, numbers or dates"
                )
        if data.row_id and pa.types.is_nested(schema.field(data.row_id).type):
            raise BatchError(
                f"{file}: row id {data.row_id!r} has type {schema.field(data.row_id).type}; "
                "expected text or numbers"
            )
        if data.timestamp and not _is_time(schema.field(data.timestamp).type):
            raise BatchError(
                f"{file}: timestamp {data.timestamp!r} has type "
                f"{schema.field(data.timestamp).type}; expected a timestamp or a date"
            )
        self._check_input(file, schema)

    def _check_input(self, file: str, schema: pa.Schema) -> None:
        data, shape = self.data, self.spec.shape
        if len(data.input_columns) == 1 and not is_number(schema.field(data.input_columns[0])):
            column = schema.field(data.input_columns[0])
            if is_image(column.type):
                if len(shape) != 3 or shape[2] not in IMAGE_MODES:
                    raise BatchError(
                        f"{file}: column {column.name!r} holds image files, but the detector takes "
                        f"rows of shape {shape}"
                    )
                return
            result = tensor_shape(column.type, data.shape, shape)
            if result is None:
                raise BatchError(
                    f"{file}: column {column.name!r} has type {column.type}; expected PNG or JPEG "
                    "files (binary, or a struct with 'bytes'), a fixed-shape tensor, or lists of "
                    "numbers"
                )
            if result != shape:
                remedy = "set data.shape" if data.shape is None else "fix data.shape"
                raise BatchError(
                    f"{file}: column {column.name!r} has rows of shape {result}, but the detector "
                    f"takes {shape}; {remedy} or name the right column"
                )
            return
        for name in data.input_columns:
            if not is_number(schema.field(name)):
                raise BatchError(
                    f"{file}: column {name!r} has type {schema.field(name).type}; expected a number"
                )
        if shape != (len(data.input_columns),):
            raise BatchError(
                f"{file}: data.input lists {len(data.input_columns)} numeric columns, but the "
                f"detector takes rows of shape {shape}"
            )

    def _decode(self, file: str, first_row: int, table: pa.Table) -> Chunk:
        reasons = self._too_large(table)
        n = len(table)
        if reasons:
            decoded = np.setdiff1d(np.arange(n), list(reasons))
            table = table.filter(pa.array(np.isin(np.arange(n), decoded)))
        else:
            decoded = np.arange(n)
        x, undecodable = decode_rows(table.select(self.data.input_columns), self.spec)
        column = table.column(self.data.input_columns[0])
        keep = np.ones(len(x), bool)
        keep[list(undecodable)] = False
        carried = table.select(self._carried(table.schema))
        reasons |= {int(decoded[row]): reason for row, reason in undecodable.items()}
        return Chunk(
            file=file,
            rows=first_row + decoded[keep],
            x=x if keep.all() else x[keep],
            columns=carried if keep.all() else carried.filter(pa.array(keep)),
            rejected=[Rejected(file, first_row + row, reasons[row]) for row in sorted(reasons)],
            missing=_missing(x, rejected=~keep) if x.ndim == 2 else None,
            files=file_properties(column)[keep] if has_image_files(column.type) else None,
        )

    def _too_large(self, table: pa.Table) -> dict[int, str]:
        """Return why rows are not decoded, by their number: they would not fit anywhere."""
        reasons: dict[int, str] = {}
        for name in dict.fromkeys([self.data.row_id, *self.data.segments]):
            if name in table.column_names and largest_value(table[name]) > LONGEST_TEXT:
                sizes = value_bytes(table[name])
                reasons |= {
                    int(
                        row
                    ): f"{name} takes {sizes[row]:,} bytes, expected at most {LONGEST_TEXT:,}"
                    for row in np.flatnonzero(sizes > LONGEST_TEXT)
                }
        if len(table) == 1 and (size := int(row_bytes(table)[0])) > self._chunk_bytes:
            reasons[0] = (
                f"row takes {size:,} bytes, more than the {self._chunk_bytes:,} that memory_limit "
                "leaves for one"
            )
        return reasons


def _missing(x: NDArray[np.float32], rejected: NDArray[np.bool_]) -> Missing:
    return Missing(len(x), np.count_nonzero(~np.isfinite(x[rejected]), axis=0).astype(np.int64))


def _is_time(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_time(kind.value_type)
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind))
