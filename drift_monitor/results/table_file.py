"""Write tables to a file that the user names, as Parquet or CSV."""

import io
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adversarial.storage.copies import replace_at
from adversarial.storage.opening import Location, is_collapsed_url, is_url
from drift_monitor.errors import ConfigError

SUFFIXES = (".parquet", ".csv")

FORMULA = r"^'*[=+\-@\t\r]"
"""Beginning of a text that a spreadsheet would run, or that has been kept from it before."""
NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?$"
KEPT = r"^'('*[=+\-@\t\r])"


def check_suffix(location: Location) -> None:
    """Refuse a file whose suffix names no known format.

    Raises
    ------
    ConfigError
        If it is neither `.parquet` nor `.csv`.
    """
    if PurePath(location).suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{location} ends in neither {' nor '.join(SUFFIXES)}: use one of these")


def check_local(option: str, location: Location, why: str) -> None:
    """Refuse a URL where only a file on disk will do.

    Parameters
    ----------
    option : str
        The option that names it.
    location : str or path
        The file; a URL is known also where it has been taken for a path.
    why : str
        What is written there and why to disk.

    Raises
    ------
    ConfigError
        If it is a URL.
    """
    if is_url(location) or is_collapsed_url(Path(location)):
        raise ConfigError(f"{option} {location} is a URL, but {why}: name a local file")


def write_table(table: pa.Table, location: Location) -> None:
    """Write a table as Parquet or CSV (`to_csv`); an earlier file is replaced in one step.

    Raises
    ------
    ConfigError
        If the suffix is neither `.parquet` nor `.csv`.
    OSError, TransientError
        If it cannot be written; an earlier file is then unchanged.
    """
    check_suffix(location)
    with replace_at(location) as scratch:
        if scratch.suffix.lower() == ".csv":
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
