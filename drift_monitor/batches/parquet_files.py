"""Parquet files on disk or behind a URL: found, opened, and told from damaged ones."""

import glob
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.files import sha256
from drift_monitor.errors import BatchError, MissingBatchError


def find_files(path: str) -> list[str]:
    """Return the Parquet files of a path, directory, glob or fsspec URL, in the order of names.

    Raises
    ------
    MissingBatchError
        If there is none.
    BatchError
        If the storage cannot be reached.
    """
    if "://" in path:
        try:
            filesystem, inner = fsspec.core.url_to_fs(path)
            pattern = f"{inner}/*.parquet" if filesystem.isdir(inner) else inner
            files = [filesystem.unstrip_protocol(f) for f in sorted(filesystem.glob(pattern))]
        except Exception as error:  # each kind of storage has errors of its own
            raise BatchError(f"{path} cannot be reached: {error}") from error
    else:
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - path may be absolute
        found = [path] if Path(path).exists() else matches
        inside = [sorted(Path(f).glob("*.parquet")) if Path(f).is_dir() else [f] for f in found]
        files = [str(f) for part in inside for f in part]
    if not files:
        raise MissingBatchError(
            f"{path} not found, or without Parquet files: check the path (data.path or "
            "evaluation.path in a monitor's YAML file, --data of fit, --labels of labels), and "
            "that the job which writes the files has run"
        )
    return files


def open_file(path: str) -> pq.ParquetFile:
    """Open a Parquet file, local or behind a URL.

    Raises
    ------
    BatchError
        If it cannot be read as Parquet.
    """
    try:
        # Without pre-buffering a column is read as it is decoded, not a whole row group ahead.
        source = fsspec.open(path).open() if "://" in path else path
        return pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error


def damaged(path: str, error: Exception) -> BatchError:
    """Return the error that says why a file cannot be read, and the remedy."""
    if isinstance(error, PermissionError):
        return BatchError(f"{path} cannot be read: permission denied; let this user read it")
    reason = str(error).strip().splitlines()[0]
    return BatchError(
        f"{path} cannot be read as Parquet ({reason}): it is damaged or cut short; write it again"
    )


def file_sha256(path: str) -> str:
    """Return the SHA-256 of the bytes of a local path or fsspec URL."""
    if "://" not in path:
        return sha256(Path(path))
    with fsspec.open(path, "rb") as file:
        return sha256(file)
