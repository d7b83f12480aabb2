"""Files that are written whole or not at all, their digests, and locks on directories."""

import ctypes
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: an earlier one is replaced in one step.

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
    scratch = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replace_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


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


def arrays_digest(*arrays: NDArray[Any]) -> str:
    """Return 16 hexadecimal digits that tell arrays apart by their values, in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


@contextmanager
def lock_directory(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Lock a directory among all processes of this machine until the block ends.

    The lock is advisory (`flock`). A directory that is not there needs none, and one on a network
    file system without locks gets none.

    Parameters
    ----------
    path : Path
        The directory. It may be replaced by another while this waits: then that one is locked.
    shared : bool
        Let others hold it at the same time, shared as well.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield
            return
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
            # Whoever had to wait may by now hold what the path no longer leads to.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                yield
                return
        finally:
            os.close(descriptor)


def exchange_directories(one: Path, other: Path) -> bool:
    """Let two directories change places in one step, so that a kill leaves each in a place.

    Returns
    -------
    bool
        False where the system or its file system cannot; then nothing has changed.
    """
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    return renameat2 is not None and not renameat2(
        here, os.fsencode(one), here, os.fsencode(other), exchange
    )
