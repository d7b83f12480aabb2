"""Count what is lost where work is interrupted: `-m tests.faults.study` writes a table.

The table is studies/reliability.md. It takes some ten minutes on one core.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.place import CASES, prepare
from tests.support.models.small_detector import fit_detector, save_classifier

PAGE = Path(__file__).parents[2] / "studies" / "reliability.md"

TEXT = """# Reliability

What is left where work is interrupted, on a monitor with a trailing reference whose days have some
{rows} rows each. Made by

    python -m tests.faults.study --every {every}

Each case is interrupted before {which} operation on the file system: opening a file to
write it, `fsync`, giving a name (rename, link, directory) and taking one away. After each
interruption:

- every committed interval, and the detector, must be the earlier one or the new one, whole, and no
  late label may be lost;
- the next run, of another day, must leave nothing outdated: pages, the index, the names of the
  tables, labels, and what is compared with what has changed;
- the same work, done again, must give the bytes of work that was not interrupted.

A power loss is simulated by the weakest promises of POSIX: a file has the content that it had at
its last `fsync`, and of the names that have been given or taken since the last `fsync` of their
directory, either none or all are there.

| case | kills | of them with a loss | power losses | of them with a loss |
|---|---|---|---|---|
{table}
"""


def main() -> None:
    """Interrupt every case, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="interrupt every n-th operation")
    every = parser.parse_args().every
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory, "place")
        place.mkdir()
        prepare(place, fit_detector(save_classifier(Path(directory, "c.keras")), Path(directory)))
        kills = interrupt(place, every)
        losses = interrupt(place, every, "--power")
    lines = [
        f"| {case} | {kills[case][0]} | {kills[case][1]} | {losses[case][0]} | {losses[case][1]} |"
        for case in CASES
    ]
    total = [sum(numbers) for numbers in zip(*(kills[c] + losses[c] for c in CASES), strict=True)]
    lines.append("| all | " + " | ".join(map(str, total)) + " |")
    which = "every" if every == 1 else f"every {every}th"
    text = TEXT.format(rows=60, every=every, which=which, table="\n".join(lines))
    PAGE.write_text(text, encoding="utf-8")


def interrupt(place: Path, every: int, *options: str) -> dict[str, tuple[int, int]]:
    """Return the number of interruptions of each case, and of those that lost something."""
    command = [sys.executable, "-m", "tests.faults.campaign", str(place), "--every", str(every)]
    done = subprocess.run([*command, *options], check=False, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    for moment, reason in found["failed"].items():
        sys.stderr.write(f"{moment}: {reason}\n")
    return {
        case: (n, sum(moment.startswith(f"{case}, ") for moment in found["failed"]))
        for case, n in found["interruptions"].items()
    }


if __name__ == "__main__":
    main()
