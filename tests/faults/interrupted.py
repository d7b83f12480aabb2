"""Functions that are killed, or lose power, before any of their operations on the file system.

The operations are those after which a kill or a power loss can leave another state: opening a file
to write it, `fsync`, giving a name (rename, link, symbolic link, directory) and taking one away; on
an object store, every request that changes it.
"""

import itertools
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adversarial.storage.object_folder import ObjectFolder

OPERATIONS = ("fsync", "rename", "replace", "link", "symlink", "mkdir", "unlink", "rmdir")
REQUESTS = ("write", "put", "replace", "link", "_move", "remove", "remove_all")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Before = Callable[[str, tuple[Any, ...]], None]
"""Called before an operation with its name and arguments."""

_ORIGINALS: list[tuple[Any, str, Callable[..., Any]]] = [
    *((os, name, getattr(os, name)) for name in OPERATIONS),
    *((ObjectFolder, name, getattr(ObjectFolder, name)) for name in REQUESTS),
]
_watching: list[Before] = []


def _tell(name: str, arguments: tuple[Any, ...]) -> None:
    """Call the function that watches, if there is one; what it does itself is not watched."""
    if _watching:
        before = _watching.pop()
        try:
            before(name, arguments)
        finally:
            _watching.append(before)


def _on_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
        _tell("open", arguments)


sys.addaudithook(_on_open)


@contextmanager
def watched(before: Before) -> Iterator[None]:
    """Call a function before every operation of the block, in place of one that watches already."""
    outer = [(owner, name, getattr(owner, name)) for owner, name, _ in _ORIGINALS]

    def wrap(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            told = arguments
            if (directory := options.get("dir_fd")) is not None:
                told = (Path(f"/proc/self/fd/{directory}").readlink() / arguments[0],)
            _tell(name, told)
            return original(*arguments, **options)

        return operation

    for owner, name, original in _ORIGINALS:
        setattr(owner, name, wrap(name, original))
    _watching.append(before)
    try:
        yield
    finally:
        _watching.pop()
        for owner, name, watching in outer:
            setattr(owner, name, watching)


def run_in_child(work: Callable[[], None], *, killed_before: int | None = None) -> int:
    """Run a function in a child process, killed before its n-th operation.

    Returns
    -------
    int
        How many operations it made; -1 where it was killed.

    Raises
    ------
    RuntimeError
        If it raised an error.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, killed_before, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return -1
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(said.decode())
    return int(said)


def _work(work: Callable[[], None], killed_before: int | None, writing: int) -> None:
    done = 0

    def count(_name: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal done
        done += 1
        if done == killed_before:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        with watched(count):
            work()
        os.write(writing, str(done).encode())
        code = 0
    except BaseException as error:  # noqa: BLE001 - the parent says it
        import traceback

        os.write(writing, "".join(traceback.format_exception(error))[-4000:].encode())
    finally:
        os._exit(code)


class Disk:
    """What of a directory would be left after a power loss, by the weakest promises of POSIX.

    A file has the content that it had at its last `fsync`, none if there was none. Of the names
    that have been given or taken since the last `fsync` of their directory, none or all survive.

    Parameters
    ----------
    root : Path
        The directory; all that is in it has reached the disk.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = itertools.count()
        self._identity: dict[int, int] = {}
        self._content: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int | str]] = {}
        for folder, _, files in os.walk(root):
            for name in files:
                self._sync(Path(folder, name))
            self._sync(Path(folder))

    def before(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Take note of an operation that is about to be made."""
        if name == "fsync":
            self._sync(Path(f"/proc/self/fd/{arguments[0]}").readlink())
            return
        victim = arguments[-1] if name in ("rename", "replace") else arguments[0]
        if name in ("rename", "replace", "unlink", "rmdir"):
            path = Path(os.fspath(victim))
            if path.is_absolute() and path.exists() and not path.is_symlink():
                status = path.stat()
                if status.st_nlink == 1 or path.is_dir():
                    self._identity.pop(status.st_ino, None)

    def lose_power(self, to: Path, *, names_survive: bool) -> None:
        """Write what is left to another directory."""
        self._restore(self.root, self._id(self.root), to, names_survive)

    def _restore(self, path: Path | None, identity: int, to: Path, names_survive: bool) -> None:
        to.mkdir()
        names = dict(self._names.get(identity, {}))
        if names_survive and path is not None and path.is_dir():
            names = {entry.name: self._entry(Path(entry.path)) for entry in os.scandir(path)}
        for name, entry in names.items():
            inner = None if path is None else path / name
            if isinstance(entry, str):
                (to / name).symlink_to(entry)
            elif entry in self._names or (inner and names_survive and inner.is_dir()):
                self._restore(inner, entry, to / name, names_survive)
            else:
                (to / name).write_bytes(self._content.get(entry, b""))

    def _sync(self, path: Path) -> None:
        if not path.is_relative_to(self.root) or not path.exists():
            return
        if path.is_dir():
            entries = {entry.name: self._entry(Path(entry.path)) for entry in os.scandir(path)}
            self._names[self._id(path)] = entries
        elif not path.is_symlink():
            self._content[self._id(path)] = path.read_bytes()

    def _entry(self, path: Path) -> int | str:
        if path.is_symlink():
            return os.fspath(path.readlink())
        identity = self._id(path)
        if stat.S_ISDIR(path.lstat().st_mode):
            self._names.setdefault(identity, {})
        return identity

    def _id(self, path: Path) -> int:
        """Return a number for a file or directory that no later one gets."""
        inode = path.lstat().st_ino
        if inode not in self._identity:
            self._identity[inode] = next(self._numbers)
        return self._identity[inode]
