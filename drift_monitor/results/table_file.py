"""Files that are written whole or not at all: derived pages, and what a command is told to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from drift_monitor.errors import ConfigError

SUFFIXES = (".parquet", ".csv")


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no form.

    Raises
    ------
    ConfigError
        If it is neither `.parquet` nor `.csv`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path} ends in neither {' nor '.join(SUFFIXES)}: name the file so")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet or CSV; an earlier file is replaced in one step.

    Raises
    ------
    ConfigError
        If the suffix is neither `.parquet` nor `.csv`.
    OSError
        If it cannot be written; an earlier file is then as it was.
    """
    check_suffix(path)
    with _in_one_step(path) as scratch:
        if path.suffix.lower() == ".csv":
            pa_csv.write_csv(table, scratch)
        else:
            pq.write_table(table, scratch, compression="zstd")


def write_text(text: str, path: Path) -> None:
    """Write a text; an earlier file is replaced in one step. Errors as in `write_table`."""
    with _in_one_step(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


@contextmanager
def _in_one_step(path: Path) -> Iterator[Path]:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
