"""Row groups of a Parquet file: checked against its footer, and read in pieces of bounded size."""

import math
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from drift_monitor.memory import largest_value

MAGIC_BYTES = 4
"""`PAR1`, at the beginning and the end of each file."""
TEXT = "BYTE_ARRAY"
"""Physical type of texts and bytes."""
VALUE_BYTES = {"INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BOOLEAN": 1}
"""Bytes of a value by its physical type, where they are fixed."""

Source = IO[bytes] | RawIOBase


class ContradictionError(Exception):
    """Two parts of a file contradict each other; the message says which."""


def open_parquet(
    source: Source, metadata: pq.FileMetaData | None = None, dictionaries: Sequence[str] = ()
) -> pq.ParquetFile:
    """Open a file such that columns are read as they are decoded, and pages are verified."""
    return pq.ParquetFile(
        source,
        metadata=metadata,
        read_dictionary=list(dictionaries),
        # Pre-buffering would read a whole row group ahead.
        pre_buffer=False,
        buffer_size=1 << 20,
        page_checksum_verification=True,
    )


def check_rows(metadata: pq.FileMetaData) -> None:
    """Check that the rows of all groups are those of the file.

    Raises
    ------
    ContradictionError
        If not.
    """
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if sum(groups) != metadata.num_rows or min(groups, default=0) < 0:
        raise ContradictionError(
            f"its footer counts {metadata.num_rows:,} rows, but {sum(groups):,} in row groups"
        )


@dataclass(frozen=True)
class Span:
    """What a footer says of one column in one row group.

    Attributes
    ----------
    path : str
        The column, or the part of it: `image.bytes` of a struct.
    start, stop : int
        Bytes of the file that it takes, its dictionary included.
    is_text : bool
        Whether its values are texts or bytes, of any length.
    has_dictionary : bool
        Whether it begins with a dictionary.
    decoded : int
        Bytes that it takes in memory, if each value of the dictionary is used once.
    """

    path: str
    start: int
    stop: int
    is_text: bool
    has_dictionary: bool
    decoded: int


class RowGroups:
    """The wanted columns of a file's row groups.

    Parameters
    ----------
    source : file object
        The file.
    metadata : pyarrow.parquet.FileMetaData
        Its footer.
    columns : sequence of str
        Which columns.
    size : int
        Its bytes.
    """

    def __init__(
        self, source: Source, metadata: pq.FileMetaData, columns: Sequence[str], size: int
    ) -> None:
        self._source = source
        self._metadata = metadata
        self._columns = list(columns)
        paths = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
        self._wanted = [
            index
            for index, path in enumerate(paths)
            if path in columns or path.split(".")[0] in columns
        ]
        self._texts = tuple(
            paths[index]
            for index in self._wanted
            if metadata.schema.column(index).physical_type == TEXT
        )
        last = size - metadata.serialized_size - 2 * MAGIC_BYTES
        self._taken = [(0, MAGIC_BYTES), (last, size)]
        self._opened: dict[tuple[str, ...], pq.ParquetFile] = {}

    def read(
        self, rows: int, decoded: int, reached: Callable[[int, int], None]
    ) -> Iterator[pa.Table]:
        """Yield the rows of one row group after the other, at most `rows` at a time.

        Parameters
        ----------
        rows : int
            Most rows of a table.
        decoded : int
            Bytes of a table from which on it has fewer rows. Texts of which this cannot be told
            beforehand, because rows share large values of a dictionary, stay dictionaries.
        reached : callable
            Called with the first byte that is still needed, and the one up to which the file is
            read next.

        Raises
        ------
        ContradictionError
            If the footer contradicts itself on these columns, or a row group does not hold the
            rows or columns that the footer says.
        """
        end = MAGIC_BYTES
        for number in range(self._metadata.num_row_groups):
            n_rows, n = self._metadata.row_group(number).num_rows, 0
            if not n_rows:
                continue
            reached(end, end)
            # Arrow ends the process if Python asks for what a damaged footer says of a column, but
            # raises an error if it comes upon the damage while it reads.
            first = next(self._batches(number, 1, self._texts), None)
            spans = [_span(self._metadata, number, index) for index in self._wanted]
            for span in spans:
                self._take(span)
            end = max(span.stop for span in spans)
            reached(min(span.start for span in spans), end)
            mean = sum(span.decoded for span in spans) / n_rows
            at_once = max(1, min(rows, int(decoded / max(mean, 1))))
            shared = tuple(
                span.path
                for span in spans
                if span.is_text
                and span.has_dictionary
                and first is not None
                and at_once * _largest_shared(first, span.path) > decoded
            )
            for part in self._batches(number, at_once, shared):
                n += part.num_rows
                yield pa.table(part)
            if n != n_rows:
                raise ContradictionError(
                    f"its footer counts {n_rows:,} rows in row group {number}, which holds {n:,}"
                )

    def _batches(self, number: int, rows: int, shared: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        if shared not in self._opened:
            self._opened[shared] = open_parquet(self._source, self._metadata, shared)
        for part in self._opened[shared].iter_batches(
            rows, row_groups=[number], columns=self._columns, use_threads=False
        ):
            if sorted(part.schema.names) != sorted(self._columns):
                raise ContradictionError("its footer names its columns in two ways")
            yield part

    def _take(self, span: Span) -> None:
        """Check that a column lies within the file, in a place of its own."""
        place = (span.start, span.stop)
        at = bisect(self._taken, place)
        before, behind = self._taken[at - 1], self._taken[min(at, len(self._taken) - 1)]
        if not before[1] <= span.start <= span.stop <= behind[0]:
            raise ContradictionError(
                f"its footer puts column {span.path!r} where another is, or outside the file"
            )
        self._taken.insert(at, place)


def _span(metadata: pq.FileMetaData, number: int, index: int) -> Span:
    group, declared = metadata.row_group(number), metadata.schema.column(index)
    column = group.column(index)
    kind = declared.physical_type
    if (column.path_in_schema, column.physical_type) != (declared.path, kind):
        raise ContradictionError(f"its footer describes column {declared.path!r} in two ways")
    if not declared.max_repetition_level and column.num_values != group.num_rows:
        raise ContradictionError(
            f"its footer counts {group.num_rows:,} rows in row group {number}, but "
            f"{column.num_values:,} values of {declared.path!r}"
        )
    has_dictionary = bool(column.has_dictionary_page and column.dictionary_page_offset)
    start = column.data_page_offset
    if has_dictionary:
        start = min(start, column.dictionary_page_offset)
    width = declared.length if kind == "FIXED_LEN_BYTE_ARRAY" else VALUE_BYTES.get(kind, 0)
    return Span(
        path=declared.path,
        start=start,
        stop=start + column.total_compressed_size,
        is_text=kind == TEXT,
        has_dictionary=has_dictionary,
        decoded=max(column.total_uncompressed_size, column.num_values * width),
    )


def _largest_shared(row: pa.RecordBatch, path: str) -> float:
    """Return the bytes of the largest value in a dictionary, from any row that has the dictionary.

    Infinitely many where it cannot be told which column is meant, or texts are in lists.

    Parameters
    ----------
    row : pyarrow.RecordBatch
        The row.
    path : str
        The column, or the part of it, as in `Span.path`.
    """
    table = pa.table(row)
    while any(map(pa.types.is_struct, table.schema.types)):
        table = table.flatten()
    if table.column_names.count(path) != 1:
        return math.inf
    return largest_value(table[path])
