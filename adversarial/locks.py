"""Locks on files and directories among processes."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adversarial.errors import TransientError

PATIENCE = 600.0
"""Seconds after which waiting for a lock ends in an error."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.2


@contextmanager
def lock_path(path: Path, *, shared: bool = False, patience: float = PATIENCE) -> Iterator[None]:
    """Lock a file or a directory among all processes of this machine until the block ends.

    The lock is advisory (`flock`). What is not there needs none, and on a network file system
    without locks there is none.

    Parameters
    ----------
    path : Path
        The file or directory. It may be replaced while this waits: then what replaces it is locked.
    shared : bool
        Let others hold it at the same time, shared as well.
    patience : float
        How many seconds to wait for others.

    Raises
    ------
    TransientError
        If others still hold the lock then; names them where the system tells.
    """
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield
            return
        try:
            is_held = _try_lock(descriptor, shared=shared)
            # Whoever had to wait may by now hold what the path no longer leads to.
            if is_held and path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                yield
                return
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{path} has been locked by {_holders(descriptor)} for {patience:g} seconds: "
                    "wait until it is done, or stop it, and run the command again"
                )
        finally:
            os.close(descriptor)
        if not is_held:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _try_lock(descriptor: int, *, shared: bool) -> bool:
    """Lock an open file or directory if nobody else does; True as well where there are no locks."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
    return True


def _holders(descriptor: int) -> str:
    """Say which processes hold a lock on what is open here, as far as the system shows them."""
    inode = os.fstat(descriptor).st_ino
    try:
        lines = [line.split() for line in Path("/proc/locks").read_text("ascii").splitlines()]
    except OSError:
        lines = []
    found = []
    for words in lines:
        if "FLOCK" in words and "->" not in words and words[5].endswith(f":{inode}"):
            try:
                command = Path(f"/proc/{words[4]}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                command = b""
            what = " ".join(command.decode(errors="replace").split())[:200]
            found.append(f"process {words[4]}" + (f" ({what})" if what else ""))
    return ", ".join(found) or "another process"
