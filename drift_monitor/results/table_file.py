"""Write tables to a file that the user names, as Parquet or CSV."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from adversarial.files import replace_file
from drift_monitor.errors import ConfigError

SUFFIXES = (".parquet", ".csv")


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no known format.

    Raises
    ------
    ConfigError
        If it is neither `.parquet` nor `.csv`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path} ends in neither {' nor '.join(SUFFIXES)}: use one of these")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet or CSV; an earlier file is replaced in one step.

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
            pa_csv.write_csv(table, scratch)
        else:
            pq.write_table(table, scratch, compression="zstd")
