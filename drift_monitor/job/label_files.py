"""Read files of labels, Parquet or CSV, and find the columns that say whose and which they are."""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from adversarial.bundle.read import Bundle
from adversarial.masking import mask_secrets
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.class_labels import class_indices
from drift_monitor.batches.parquet_files import RETRY_SECONDS, damaged, find_files, retried
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.errors import BatchError, LabelError
from drift_monitor.job.late_labels import LabelRows
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.score_columns import FILE_AND_ROW, ScoreColumn, inexact_id, row_keys
from drift_monitor.results.table_file import as_written

TEXT_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (".parquet", *TEXT_SUFFIXES)
MISSING = ["", "nan", "NaN", "<NA>"]
"""How pandas and spreadsheets write a cell without a value."""
WHOLE_NUMBER = r"[+-]?\d{1,9}(\.0*)?"

INEXACT = (
    "is a floating-point number of 2^53 or more, which is not exact enough to tell all ids apart: "
    "write ids as integers or text"
)


@dataclass(frozen=True)
class LabelFiles:
    """Label files that have been read.

    Attributes
    ----------
    files : list of DataFile
        In the order of their names.
    rows : LabelRows
        The labels in them.
    bundle : Bundle
        The monitor's detector, which knows what their class numbers stand for.
    """

    files: list[DataFile]
    rows: LabelRows
    bundle: Bundle


@dataclass(frozen=True)
class LabelColumns:
    """Names that the columns of a label file may have.

    Attributes
    ----------
    row_id : tuple of str
        Names of the column of row ids; the first that a file has is taken. Empty where `file` and
        `row` name a row.
    label : tuple of str
        Names of the column of labels.
    """

    row_id: tuple[str, ...]
    label: tuple[str, ...]

    def find(self, file: str, names: Sequence[str]) -> dict[str, str]:
        """Return which column of a file is the `label`, and which are those that name the row.

        Raises
        ------
        LabelError
            If there is none, or several have the name.
        """
        wanted = {ScoreColumn.ROW_ID.value: self.row_id} if self.row_id else {}
        wanted |= {} if self.row_id else {name.value: (name.value,) for name in FILE_AND_ROW}
        wanted |= {ScoreColumn.LABEL.value: self.label}
        found = {}
        for role, candidates in wanted.items():
            column = next((name for name in candidates if name in names), None)
            if column is None or names.count(column) > 1:
                what = " or ".join(repr(name) for name in dict.fromkeys(candidates))
                result = f"no column {what}" if column is None else f"several columns {column!r}"
                raise LabelError(
                    f"{file} has {result}; it has {', '.join(names)}. Name the columns with --id "
                    "and --label, or fix the job that writes the file"
                )
            found[role] = column
        return found


def read_labels(path: str, bundle: Bundle, columns: LabelColumns) -> LabelFiles:
    """Read label files.

    Parameters
    ----------
    path : str
        Parquet or CSV file, directory, glob or URL.
    bundle : Bundle
        The detector's. A label is one of its classes, a class number from 0, or null.
    columns : LabelColumns
        Names that the columns may have.

    Raises
    ------
    BatchError
        If a file cannot be read, or a label is not a class of the detector; names file and row.
    LabelError
        If a column is missing, an id is not exact, or two labels contradict each other.
    """
    path = path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - keeps a glob's stars
    class_names = bundle.manifest.class_names
    files, key_parts, label_parts = [], [], []
    for name in find_files(path, SUFFIXES):
        table, file = read_label_file(name, columns, class_names)
        files.append(file)
        label = columns.find(name, table.column_names)[ScoreColumn.LABEL]
        chunk = Chunk(name, np.arange(len(table)), np.empty((len(table), 0), np.float32), table)
        label_parts.append(class_indices(table[label], class_names, label, chunk))
        key_parts.append(_keys(name, table, columns))
    rows = LabelRows.of(key_parts, label_parts, [file.path for file in files])
    return LabelFiles(files, rows, bundle)


def read_label_file(
    path: str, columns: LabelColumns, class_names: Sequence[str]
) -> tuple[pa.Table, DataFile]:
    """Read the columns of one file that are needed, and describe it. Errors as in `read_labels`.

    What a CSV file says is text; a whole number that is no class's name is the number of one.
    """
    if not path.lower().endswith(TEXT_SUFFIXES):
        source = ParquetSource(path)
        wanted = columns.find(path, source.schema.names)
        return source.read(list(dict.fromkeys(wanted.values()))), source.describe()
    content = _read(path)
    try:
        table = _parse(path, content, columns)
    except pa.ArrowException as error:
        raise BatchError(
            f"{path} cannot be read as CSV ({error}): expected UTF-8, a line with the columns' "
            "names, and as many fields in every line"
        ) from None
    label = columns.find(path, table.column_names)[ScoreColumn.LABEL]
    place = table.column_names.index(label)
    table = table.set_column(place, label, _by_name(table[label], class_names))
    sha256 = hashlib.sha256(content).hexdigest()
    return table, DataFile(path=mask_secrets(path), rows=len(table), sha256=sha256)


def _read(path: str) -> bytes:
    def read() -> bytes:
        with fsspec.open(path, "rb") as file:
            content: bytes = file.read()
            return content

    if "://" in path:
        return retried(path, read, RETRY_SECONDS)
    try:
        return read()
    except OSError as error:
        raise damaged(path, error) from error


def _parse(path: str, content: bytes, columns: LabelColumns) -> pa.Table:
    """Return the needed columns of a CSV file as text, without the spaces around it."""
    header = content.split(b"\n", 1)[0]
    delimiter = max(",;\t", key=lambda mark: header.count(mark.encode()))
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    names = pa_csv.open_csv(io.BytesIO(content), parse_options=parse).schema.names
    wanted = list(dict.fromkeys(columns.find(path, names).values()))
    convert = pa_csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, pa.string()),
        strings_can_be_null=True,
        null_values=MISSING,
    )
    table = pa_csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=convert)
    stripped = [as_written(pc.utf8_trim_whitespace(column)) for column in table.columns]
    return pa.table([pc.if_else(pc.equal(c, ""), None, c) for c in stripped], wanted)


def _by_name(labels: pa.ChunkedArray, class_names: Sequence[str]) -> pa.ChunkedArray:
    """Return labels read as text with the names of the classes whose numbers they are."""
    named: dict[str | None, str | None] = {}
    for value in pc.unique(labels).to_pylist():
        named[value] = value
        if value not in class_names and re.fullmatch(WHOLE_NUMBER, value or ""):
            number = int(float(value))
            known = 0 <= number < len(class_names)
            named[value] = class_names[number] if known else None if number == -1 else value
    return pa.chunked_array([[named[value] for value in labels.to_pylist()]], pa.string())


def _keys(file: str, table: pa.Table, columns: LabelColumns) -> pa.Array:
    names = columns.find(file, table.column_names)
    del names[ScoreColumn.LABEL]
    try:
        keys = row_keys(pa.table({name: table[column] for name, column in names.items()}))
    except pa.ArrowException as error:
        types = ", ".join(f"{column!r} has type {table[column].type}" for column in names.values())
        raise LabelError(
            f"{file}: {types} ({error}); expected ids that are text or numbers, or a file's name "
            "and a row number"
        ) from None
    if (large := inexact_id(keys)) is not None:
        raise LabelError(f"{file}: the id {large} {INEXACT}")
    return keys
