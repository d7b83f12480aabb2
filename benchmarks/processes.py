"""What a whole process takes, from its start to its end.

A process inherits the peak of memory of the one that forks it, so a small one stands between: this
module, run with the command as its arguments. Only the standard library is imported here.
"""

import json
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
    answer = subprocess.run(
        [sys.executable, "-S", "-m", __name__, *command],
        stdout=subprocess.PIPE,
        env=None if environment is None else os.environ | environment,
        check=True,
    )
    return Cost(*json.loads(answer.stdout))


def main() -> None:
    """Run the command of the command line, and print what it took as JSON."""
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(code)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    cost = Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 2**20)
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
