"""What a whole process takes, from its start to its end."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Cost(NamedTuple):
    """One run of a command."""

    seconds: float
    """Wall-clock time."""
    cpu_seconds: float
    """Of all its threads, in user and in system mode."""
    peak_mib: float
    """Largest resident set."""


def run_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command once and return what it took; what it prints goes to this one's stderr.

    Raises
    ------
    CalledProcessError
        If the command fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=sys.stderr, env=None if environment is None else os.environ | environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise subprocess.CalledProcessError(code, command)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 2**20)
