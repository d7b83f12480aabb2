"""What a folder can do, wherever it is.

A reader sees the old content of a file or the new one, never a part. A writer that replaces a file
only if it is still what it has seen cannot undo what another has done meanwhile.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from adversarial import files
from adversarial.errors import TransientError

if TYPE_CHECKING:
    import pyarrow as pa


class ChangedError(TransientError):
    """A file is no longer what it was when it was read: another process has replaced it."""


class Seen(NamedTuple):
    """What a file was when it was looked at: its content, and what tells it from others.

    Both are None where there was none.
    """

    content: bytes | None
    version: str | None


class Folder(Protocol):
    """A directory, or the objects under a URL. Names are relative to it and may contain `/`.

    What cannot be read or written raises OSError (a directory) or TransientError (a URL).
    """

    def __truediv__(self, name: str) -> "Folder":
        """Return a folder in this one."""

    def make(self) -> None:
        """Make the folder if need be, so that it is known early whether it can be written to."""

    def read(self, name: str, most: int = -1) -> bytes:
        """Return the content of a file, or its first `most` bytes.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        """

    def look(self, name: str) -> Seen:
        """Return what a file is now, for `replace`; a missing one is no error."""

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def open(self, name: str) -> "pa.NativeFile":
        """Open a file to read any part of it. Errors as in `read`."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace it, in one step."""

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        """Give a local path for a file to be `put` under a name that is not known yet."""

    def put(self, scratch: Path, name: str) -> None:
        """Move a finished local file here; an earlier one is replaced in one step."""

    def replace(self, name: str, content: bytes, seen: Seen) -> None:
        """Write a file only if it is still what it was when it was `seen`.

        Raises
        ------
        ChangedError
            If it is not; then nothing has been changed.
        """

    def take(self, source: "Folder") -> None:
        """Move all files of another folder of the same storage here; they replace others."""

    def link(self, name: str, target: str) -> None:
        """Let a name stand for another file of this folder, in one step; a copy if need be."""

    def find(self, pattern: str) -> list[str]:
        """Return the names of files that match a pattern such as `*/report.json`, in order.

        What begins with a dot is unfinished, and is left out.
        """

    def names(self) -> list[str]:
        """Return the names of all files, also of those in folders of this one, in order.

        What is unfinished is left out.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def remove_all(self) -> None:
        """Remove the folder with everything in it."""

    def remove_empty(self) -> None:
        """Remove the folder if there is nothing in it."""

    def sweep(self, names: Collection[str]) -> None:
        """Remove those of these files that are too old for a writer to need them."""

    def sweep_unfinished(self, names: re.Pattern[str] = files.SCRATCH) -> None:
        """Remove what killed writers have left here, after a time: what has one of these names."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes of this machine waiting, so that they need not try again."""


@contextmanager
def writing(folder: Folder, name: str) -> Iterator[Path]:
    """Give a local path to write a file of a folder to, which is then put in place in one step."""
    with folder.scratch(name) as scratch:
        yield scratch
        folder.put(scratch, name)
