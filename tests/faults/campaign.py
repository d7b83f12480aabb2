"""Interrupt a case at its operations, and check what is left: `-m tests.faults.campaign --help`.

It runs in a process without TensorFlow, of which it makes a child for each interruption.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.interrupted import Disk, run_in_child, watched
from tests.faults.place import (
    CASES,
    Case,
    State,
    check_nothing_lost,
    check_nothing_outdated,
    run_another,
    state_of,
)


def main() -> None:
    """Run the cases and print how many interruptions were made, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prepared", type=Path, help="what tests.faults.place.prepare has made")
    parser.add_argument("--case", choices=CASES, action="append", help="all by default")
    parser.add_argument("--every", type=int, default=1, help="interrupt every n-th operation")
    parser.add_argument("--power", action="store_true", help="lose power instead of being killed")
    chosen = parser.parse_args()
    failed: dict[str, str] = {}
    counts = {}
    for name in chosen.case or CASES:
        trial = Trial(chosen.prepared, CASES[name])
        interrupt = trial.power_losses if chosen.power else trial.kills
        counts[name] = 0
        for moment, check in interrupt(chosen.every):
            counts[name] += 1
            try:
                check()
            except Exception as error:  # noqa: BLE001 - counted
                failed[f"{name}, {moment}"] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps({"interruptions": counts, "failed": failed}) + "\n")
    sys.exit(bool(failed))


class Trial:
    """A case that is interrupted again and again, each time from the same start.

    Parameters
    ----------
    prepared : Path
        The directory to start from. The work is done in it, and it is left as it was.
    case : Case
        What is done.
    """

    def __init__(self, prepared: Path, case: Case) -> None:
        self.place, self.case = prepared, case
        self.start = prepared.with_name(f"{prepared.name}.start")
        self.untouched = prepared.with_name(f"{prepared.name}.untouched")
        _copy(prepared, self.untouched)
        if before := case.before:
            run_in_child(lambda: before(prepared))
        _copy(prepared, self.start)
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

        def before(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal done
            done += 1
            if done % every == 0:
                for kind in ("without-names", "with-names"):
                    disk.lose_power(losses / f"{done}-{kind}", names_survive=kind == "with-names")
            disk.before(name, arguments)

        with watched(before):
            self._work()
        for kind in ("without-names", "with-names"):
            disk.lose_power(losses / f"{done + 1}-{kind}", names_survive=kind == "with-names")

    def _check(self) -> None:
        """Check what is left, what the next run makes of it, and what the same work does."""
        run_in_child(lambda: check_nothing_lost(self.place, self.before, self.after))
        if self.case is not CASES["promote"] and self.case is not CASES["threshold"]:
            kept = self.place.with_name(f"{self.place.name}.left")
            _copy(self.place, kept)
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
        return state_of(self.place)

    def _restore(self, kept: Path) -> None:
        shutil.rmtree(self.place)
        _copy(kept, self.place)


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


if __name__ == "__main__":
    main()
