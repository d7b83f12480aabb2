"""Interrupt a case at its operations, and check what is left: `-m tests.faults.campaign --help`.

It runs in a process without TensorFlow, of which it makes a child for each interruption.
"""

import argparse
import importlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drift_monitor.pages.html import render_report
from tests.faults import mirror
from tests.faults.interrupted import Disk, run_in_child, watched
from tests.faults.place import (
    CASES,
    ON_DISK,
    Case,
    State,
    check_nothing_lost,
    check_nothing_outdated,
    run_another,
    state_of,
)
from tests.support.reports.cases import CASES as REPORTS
from tests.support.reports.make import make


def main() -> None:
    """Run the cases and print how many interruptions were made, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prepared", type=Path, help="what tests.faults.place.prepare has made")
    parser.add_argument("--case", choices=CASES, action="append", help="all by default")
    parser.add_argument("--every", type=int, default=1, help="interrupt every n-th operation")
    parser.add_argument("--power", action="store_true", help="lose power instead of being killed")
    parser.add_argument("--bucket", help="where results are kept, if not in a directory")
    chosen = parser.parse_args()
    if chosen.bucket:
        os.environ["XDG_CACHE_HOME"] = str(chosen.prepared / "cache")
    warm_up()
    failed: dict[str, str] = {}
    counts = {}
    for name in chosen.case or [name for name in CASES if not (chosen.bucket and name in ON_DISK)]:
        trial = Trial(chosen.prepared, CASES[name], chosen.bucket)
        interrupt = trial.power_losses if chosen.power else trial.kills
        counts[name] = 0
        for moment, check in interrupt(chosen.every):
            counts[name] += 1
            try:
                check()
            except Exception as error:  # noqa: BLE001 - counted
                failed[f"{name}, {moment}"] = f"{type(error).__name__}: {error}"
            sys.stderr.write(f"{name}, {moment} of {trial.operations}; {len(failed)} failed\n")
    sys.stdout.write(json.dumps({"interruptions": counts, "failed": failed}) + "\n")
    sys.exit(bool(failed))


def warm_up() -> None:
    """Load what each child would load again: modules, and the templates of a report.

    Nothing is computed, because a child would not have the threads that were made for it.
    """
    for module in ("pandas", "scipy.stats", "sklearn.ensemble"):
        importlib.import_module(module)
    render_report(*make(next(iter(REPORTS.values()))))


class Trial:
    """A case that is interrupted again and again, each time from the same start.

    Parameters
    ----------
    prepared : Path
        The directory to start from. The work is done in it, and it is left as it was.
    case : Case
        What is done.
    bucket : str, optional
        Bucket that belongs to the directory.
    """

    def __init__(self, prepared: Path, case: Case, bucket: str | None = None) -> None:
        self.place, self.case, self.bucket = prepared, case, bucket
        self.start = prepared.with_name(f"{prepared.name}.start")
        self.untouched = prepared.with_name(f"{prepared.name}.untouched")
        self._keep(self.untouched)
        if before := case.before:
            run_in_child(lambda: before(prepared))
        self._keep(self.start)
        self.before = self._state()
        self.operations = run_in_child(self._work)
        self.after = self._state()

    def kills(self, every: int) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield checks, each after a kill before another operation."""
        for number in range(1, self.operations + 1, every):
            self._restore(self.start)
            assert run_in_child(self._work, killed_before=number) == -1
            yield f"killed before operation {number}", self._check
        self._restore(self.untouched)

    def power_losses(self, every: int) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield checks, each after a power loss before another operation."""
        self._restore(self.start)
        losses = self.place.with_name(f"{self.place.name}.losses")
        shutil.rmtree(losses, ignore_errors=True)
        losses.mkdir()
        run_in_child(lambda: self._work_on(losses, every))
        for left in sorted(losses.iterdir(), key=lambda path: int(path.name.split("-")[0])):
            self._restore(left)
            yield f"power lost before operation {left.name}", self._check
        shutil.rmtree(losses)
        self._restore(self.untouched)

    def _work_on(self, losses: Path, every: int) -> None:
        disk = Disk(self.place)
        done = 0

        def lose_power(number: int) -> None:
            for kind in ("without-names", "with-names"):
                left = losses / f"{number}-{kind}"
                left.mkdir()
                disk.lose_power(left / "place", names_survive=kind == "with-names")

        def before(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal done
            done += 1
            if done % every == 0:
                lose_power(done)
            disk.before(name, arguments)

        with watched(before):
            self._work()
        lose_power(done + 1)

    def _check(self) -> None:
        """Check what is left, what the next run makes of it, and what the same work does."""
        run_in_child(lambda: check_nothing_lost(self.place, self.before, self.after))
        if self.case.is_mended:
            kept = self.place.with_name(f"{self.place.name}.left")
            self._keep(kept)
            run_in_child(self._mend)
            self._restore(kept)
        run_in_child(self._work)
        state = self._state()
        for key in self.after.keys() | state.keys():
            assert state.get(key) == self.after.get(key), f"{key} differs from that of one run"

    def _mend(self) -> None:
        run_another(self.place)
        check_nothing_outdated(self.place)

    def _work(self) -> None:
        self.case.work(self.place)

    def _state(self) -> State:
        if self.bucket is None:
            return state_of(self.place)
        # This process must not have the threads of a client, which its children would lack.
        found = self.place.with_name(f"{self.place.name}.state")
        run_in_child(lambda: _write_state(found, self.place))
        state: State = pickle.loads(found.read_bytes())  # noqa: S301 - written a line above
        return state

    def _keep(self, kept: Path) -> None:
        """Copy the place, and its bucket beside it."""
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        shutil.copytree(self.place, kept / "place", symlinks=True)
        if bucket := self.bucket:
            run_in_child(lambda: mirror.download(bucket, kept / "bucket"))

    def _restore(self, kept: Path) -> None:
        shutil.rmtree(self.place)
        shutil.copytree(kept / "place", self.place, symlinks=True)
        if bucket := self.bucket:
            run_in_child(lambda: mirror.upload(kept / "bucket", bucket))


def _write_state(path: Path, place: Path) -> None:
    path.write_bytes(pickle.dumps(state_of(place)))


if __name__ == "__main__":
    main()
