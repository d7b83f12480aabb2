"""Where the rows of a batch come from: a Parquet file, or a table in memory."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from drift_monitor.batches.parquet_files import damaged, open_file


class ParquetSource:
    """A Parquet file, local or behind a URL; it is not kept open.

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
        file = open_file(path)
        self.name = path
        self.schema: pa.Schema = file.schema_arrow
        self.n_rows: int = file.metadata.num_rows

    def tables(self, size: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of the rows in order, at most `size` rows at a time."""
        try:
            for rows in open_file(self.name).iter_batches(
                size, columns=list(columns), use_threads=False
            ):
                yield pa.table(rows)
        except (pa.ArrowException, OSError) as error:
            raise damaged(self.name, error) from error


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
