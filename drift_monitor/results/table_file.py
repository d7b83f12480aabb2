"""Write tables to a file that the user names, as Parquet or CSV."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adversarial.files import replace_file
from adversarial.storage.opening import is_collapsed_url
from drift_monitor.errors import ConfigError

SUFFIXES = (".parquet", ".csv")

FORMULA = r"^'*[=+\-@\t\r]"
"""Beginning of a text that a spreadsheet would run, or that has been kept from it before."""
NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?$"
KEPT = r"^'('*[=+\-@\t\r])"


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no known format.

    Raises
    ------
    ConfigError
        If it is neither `.parquet` nor `.csv`, or a URL.
    """
    if is_collapsed_url(path):
        raise ConfigError(f"{path} is a URL, but tables are written to disk: name a local file")
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path} ends in neither {' nor '.join(SUFFIXES)}: use one of these")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet or CSV (`to_csv`); an earlier file is replaced in one step.

    Raises
    ------
    ConfigError
        If the suffix is neither `.parquet` nor `.csv`.
    OSError
        If it cannot be written; an earlier file is then unchanged.
    """
    check_suffix(path)
    with replace_file(path) as scratch:
        if path.suffix.lower() == ".csv":
            pa_csv.write_csv(_defused(table), scratch)
        else:
            pq.write_table(table, scratch, compression="zstd")


def to_csv(table: pa.Table) -> str:
    """Return a table as CSV. A text that a spreadsheet would run as a formula begins with `'`.

    Examples
    --------
    >>> print(to_csv(pa.table({"id": ["a", "-5", "=1+1"], "n": [-1, 2, 3]})))
    "id","n"
    "a",-1
    "-5",2
    "'=1+1",3
    <BLANKLINE>
    """
    buffer = io.BytesIO()
    pa_csv.write_csv(_defused(table), buffer)
    return buffer.getvalue().decode()


def as_written(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts of a CSV file as they were before `to_csv`."""
    return pc.replace_substring_regex(texts, KEPT, r"\1")


def _defused(table: pa.Table) -> pa.Table:
    columns = [_kept(column) if _is_text(column.type) else column for column in table.columns]
    names = _kept(pa.chunked_array([table.column_names], pa.string())).to_pylist()
    return pa.Table.from_arrays(columns, names)


def _kept(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    runs = pc.match_substring_regex(texts, FORMULA)
    runs = pc.and_not(runs, pc.match_substring_regex(texts, NUMBER))
    return pc.if_else(runs, pc.binary_join_element_wise("'", texts, ""), texts)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
