"""Read a file once, local or behind a URL, for both its rows and its SHA-256.

Parquet is read by seeking: the footer first, then the wanted columns of each row group. A SHA-256
needs every byte, in order. One pass serves both:

- A local file is opened once. PyArrow reads it, and a thread hashes it, at most a row group apart.
  Whichever comes second gets the bytes from the system's page cache, so the disk is read once, and
  hashing overlaps with decoding and scoring.
- A remote file is fetched once, in order (`drift_monitor.batches.remote_files`).
"""

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from adversarial.files import sha256
from drift_monitor.batches.parquet_files import RETRY_SECONDS
from drift_monitor.batches.remote_files import RemoteFile, one_thread
from drift_monitor.errors import BatchError

HASHED_BYTES = 1 << 20
"""Bytes of a local file that are read and hashed at a time."""


class LocalFile:
    """A file on this machine.

    Attributes
    ----------
    size : int
        Its size in bytes, known once `footer` has been called.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0

    def version(self) -> tuple[object, ...]:
        """Return a value that changes when the file is replaced or written to."""
        # NFS may answer from its cache unless the file is opened.
        with self._opened() as file:
            return _version(file)

    @contextmanager
    def footer(self) -> Iterator[tuple[IO[bytes], tuple[object, ...]]]:
        """Open the file for PyArrow to read the footer, and yield its version, too."""
        with self._opened() as file:
            version = _version(file)
            self.size = os.fstat(file.fileno()).st_size
            yield file, version

    def sha256(self) -> str:
        """Read the file only for its SHA-256."""
        with self._opened() as file:
            return sha256(file)

    @contextmanager
    def one_pass(self) -> Iterator["LocalPass"]:
        """Begin a pass over the file."""
        with self._opened() as file, one_thread() as thread:
            yield LocalPass(file, thread)

    def _opened(self) -> IO[bytes]:
        # Opening a named pipe would wait for someone to write to it, for ever.
        if not stat.S_ISREG(Path(self.path).stat().st_mode):
            raise BatchError(f"{self.path} is no file: name Parquet files, or their directory")
        return Path(self.path).open("rb")


class LocalPass:
    """One pass over a local file.

    Attributes
    ----------
    source : file object
        What PyArrow reads.
    """

    def __init__(self, file: IO[bytes], thread: ThreadPoolExecutor) -> None:
        self.source = file
        self._thread = thread
        self._digest = hashlib.sha256()
        self._hashed: list[Future[None]] = []
        self._until = self._position = 0

    def reached(self, _start: int, stop: int) -> None:
        """Note that PyArrow has reached the row group at the bytes from `start` to `stop`."""
        if stop > self._until:
            self._until = stop
            self._hashed.append(self._thread.submit(self._hash_until, stop))

    def sha256(self) -> str:
        """Return the SHA-256 of all bytes."""
        self.reached(0, sys.maxsize)
        for part in self._hashed:
            part.result()
        return self._digest.hexdigest()

    def _hash_until(self, stop: int) -> None:
        file = self.source.fileno()  # read at a place of its own, beside PyArrow
        while block := os.pread(file, min(HASHED_BYTES, stop - self._position), self._position):
            self._digest.update(block)
            self._position += len(block)


def _version(file: IO[bytes]) -> tuple[object, ...]:
    status = os.fstat(file.fileno())
    # The time of the last change of status, unlike that of the last write, cannot be set back.
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times


def stored_file(path: str, retry_seconds: float = RETRY_SECONDS) -> LocalFile | RemoteFile:
    """Return the file at a local path or fsspec URL.

    Raises
    ------
    BatchError
        If no storage is known for the URL.
    """
    if "://" not in path:
        return LocalFile(path)
    remote = RemoteFile(path, retry_seconds)
    return LocalFile(remote.inner) if remote.is_local else remote
