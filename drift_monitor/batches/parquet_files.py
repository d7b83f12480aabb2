"""Find Parquet files on disk or behind a URL, and say why one cannot be read."""

import glob
from pathlib import Path

import fsspec

from drift_monitor.errors import BatchError, MissingBatchError


def find_files(path: str, suffixes: tuple[str, ...] = (".parquet",)) -> list[str]:
    """Return the files of a path, directory, glob or fsspec URL, sorted by name.

    Parameters
    ----------
    path : str
        A file or a glob is taken as it is.
    suffixes : tuple of str
        Which files of a directory are meant.

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
            is_dir = filesystem.isdir(inner)
            patterns = [f"{inner}/*{suffix}" for suffix in suffixes] if is_dir else [inner]
            found = sorted(f for pattern in patterns for f in filesystem.glob(pattern))
            files = [filesystem.unstrip_protocol(f) for f in found]
        except Exception as error:  # each kind of storage has errors of its own
            raise BatchError(f"{path} cannot be reached: {error}") from error
    else:
        matches = sorted(set(glob.glob(path, recursive=True)))  # noqa: PTH207 - path may be absolute
        result = [path] if Path(path).exists() else matches
        files = [name for f in result for name in _inside(f, suffixes)]
    if not files:
        raise MissingBatchError(
            f"{path} not found, or without {' or '.join(suffixes)} files: check the path "
            "(data.path or evaluation.path in a monitor's YAML file, --data of fit, --labels of "
            "labels), and that the job that writes the files has run"
        )
    return files


def _inside(path: str, suffixes: tuple[str, ...]) -> list[str]:
    if not Path(path).is_dir():
        return [path]
    return sorted(str(f) for suffix in suffixes for f in Path(path).glob(f"*{suffix}"))


def damaged(path: str, error: Exception) -> BatchError:
    """Return the error that says why a file cannot be read, and the remedy."""
    if isinstance(error, PermissionError):
        return BatchError(f"{path} cannot be read: permission denied; let this user read it")
    reason = str(error).strip().splitlines()[0]
    return BatchError(
        f"{path} cannot be read as Parquet ({reason}): it is damaged or cut short; write it again"
    )
