"""A folder on disk: what is written survives a power loss, and is replaced under a lock."""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adversarial import files
from adversarial.locks import lock_path
from adversarial.storage.folder import ChangedError, Folder, Seen, writing

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LocalFolder:
    """A directory, which need not exist: it is made when something is written to it.

    The methods are those of `Folder`.

    Attributes
    ----------
    path : Path
        The directory.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> "LocalFolder":
        return LocalFolder(self.path / name)

    def make(self) -> None:
        """Make the folder if need be, so that it is known early whether it can be written to."""
        files.make_directory(self.path)

    def read(self, name: str, most: int = -1) -> bytes:
        """Return the content of a file, or its first `most` bytes.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        OSError
            If it cannot be read.
        """
        with (self.path / name).open("rb") as file:
            return file.read(most)

    def look(self, name: str) -> Seen:
        """Return what a file is now, for `replace`. Errors as in `read`, but for a missing one."""
        try:
            content = self.read(name)
        except (FileNotFoundError, NotADirectoryError):
            return Seen(None, None)
        return Seen(content, files.digest(content))

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.path / name).exists()

    def open(self, name: str) -> "pa.NativeFile":
        """Open a file to read any part of it. Errors as in `read`."""
        import pyarrow as pa

        return pa.OSFile(str(self.path / name))

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace it, in one step."""
        with writing(self, name) as scratch:
            scratch.write_bytes(content)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give a local path for a file to be `put` under a name that is not known yet."""
        path = self.path / name
        files.make_directory(path.parent)
        scratch = files.scratch_path(path)
        try:
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)

    def put(self, scratch: Path, name: str) -> None:
        """Move a finished file here; an earlier one is replaced in one step."""
        files.make_directory((self.path / name).parent)
        files.put_in_place(scratch, self.path / name)

    def replace(self, name: str, content: bytes, seen: Seen) -> None:
        """Write a file only if it is still what it was when it was `seen`.

        Raises
        ------
        ChangedError
            If it is not; then nothing has been changed.
        """
        path = self.path / name
        changed = ChangedError(f"{path} has been replaced meanwhile: run the command again")
        # Whoever replaces the file holds the lock of the one that is in place.
        with self.scratch(name) as scratch, lock_path(path):
            if self.look(name).version != seen.version:
                raise changed
            scratch.write_bytes(content)
            try:
                files.put_in_place(scratch, path, new=seen.version is None)
            except FileExistsError:
                raise changed from None

    def take(self, source: Folder) -> None:
        """Move all files of another folder on the same file system here; they replace others."""
        if not isinstance(source, LocalFolder) or not source.path.is_dir():
            return
        files.make_directory(self.path)
        for path in source.path.iterdir():
            path.replace(self.path / path.name)
        files.sync(self.path)

    def link(self, name: str, target: str) -> None:
        """Let a name stand for another file of this folder, in one step; a copy if need be."""
        path = self.path / name
        if path.is_symlink() and os.fspath(path.readlink()) == target:
            return
        with files.replace_file(path) as scratch:
            try:
                scratch.symlink_to(target)
            except OSError:  # some file systems have no symbolic links
                shutil.copyfile(self.path / target, scratch)

    def find(self, pattern: str) -> list[str]:
        """Return the names of files that match a pattern such as `*/report.json`, in order.

        What begins with a dot is unfinished, and is left out.
        """
        found = (path for path in self.path.glob(pattern) if not path.is_dir())
        names = (path.relative_to(self.path) for path in found)
        return sorted(n.as_posix() for n in names if not any(p.startswith(".") for p in n.parts))

    def names(self) -> list[str]:
        """Return the names of all files, also of those in folders of this one, in order.

        What is unfinished is left out.
        """
        found = []
        for folder, inner, names in os.walk(self.path):
            inner[:] = [name for name in inner if not name.startswith(".")]
            here = Path(folder).relative_to(self.path)
            found += [(here / name).as_posix() for name in names if not name.startswith(".")]
        return sorted(found)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove the folder with everything in it. Nobody sees it half empty."""
        gone = files.scratch_path(self.path)
        try:
            self.path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)

    def remove_empty(self) -> None:
        """Remove the folder if there is nothing in it."""
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def sweep(self, names: Collection[str]) -> None:
        """Remove those of these files that are too old for a writer to need them."""
        for name in names:
            if files.is_abandoned(self.path / name):
                self.remove(name)

    def sweep_unfinished(self, names: re.Pattern[str] = files.SCRATCH) -> None:
        """Remove what killed writers have left here, after a time: what has one of these names."""
        files.sweep(self.path, names)

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes of this machine waiting, so that they need not try again."""
        files.make_directory(self.path)
        return lock_path(self.path)
