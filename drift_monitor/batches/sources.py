"""Where the rows of a batch come from: a Parquet file, or a table in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.masking import mask_secrets
from drift_monitor.batches.hashed_files import stored_file
from drift_monitor.batches.parquet_files import RETRY_SECONDS, damaged, partition_values
from drift_monitor.batches.row_groups import (
    ContradictionError,
    RowGroups,
    check_rows,
    open_parquet,
)
from drift_monitor.errors import (
    BatchError,
    ChangedBatchError,
    MissingBatchError,
    NotReadyError,
    StorageError,
)
from drift_monitor.memory import pieces
from drift_monitor.results.data_file import DataFile

WHOLE_READ_ROWS = 1 << 20
"""Rows decoded at a time when a file is read whole."""
WHOLE_READ_BYTES = 1 << 30
"""Bytes decoded at a time when a file is read whole."""
READING = (pa.ArrowException, OSError, UnicodeDecodeError, ContradictionError)
"""What a damaged file raises: a name or a text in it may be no UTF-8."""


class ParquetSource:
    """A Parquet file, local or behind a URL; it is not kept open.

    Its rows and its SHA-256 come from one pass (`drift_monitor.batches.hashed_files`).

    Parameters
    ----------
    path : str
        Local path or fsspec URL.
    retry_seconds : float
        How long a storage that fails is asked again.

    Attributes
    ----------
    name : str
        Its path or URL, without secrets.
    schema : pyarrow.Schema
        Its columns, with those that its path names (`partition_values`) and it lacks, as text.
    n_rows : int
        Its rows.

    Raises
    ------
    NotReadyError
        If it is gone, may not be read or has no footer yet.
    BatchError
        If it cannot be read as Parquet, or its footer contradicts itself.
    """

    def __init__(self, path: str, retry_seconds: float = RETRY_SECONDS) -> None:
        self.name = mask_secrets(path)
        self._file = stored_file(path, retry_seconds)
        try:
            with self._file.footer() as (file, self._version):
                footer = open_parquet(file)
                written: pa.Schema = footer.schema_arrow
                self._metadata: pq.FileMetaData = footer.metadata
                check_rows(self._metadata)
                in_file = set(written.names)  # raises where one is no text
        except pa.ArrowInvalid as error:
            if not _lacks_footer(error):
                raise damaged(self.name, error) from error
            raise NotReadyError(
                f"{self.name} cannot be read as Parquet: it does not end as such a file does. If "
                "the job that writes it has ended, it is cut short, or no Parquet: write it again"
            ) from None
        except READING as error:
            raise damaged(self.name, error) from error
        self._partition = {
            name: value for name, value in partition_values(path).items() if name not in in_file
        }
        named = [pa.field(name, pa.string()) for name in self._partition]
        self.schema: pa.Schema = pa.schema([*written, *named], written.metadata)
        self.n_rows: int = self._metadata.num_rows
        self._sha256: str | None = None

    def tables(
        self,
        size: int,
        columns: Sequence[str],
        decoded: int = WHOLE_READ_BYTES,
        first: int | None = None,
    ) -> Iterator[pa.Table]:
        """Yield these columns of the rows in order, at most `size` rows at a time.

        Parameters
        ----------
        size : int
            Most rows of a table.
        columns : sequence of str
            Which columns.
        decoded : int
            Most bytes of a table, unless its only row takes more.
        first : int, optional
            Most rows of the first table, from 1 to `size`, which is meant when not given.

        Raises
        ------
        ChangedBatchError
            If the file is replaced or written to before its last row has been read.
        BatchError
            If it turns out to be damaged.
        """
        named = [name for name in self._partition if name in columns]
        in_file = [name for name in columns if name not in named]
        with self._watched(), self._file.one_pass() as reading:
            groups = RowGroups(reading.source, self._metadata, in_file, self._file.size)
            read = groups.read(size, decoded, reading.reached)
            for table in _in_tables_of(size, first or size, read):
                yield from map(partial(self._with_partition, named), pieces(table, decoded))
            sha256 = reading.sha256()
        self._sha256 = sha256

    def _with_partition(self, named: Sequence[str], table: pa.Table) -> pa.Table:
        for name in named:
            value = pa.scalar(self._partition[name], pa.string())
            table = table.append_column(name, pa.repeat(value, len(table)))
        return table

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return these columns of all rows. Errors as in `tables`."""
        wanted = pa.schema([self.schema.field(name) for name in columns])
        tables = [
            table.select(columns).cast(wanted) for table in self.tables(WHOLE_READ_ROWS, columns)
        ]
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

    def check_unchanged(self) -> None:
        """Check that the file is the one whose footer was read.

        Raises
        ------
        ChangedBatchError
            If it has been replaced or written to since.
        """
        try:
            version = self._file.version()
        except (FileNotFoundError, MissingBatchError):
            version = None
        if version != self._version:
            raise ChangedBatchError(
                f"{self.name} changed while it was read: run again once the job that writes it "
                "has ended"
            )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Check after reading, whether it succeeded or not, that the file has not changed."""
        try:
            yield
        except StorageError:  # it cannot be asked for the version either
            raise
        except (*READING, BatchError) as error:
            self.check_unchanged()  # a change would explain any error
            raise error if isinstance(error, BatchError) else damaged(self.name, error) from error
        self.check_unchanged()


class TableSource:
    """A table in memory, with the attributes of `ParquetSource`."""

    name = "the table"

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema: pa.Schema = table.schema
        self.n_rows: int = table.num_rows

    def tables(
        self,
        size: int,
        columns: Sequence[str],
        decoded: int = WHOLE_READ_BYTES,
        first: int | None = None,
    ) -> Iterator[pa.Table]:
        """Yield these columns of the rows in order, as `ParquetSource.tables` does."""
        wanted = iter([self._table.select(list(columns))])
        for table in _in_tables_of(size, first or size, wanted):
            yield from pieces(table, decoded)


def _in_tables_of(size: int, first: int, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Cut tables anew: `first` rows, then `size` each but for the last; also where types change."""
    held: list[pa.Table] = []
    n, room = 0, first
    for table in tables:
        if held and held[0].schema != table.schema:
            yield pa.concat_tables(held)
            held, n, room = [], 0, room - n
        start = 0
        while n + len(table) - start >= room:
            yield pa.concat_tables([*held, table.slice(start, room - n)])
            start, held, n, room = start + room - n, [], 0, size
        if start < len(table):
            held.append(table.slice(start))
            n += len(table) - start
    if held:
        yield pa.concat_tables(held)


def _lacks_footer(error: pa.ArrowInvalid) -> bool:
    text = str(error)
    return "magic bytes" in text or "file size is" in text
