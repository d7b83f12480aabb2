"""A file behind a URL, fetched once and in order for both its rows and its SHA-256.

A thread fetches the file and stays one block ahead of PyArrow. Each block is hashed, and kept until
PyArrow has finished its row group: in memory up to `KEPT_IN_MEMORY`, beyond that in a temporary
file. Bytes are fetched again only if a file's row groups are not in order. A request that the
storage fails to answer, or answers in part, is made again (`parquet_files.retried`).
"""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from drift_monitor.batches.parquet_files import RETRY_SECONDS, retried
from drift_monitor.errors import BatchError, ChangedBatchError

BLOCK_BYTES = 8 << 20
"""Bytes of a remote file that are fetched in one request."""
KEPT_IN_MEMORY = 64 << 20
"""Largest row group of a remote file that is kept in memory, in bytes; larger ones go to disk."""
FOOTER_BYTES = 64 << 10
"""Bytes fetched first, from the end of a remote file. Most footers are smaller."""
VERSION_FIELDS = (
    *("ETag", "etag", "VersionId", "version_id", "generation", "sha"),
    *("mtime", "LastModified", "last_modified", "Last-Modified", "modificationTime"),
    *("updated", "created"),
)
"""Fields of `fsspec.AbstractFileSystem.info` that differ between versions of a file."""


class RemoteFile:
    """A file behind a URL that fsspec knows.

    All methods raise BatchError if the file cannot be reached or does not support seeking
    (`parquet_files.storage_error`).

    Parameters
    ----------
    url : str
        The URL.
    retry_seconds : float
        How long a storage that fails is asked again.

    Attributes
    ----------
    size : int
        Its size in bytes, known once `footer` has been called.
    inner : str
        The path within the storage.
    is_local : bool
        Whether the storage is this machine's disk.
    """

    def __init__(self, url: str, retry_seconds: float = RETRY_SECONDS) -> None:
        self.url = url
        self.size = 0
        self._retry_seconds = retry_seconds
        self._storage, self.inner = retried(url, lambda: fsspec.core.url_to_fs(url), retry_seconds)
        self.is_local = isinstance(self._storage, LocalFileSystem)
        self._tail = b""
        self._file: IO[bytes] | None = None

    def version(self) -> tuple[object, ...]:
        """Return a value that changes when the file is replaced or written to."""
        fields = self._fields()
        if any(fields[1:]):
            return fields
        # The storage tells nothing but the size, so see whether the footer is the same.
        try:
            tail = self._fetch(max(0, self.size - len(self._tail)), self.size)
        finally:
            self._close()
        return (*fields, tail == self._tail)

    @contextmanager
    def footer(self) -> Iterator[tuple[IO[bytes], tuple[object, ...]]]:
        """Fetch and keep the end of the file for PyArrow to read the footer; yield its version."""
        fields = self._fields()
        if not isinstance(fields[0], int):
            raise BatchError(
                f"{self.url} cannot be read: its storage does not tell its size, so it cannot be "
                "read from the end; copy the file to another storage"
            )
        self.size = fields[0]
        try:
            self._tail = self._fetch(max(0, self.size - FOOTER_BYTES), self.size)
            footer = int.from_bytes(self._tail[-8:-4], "little") + 8
            if self._tail.endswith(b"PAR1") and len(self._tail) < footer <= self.size:
                self._tail = self._fetch(self.size - footer, self.size)
        finally:
            self._close()
        yield io.BytesIO(self._tail), fields if any(fields[1:]) else (*fields, True)

    def sha256(self) -> str:
        """Fetch the file only for its SHA-256."""
        with self.one_pass() as reading:
            return reading.sha256()

    @contextmanager
    def one_pass(self) -> Iterator["RemotePass"]:
        """Begin a pass over the file."""
        try:
            with one_thread() as thread:
                reading = RemotePass(self, thread)
                try:
                    yield reading
                finally:
                    reading.close()
        finally:
            self._close()

    def fetch(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop`, and fetch only those that are not kept."""
        tail_start = self.size - len(self._tail)
        result = self._fetch(start, min(stop, tail_start)) if start < tail_start else b""
        return result + self._tail[max(0, start - tail_start) : max(0, stop - tail_start)]

    def _fields(self) -> tuple[object, ...]:
        return retried(self.url, self._info, self._retry_seconds)

    def _info(self) -> tuple[object, ...]:
        """Return the file's size, and what else tells versions apart."""
        self._storage.invalidate_cache(self.inner)  # it may hold an earlier listing
        info = self._storage.info(self.inner)
        return info.get("size"), *(info.get(name) for name in VERSION_FIELDS)

    def _fetch(self, start: int, stop: int) -> bytes:
        return retried(self.url, lambda: self._request(start, stop), self._retry_seconds)

    def _request(self, start: int, stop: int) -> bytes:
        try:
            if self._file is None:  # without a cache, which fetches more than it is asked for
                self._file = self._storage.open(self.inner, "rb", cache_type="none")
            self._file.seek(start)
            result: bytes = self._file.read(stop - start)
        except BaseException:
            self._close()  # a file object that has failed once may go on failing
            raise
        if len(result) < stop - start:
            self._close()
            if self._info()[0] != self.size:
                raise ChangedBatchError(
                    f"{self.url} changed while it was read: run again once the job that writes it "
                    "has ended"
                )
            raise OSError(f"{len(result):,} of {stop - start:,} bytes came")
        return result

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class RemotePass(io.RawIOBase):
    """One pass over a remote file, as a file in which PyArrow can seek.

    Attributes
    ----------
    source : RemotePass
        What PyArrow reads: itself.
    """

    def __init__(self, remote: RemoteFile, thread: ThreadPoolExecutor) -> None:
        self.source = self
        self._remote = remote
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
            result = self._thread.submit(self._remote.fetch, start, stop).result()
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
        block = self._remote.fetch(self._fetched, stop)
        self._digest.update(block)
        self._fetched = stop
        return block


def _spooled() -> IO[bytes]:
    return SpooledTemporaryFile(KEPT_IN_MEMORY)


@contextmanager
def one_thread() -> Iterator[ThreadPoolExecutor]:
    """Give a thread that ends with the block, and drops what it has not begun by then."""
    with ThreadPoolExecutor(1, thread_name_prefix="sha256") as thread:
        try:
            yield thread
        finally:
            thread.shutdown(cancel_futures=True)
