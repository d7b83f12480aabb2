"""Where the rows of a batch come from: a Parquet file, or a table in memory."""

import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import RawIOBase
from itertools import accumulate
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from drift_monitor.batches.hashed_files import stored_file
from drift_monitor.batches.parquet_files import damaged
from drift_monitor.errors import BatchError, ChangedBatchError
from drift_monitor.results.data_file import DataFile

WHOLE_READ_ROWS = 1 << 20
"""Rows decoded at a time when a file is read whole."""


class ParquetSource:
    """A Parquet file, local or behind a URL; it is not kept open.

    Its rows and its SHA-256 come from one pass (`drift_monitor.batches.hashed_files`).

    Attributes
    ----------
    name : str
        Its path or URL.
    schema : pyarrow.Schema
        Its columns.
    n_rows : int
        Its rows.

    Raises
    ------
    BatchError
        If it cannot be read as Parquet.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._file = stored_file(path)
            self._version = self._file.version()
            with _open(self._file.footer()) as footer:
                self.schema: pa.Schema = footer.schema_arrow
                self._metadata: pq.FileMetaData = footer.metadata
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from error
        self.n_rows: int = self._metadata.num_rows
        self._sha256: str | None = None

    def tables(self, size: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of the rows in order, at most `size` rows at a time.

        Raises
        ------
        ChangedBatchError
            If the file is replaced or written to before its last row has been read.
        BatchError
            If it turns out to be damaged.
        """
        last_rows, starts = _row_groups(self._metadata)
        row = 0
        with self._watched(), self._file.one_pass() as reading:
            file = _open(reading.source, self._metadata)
            for rows in file.iter_batches(size, columns=list(columns), use_threads=False):
                row += rows.num_rows
                group = bisect_right(last_rows, row)
                reading.reached(starts[group], starts[group + 1])
                yield pa.table(rows)
            sha256 = reading.sha256()
        self._sha256 = sha256

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return these columns of all rows. Errors as in `tables`."""
        tables = list(self.tables(WHOLE_READ_ROWS, columns))
        wanted = pa.schema([self.schema.field(name) for name in columns])
        return pa.concat_tables(tables) if tables else wanted.empty_table()

    def describe(self) -> DataFile:
        """Return what a report says about the file.

        The SHA-256 is known once `tables` has yielded the last row. Before that, this reads the
        whole file for it.

        Raises
        ------
        ChangedBatchError
            If the file has been replaced or written to since its footer was read.
        """
        if self._sha256 is None:
            with self._watched():
                sha256 = self._file.sha256()
            self._sha256 = sha256
        return DataFile(path=self.name, rows=self.n_rows, sha256=self._sha256)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Check after reading, whether it succeeded or not, that the file has not changed."""
        try:
            yield
        except (pa.ArrowException, OSError, BatchError) as error:
            self._check_unchanged()  # a change would explain any error
            raise error if isinstance(error, BatchError) else damaged(self.name, error) from error
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        try:
            version = self._file.version()
        except FileNotFoundError:
            version = None
        if version != self._version:
            raise ChangedBatchError(
                f"{self.name} changed while it was read: run again once the job that writes it "
                "has ended"
            )


class TableSource:
    """A table in memory, with the attributes of `ParquetSource`."""

    name = "the table"

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema: pa.Schema = table.schema
        self.n_rows: int = table.num_rows

    def tables(self, size: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of the rows in order, at most `size` rows at a time."""
        for first in range(0, self.n_rows, size):
            yield self._table.select(list(columns)).slice(first, size)


def _open(
    source: str | IO[bytes] | RawIOBase, metadata: pq.FileMetaData | None = None
) -> pq.ParquetFile:
    # Without pre-buffering, a column is read as it is decoded, not a whole row group ahead.
    return pq.ParquetFile(source, metadata=metadata, pre_buffer=False, buffer_size=1 << 20)


def _row_groups(metadata: pq.FileMetaData) -> tuple[list[int], list[int]]:
    """Return for each row group the number of rows up to its end, and the byte where it starts.

    The second list ends with two more entries, beyond the end of the file.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(0) for group in groups]
    starts = [column.dictionary_page_offset or column.data_page_offset for column in columns]
    return list(accumulate(group.num_rows for group in groups)), [*starts, sys.maxsize, sys.maxsize]
