"""Find Parquet files on disk or behind a URL, and say why one cannot be read."""

import glob
from pathlib import Path

import fsspec

from drift_monitor.errors import BatchError, MissingBatchError


def find_files(path: str) -> list[str]:
    """Return the Parquet files of a path, directory, glob or fsspec URL, sorted by name.

    Raises
    ------
    MissingBatchError
        If there are none.
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
        matches = sorted(set(glob.glob(path, recursive=True)))  # noqa: PTH207 - path may be absolute
        result = [path] if Path(path).exists() else matches
        inside = [sorted(Path(f).glob("*.parquet")) if Path(f).is_dir() else [f] for f in result]
        files = [str(f) for part in inside for f in part]
    if not files:
        raise MissingBatchError(
            f"{path} not found, or without Parquet files: check the path (data.path or "
            "evaluation.path in a monitor's YAML file, --data of fit, --labels of labels), and "
            "that the job that writes the files has run"
        )
    return files


def damaged(path: str, error: Exception) -> BatchError:
    """Return the error that says why a file cannot be read, and the remedy."""
    if isinstance(error, PermissionError):
        return BatchError(f"{path} cannot be read: permission denied; let this user read it")
    reason = str(error).strip().splitlines()[0]
    return BatchError(
        f"{path} cannot be read as Parquet ({reason}): it is damaged or cut short; write it again"
    )
