"""Find Parquet files on disk or behind a URL, and say why one cannot be read."""

import glob
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import fsspec

from adversarial.errors import DriftMonitorError
from drift_monitor.errors import (
    BatchError,
    MissingBatchError,
    NotReadyError,
    StorageError,
)

RETRY_SECONDS = 60.0
"""How long a storage that fails is asked again, by default."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds between two tries; each wait is twice the one before."""

FORBIDDEN = (401, 403)
GONE = (404, 410)
PASSING = (408, 423, 425, 429)
"""Statuses of HTTP below 500 that a later request may not get: time-outs, locks, too many."""
NOT_THE_STORAGE = (ImportError, NotImplementedError, TypeError, ValueError, io.UnsupportedOperation)
"""What an address that no storage can serve raises: no such protocol, no package, no seeking."""

Answer = TypeVar("Answer")


NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What writers of partitions call a directory of rows without a value."""


def partition_values(path: str) -> dict[str, str | None]:
    """Return the columns that the directories of a path name, as Hive and Spark write them.

    Examples
    --------
    >>> partition_values("s3://bucket/date=2026-11-20/country=C%C3%B4te d'Ivoire/0.parquet")
    {'date': '2026-11-20', 'country': "Côte d'Ivoire"}
    """
    directories = path.partition("?")[0].split("/")[:-1]
    pairs = (directory.partition("=") for directory in directories)
    return {
        name: None if value == NO_VALUE else unquote(value)
        for name, is_one, value in pairs
        if is_one
    }


def find_files(
    path: str, suffixes: tuple[str, ...] = (".parquet",), retry_seconds: float = RETRY_SECONDS
) -> list[str]:
    """Return the files of a path, directory, glob or fsspec URL, sorted by name.

    Parameters
    ----------
    path : str
        A file or a glob is taken as it is.
    suffixes : tuple of str
        Which files of a directory are meant.
    retry_seconds : float
        How long a storage that fails is asked again.

    Raises
    ------
    MissingBatchError
        If there are none.
    BatchError
        If the storage cannot be reached (`storage_error`).
    """
    if "://" in path:
        try:
            files = retried(path, lambda: _stored(path, suffixes), retry_seconds)
        except MissingBatchError:
            files = []
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


def _stored(url: str, suffixes: tuple[str, ...]) -> list[str]:
    filesystem, inner = fsspec.core.url_to_fs(url)
    filesystem.invalidate_cache()
    is_http = url.startswith(("http://", "https://"))  # there, `?` begins a query
    patterns = [inner]
    if not any(wildcard in inner for wildcard in ("*[" if is_http else "*?[")):
        # A web server does not say what is a directory, and to list a file would fetch it whole.
        is_listing = is_http and inner.endswith("/")
        if not is_listing and filesystem.info(inner)["type"] != "directory":
            return [url]
        patterns = [f"{inner.rstrip('/')}/*{suffix}" for suffix in suffixes]
    found = sorted(f for pattern in patterns for f in filesystem.glob(pattern))
    if url.endswith(inner):  # keeps what belongs to the address but not to the path: user, host
        return [url.removesuffix(inner) + f for f in found]
    return [filesystem.unstrip_protocol(f) for f in found]


def retried(url: str, ask: Callable[[], Answer], seconds: float) -> Answer:
    """Ask a storage, and again while it fails, with longer and longer waits in between.

    Parameters
    ----------
    url : str
        What is asked for, for the error.
    ask : callable
        Asks; may raise anything, as each kind of storage has errors of its own.
    seconds : float
        How long to go on.

    Raises
    ------
    BatchError
        As `storage_error`; errors of ours that `ask` raises are left as they are.
    """
    until, wait = time.monotonic() + seconds, FIRST_WAIT
    while True:
        try:
            return ask()
        except DriftMonitorError:
            raise
        except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
            failure = storage_error(url, error, seconds)
            if not isinstance(failure, StorageError) or time.monotonic() + wait > until:
                # Not `from error`: a traceback would show the URL's secrets in the text of that.
                raise failure from None
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


def storage_error(url: str, error: Exception, seconds: float = 0.0) -> BatchError:
    """Return the error that says what a storage's own error means, and the remedy.

    Parameters
    ----------
    url : str
        What was asked for.
    error : Exception
        What the storage raised.
    seconds : float
        How long it has been asked again and again.

    Returns
    -------
    BatchError
        `MissingBatchError` if there is no such file, `NotReadyError` if it may not be read, another
        one if the address is wrong; `StorageError` if the storage failed.
    """
    causes = list(_causes(error))
    status = next(filter(None, map(_status, causes)), None)
    reason = _first_line(causes[-1] if isinstance(error, FileNotFoundError) else error)
    # fsspec calls whatever goes wrong over HTTP "not found": the cause tells.
    failed = any(_is_failure(cause) for cause in causes[1:])
    if status in GONE or (isinstance(error, FileNotFoundError) and not status and not failed):
        return MissingBatchError(f"{url} not found: check that the job that writes it has run")
    if status in FORBIDDEN or isinstance(error, PermissionError):
        return NotReadyError(f"{url} cannot be read: permission denied; let this user read it")
    if status and 400 <= status < 500 and status not in PASSING:
        return BatchError(f"{url} cannot be read ({reason}): check the address")
    if not status and isinstance(error, NOT_THE_STORAGE):
        return BatchError(f"{url} cannot be reached: {reason}")
    tried = f"; asked again for {seconds:g} seconds" if seconds else ""
    return StorageError(
        f"{url} cannot be read: {reason}{tried}. Run again once the storage answers"
    )


def damaged(path: str, error: Exception) -> BatchError:
    """Return the error that says why a file cannot be read, and the remedy."""
    if isinstance(error, PermissionError):
        return NotReadyError(f"{path} cannot be read: permission denied; let this user read it")
    if isinstance(error, FileNotFoundError):
        return NotReadyError(f"{path} is gone: run again once the job that writes it has ended")
    reason = _first_line(error)
    if isinstance(error, OSError) and error.errno:  # of the system; Arrow's own have no number
        return StorageError(f"{path} cannot be read ({reason}): run again once the disk answers")
    if "encrypted" in reason or "decrypt" in reason:
        return BatchError(f"{path} is encrypted ({reason}): write it without encryption")
    return BatchError(f"{path} cannot be read as Parquet ({reason}): it is damaged; write it again")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, the last first."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status in an error of aiohttp, azure, google or botocore."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        # What aiohttp has a `code` for without a `status` is no answer, but one that broke off.
        is_aiohttp = type(error).__module__.startswith("aiohttp")
        names = ("status",) if is_aiohttp else ("status", "status_code", "code")
        holders = ((holder, name) for holder in (error, answer) for name in names)
        status = next((getattr(*place) for place in holders if hasattr(*place)), None)
    return status if isinstance(status, int) and 100 <= status < 600 else None


def _is_failure(cause: BaseException) -> bool:
    ours = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
    return ours or type(cause).__module__.startswith(("aiohttp", "botocore", "urllib3"))


def _first_line(error: BaseException) -> str:
    """Return what an error says, or its name where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
