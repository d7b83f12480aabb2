"""Spoil many files of each kind and count what becomes of them: `-m tests.bad_inputs.count`."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from tests.bad_inputs.kinds import KINDS, copy_bundle, is_file_refused, is_refused
from tests.support.models.small_detector import fit_detector, save_classifier

SECONDS = 60
"""A file that takes longer hangs."""


class Hang(BaseException):
    """A file was read for too long. Nothing that is read catches it."""


def main() -> None:
    """Count refused, read and failed files, and print them as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=2_000, help="files of each kind")
    n = parser.parse_args().files
    signal.signal(signal.SIGALRM, _hang)
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        trials: dict[str, Callable[[int], bool]] = {}
        for name, kind in KINDS.items():
            path = here / kind.name
            trials[name] = partial(is_refused, kind, path, kind.write(path))
        bundle = fit_detector(save_classifier(here / "c.keras"), here)
        whole = copy_bundle(bundle, here / "copy")
        trials["bundle"] = partial(is_file_refused, here / "copy", whole)
        found = {name: counted(name, trial, n) for name, trial in trials.items()}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(any(kind["failed"] for kind in found.values()))


def counted(name: str, is_refused: Callable[[int], bool], n: int) -> dict[str, int]:
    """Return how many files of a kind were refused, were read, and failed."""
    result = {"refused": 0, "read": 0, "failed": 0}
    for seed in range(n):
        signal.alarm(SECONDS)
        try:
            result["refused" if is_refused(seed) else "read"] += 1
        except (AssertionError, Hang) as error:
            result["failed"] += 1
            sys.stderr.write(f"{name}: {error}\n")
        finally:
            signal.alarm(0)
    sys.stderr.write(f"{name}: {result}\n")
    return result


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise Hang(f"a file was read for {SECONDS} seconds")


if __name__ == "__main__":
    main()
