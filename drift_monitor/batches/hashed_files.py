"""Read a file once, local or behind a URL, for both its rows and its SHA-256.

Parquet is read by seeking: the footer first, then the wanted columns of each row group. A SHA-256
needs every byte, in order. One pass serves both:

- PyArrow reads a local file itself, and a thread hashes it, at most a row group apart. Whichever
  comes second gets the bytes from the system's page cache, so the disk is read once, and hashing
  overlaps with decoding and scoring.
- A remote file is fetched once, in order, by a thread that stays one block ahead of PyArrow. Each
  block is hashed, and kept until PyArrow has finished its row group: in memory up to
  `KEPT_IN_MEMORY`, beyond that in a temporary file. Bytes are fetched again only if a file's row
  groups are not in order.
"""

import hashlib
import io
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from adversarial.files import sha256
from drift_monitor.errors import BatchError

HASHED_BYTES = 1 << 20
"""Bytes of a local file that are read and hashed at a time."""
BLOCK_BYTES = 8 << 20
"""Bytes of a remote file that are fetched in one request."""
KEPT_IN_MEMORY = 64 << 20
"""Largest row group of a remote file that is kept in memory, in bytes; larger ones go to disk."""
FOOTER_BYTES = 64 << 10
"""Bytes fetched first, from the end of a remote file. Most footers are smaller."""
VERSION_FIELDS = (
    *("size", "ETag", "etag", "VersionId", "version_id", "generation", "sha"),
    *("mtime", "LastModified", "last_modified", "Last-Modified", "modificationTime"),
    *("updated", "created"),
)
"""Fields of `fsspec.AbstractFileSystem.info` that differ between versions of a file."""


class LocalFile:
    """A file on this machine."""

    def __init__(self, path: str) -> None:
        self.path = path

    def version(self) -> tuple[object, ...]:
        """Return a value that changes when the file is replaced or written to."""
        # NFS may answer from its cache unless the file is opened.
        with Path(self.path).open("rb") as file:
            status = os.fstat(file.fileno())
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def footer(self) -> str:
        """Return a source from which PyArrow reads the footer."""
        return self.path

    def sha256(self) -> str:
        """Read the file only for its SHA-256."""
        return sha256(Path(self.path))

    @contextmanager
    def one_pass(self) -> Iterator["LocalPass"]:
        """Begin a pass over the file."""
        with Path(self.path).open("rb", buffering=0) as file, _one_thread() as thread:
            yield LocalPass(self.path, file, thread)


class LocalPass:
    """One pass over a local file.

    Attributes
    ----------
    source : str
        What PyArrow reads.
    """

    def __init__(self, path: str, file: IO[bytes], thread: ThreadPoolExecutor) -> None:
        self.source = path
        self._file = file
        self._thread = thread
        self._digest = hashlib.sha256()
        self._hashed: list[Future[None]] = []
        self._until = 0

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
        while block := self._file.read(min(HASHED_BYTES, stop - self._file.tell())):
            self._digest.update(block)


class RemoteFile:
    """A file behind a URL that fsspec knows.

    All methods raise BatchError if the file cannot be reached or does not support seeking.

    Attributes
    ----------
    size : int
        Its size in bytes, known once `footer` has been called.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.size = 0
        self._tail = b""

    def version(self) -> tuple[object, ...]:
        """Return a value that changes when the file is replaced or written to."""
        try:
            filesystem, path = fsspec.core.url_to_fs(self.url)
            filesystem.invalidate_cache(path)  # it may hold an earlier listing
            info = filesystem.info(path)
        except FileNotFoundError:
            raise
        except Exception as error:  # each kind of storage has errors of its own
            raise BatchError(f"{self.url} cannot be reached: {error}") from error
        return tuple(info.get(name) for name in VERSION_FIELDS)

    def footer(self) -> IO[bytes]:
        """Fetch and keep the end of the file, from which PyArrow reads the footer."""
        with self._opened() as file:
            file.seek(0, os.SEEK_END)
            self.size = file.tell()
            self._tail = self.fetch(file, max(0, self.size - FOOTER_BYTES), self.size)
            footer = int.from_bytes(self._tail[-8:-4], "little") + 8
            if self._tail.endswith(b"PAR1") and len(self._tail) < footer <= self.size:
                self._tail = self.fetch(file, self.size - footer, self.size)
        return io.BytesIO(self._tail)

    def sha256(self) -> str:
        """Fetch the file only for its SHA-256."""
        with self.one_pass() as reading:
            return reading.sha256()

    @contextmanager
    def one_pass(self) -> Iterator["RemotePass"]:
        """Begin a pass over the file."""
        with self._opened() as file, _one_thread() as thread:
            reading = RemotePass(self, file, thread)
            try:
                yield reading
            finally:
                reading.close()

    def fetch(self, file: IO[bytes], start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop`, and fetch only those that are not kept."""
        tail_start = self.size - len(self._tail)
        wanted = max(0, min(stop, tail_start) - start)
        result = b""
        try:
            if wanted:
                file.seek(start)
                result = file.read(wanted)
        except Exception as error:  # each kind of storage has errors of its own
            raise BatchError(f"{self.url} cannot be read: {error}") from error
        if len(result) < wanted:
            raise BatchError(f"{self.url} ended before its {self.size:,} bytes: write it again")
        return result + self._tail[max(0, start - tail_start) : max(0, stop - tail_start)]

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:  # without fsspec's cache, which fetches more than it is asked for
            filesystem, path = fsspec.core.url_to_fs(self.url)
            file = filesystem.open(path, "rb", cache_type="none")
        except Exception as error:  # each kind of storage has errors of its own
            raise BatchError(f"{self.url} cannot be reached: {error}") from error
        with file:
            yield file


class RemotePass(io.RawIOBase):
    """One pass over a remote file, as a file in which PyArrow can seek.

    Attributes
    ----------
    source : RemotePass
        What PyArrow reads: itself.
    """

    def __init__(self, remote: RemoteFile, file: IO[bytes], thread: ThreadPoolExecutor) -> None:
        self.source = self
        self._remote = remote
        self._file = file
        self._thread = thread
        self._digest = hashlib.sha256()
        self._fetched = 0
        self._position = 0
        # The bytes of the file that are kept for PyArrow.
        self._window = _spooled()
        self._window_start = self._window_end = 0
        self._block_ahead = thread.submit(self._fetch_block)

    def reached(self, start: int, _stop: int) -> None:
        """Note that PyArrow has reached the row group at the bytes from `start` to `stop`."""
        start = min(start, self._window_end)
        # Only once more is dropped than copied; otherwise bytes would be copied again and again.
        if start - self._window_start > self._window_end - start:
            self._window.seek(start - self._window_start)
            rest = _spooled()
            copyfileobj(self._window, rest)
            self._window.close()
            self._window, self._window_start = rest, start

    def sha256(self) -> str:
        """Return the SHA-256 of all bytes."""
        while self._window_end < self._remote.size:
            self._next_block()
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        start, end = self._position, self._remote.size
        stop = end if size < 0 else min(start + size, end)
        if start < self._window_start:
            fetch = self._remote.fetch
            result = self._thread.submit(fetch, self._file, start, stop).result()
        else:
            self._window.seek(0, os.SEEK_END)
            while self._window_end < stop:
                self._keep(self._next_block())
            self._window.seek(start - self._window_start)
            result = self._window.read(max(0, stop - start))
        self._position += len(result)
        return result

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._remote.size}
        self._position = bases[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readable(self) -> bool:
        """Whether the file can be read."""
        return True

    def seekable(self) -> bool:
        """Whether the file supports seeking."""
        return True

    def close(self) -> None:
        """Drop the bytes that are kept."""
        self._window.close()
        super().close()

    def _keep(self, block: bytes) -> None:
        try:
            self._window.write(block)
        except OSError as error:
            raise BatchError(
                f"{self._remote.url} cannot be read: a row group is too large for memory, and "
                f"{gettempdir()} cannot hold it ({error.strerror}). Make room there, or set TMPDIR"
            ) from error

    def _next_block(self) -> bytes:
        """Return the block that was fetched ahead, and start fetching the next."""
        block = self._block_ahead.result()
        self._window_end += len(block)
        self._block_ahead = self._thread.submit(self._fetch_block)
        return block

    def _fetch_block(self) -> bytes:
        stop = min(self._fetched + BLOCK_BYTES, self._remote.size)
        block = self._remote.fetch(self._file, self._fetched, stop)
        self._digest.update(block)
        self._fetched = stop
        return block


def stored_file(path: str) -> LocalFile | RemoteFile:
    """Return the file at a local path or fsspec URL."""
    if "://" not in path:
        return LocalFile(path)
    filesystem, inner = fsspec.core.url_to_fs(path)
    return LocalFile(inner) if isinstance(filesystem, LocalFileSystem) else RemoteFile(path)


def _spooled() -> IO[bytes]:
    return SpooledTemporaryFile(KEPT_IN_MEMORY)


@contextmanager
def _one_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as thread:
        try:
            yield thread
        finally:
            thread.shutdown(cancel_futures=True)
