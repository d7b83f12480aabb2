"""Files that are written whole or not at all and survive a power loss, and their digests."""

import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

ABANDONED_AFTER = 2 * 24 * 3600
"""Seconds after which what a writer has left unfinished is taken for abandoned."""

SCRATCH = re.compile(r"\.[0-9a-f]{8}\..+")
"""Names that `scratch_path` gives."""


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: an earlier one is replaced in one step.

    Once the block has ended, the file survives a power loss: its content is on the disk before its
    name is, and its name before this returns.

    Yields
    ------
    Path
        Where to write it: beside `path`, with the same suffixes. It is removed if writing fails,
        and the earlier file is then as it was.

    Examples
    --------
    >>> with replace_file(Path("numbers.txt")) as scratch:  # doctest: +SKIP
    ...     scratch.write_text("1 2 3")
    """
    scratch = scratch_path(path)
    try:
        yield scratch
        put_in_place(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def put_in_place(scratch: Path, path: Path, *, new: bool = False) -> None:
    """Give a finished file its name, so that it survives a power loss under it.

    Parameters
    ----------
    scratch, path : Path
        Where it is, and where it is to be. They are on one file system.
    new : bool
        Replace no earlier file. `scratch` may then stay behind.

    Raises
    ------
    FileExistsError
        If there is an earlier file, and none is to be replaced.
    """
    sync(scratch)
    if new:
        os.link(scratch, path)
    else:
        scratch.replace(path)
    sync(path.parent)


def scratch_path(path: Path) -> Path:
    """Return a new name beside `path` for something unfinished, which `sweep` finds."""
    return path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
            raise
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Wait until a directory with everything in it is on the disk."""
    for folder, _, files in os.walk(directory):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))


def make_directory(path: Path) -> None:
    """Make a directory and those above it where they are missing, so that they survive too."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def sweep(directory: Path, names: re.Pattern[str] = SCRATCH) -> None:
    """Remove what killed writers have left in a directory: files and directories of these names.

    Only what has not changed for `ABANDONED_AFTER` seconds, so that nothing is taken from a writer
    that is at work.
    """
    for path in directory.iterdir():
        if not names.fullmatch(path.name) or not is_abandoned(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Whether something is there and has not changed for `ABANDONED_AFTER` seconds."""
    try:
        return time.time() - path.lstat().st_mtime > ABANDONED_AFTER
    except FileNotFoundError:  # its writer has finished meanwhile
        return False


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replace_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def cache_directory() -> Path:
    """Return where what can be made again is kept: in XDG_CACHE_HOME, or else ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "drift-monitor"


def to_json(body: Mapping[str, Any]) -> str:
    """Return the text of a JSON file that people read too."""
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, body: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, to_json(body))


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return which settings differ, and how; an empty text where none does.

    Examples
    --------
    >>> describe_changes({"seed": 0, "epochs": 3}, {"seed": 1, "epochs": 3})
    'seed 0, now 1'
    """
    return "; ".join(
        f"{name} {before.get(name)!r}, now {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    )


def sha256(file: Path | IO[bytes]) -> str:
    """Return the SHA-256 of a file, or of what is left to read of an open one, in hexadecimal."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return sha256(opened)
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def arrays_digest(*arrays: NDArray[Any]) -> str:
    """Return 16 hexadecimal digits that tell arrays apart by their values, in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
