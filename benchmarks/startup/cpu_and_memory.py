"""CPU seconds and memory of short processes: the first scored rows, a small batch, each command.

    python -m benchmarks.startup.cpu_and_memory

A daily batch is small, so that a job spends more on starting than on scoring. Processes take turns:
from their start to 512 scored rows by OpenVINO and by TensorFlow, and `drift-monitor run` on 1,000
PNG rows beside importing TensorFlow and nothing else. What the guard measures is remembered before,
as it is on every day but the first. All this twice: with Python's bytecode at hand, as pip leaves
it and a second start finds it, and from sources, as in a container whose image has none. Then the
commands that read results run, with bytecode.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.images import DIRECTORY, read_pixels, write_array
from benchmarks.job.batches import DATE, REPORTS, image_monitor
from benchmarks.processes import Cost, run_process
from benchmarks.record import Ratios, ratios, verdict, write_record

FIRST_ROWS = 512
BATCH_ROWS = 1_000
CPU_TARGET = 8.0
MEMORY_TARGET = 0.35
RUN_TARGET = 0.5

FIRST = f"first {FIRST_ROWS} rows, "
RUN, IMPORT = "drift-monitor run", "import tensorflow"

COMPILED, SOURCES = "bytecode at hand", "from sources"
BYTECODE = {COMPILED: "", SOURCES: "1"}
"""What `PYTHONDONTWRITEBYTECODE` is set to: an empty text counts as no setting."""


def program(name: str, *words: object) -> list[str]:
    """Return the command line of one of the project's programs."""
    return [str(Path(sys.executable).with_name(name)), *map(str, words)]


def in_turn(
    commands: Mapping[str, Sequence[str]], rounds: int, start: str = COMPILED
) -> dict[str, list[Cost]]:
    """Run the commands one after the other, round by round."""
    cache = (DIRECTORY / "cache").resolve()
    environment = {
        "XDG_CACHE_HOME": str(cache),
        "PYTHONDONTWRITEBYTECODE": BYTECODE[start],
        "PYTHONPYCACHEPREFIX": str(cache / start.replace(" ", "-")),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            cost = run_process(command, environment)
            print(f"{start}, {turn}: {name} {cost.cpu_seconds:.2f} s", file=sys.stderr)
            if turn:  # the first round fills the caches of files, of bytecode and of the guard
                costs[name].append(cost)
    return costs


def of(costs: list[Cost], what: Callable[[Cost], float]) -> list[float]:
    """Return one of the figures of each round."""
    return [what(cost) for cost in costs]


def commands_of(monitor: Path, detector: Path, labels: Path) -> dict[str, list[str]]:
    """Return the commands that read what a run has committed, and the one that adds labels."""
    result = REPORTS.resolve() / monitor.stem / DATE
    of_the_day = ["--start", DATE, "--end", DATE]
    return {
        "drift-monitor --help": program("drift-monitor", "--help"),
        "drift-monitor validate": program("drift-monitor", "validate", monitor, "--date", DATE),
        "drift-monitor rows": program("drift-monitor", "rows", monitor, "--date", DATE),
        "drift-monitor export": program("drift-monitor", "export", monitor),
        "drift-monitor compare": program("drift-monitor", "compare", result, result),
        "drift-monitor report": program("drift-monitor", "report", monitor),
        "drift-monitor labels": program(
            "drift-monitor", "labels", monitor, "--labels", labels, *of_the_day
        ),
        "adversarial inspect": program("adversarial", "inspect", detector),
        "reading a DAG's monitor": [
            *(sys.executable, "-c"),
            f"from drift_monitor.config import load_monitor; load_monitor({str(monitor)!r})",
        ],
    }


def compare(costs: Mapping[str, list[Cost]]) -> dict[str, Ratios]:
    """Return the ratios that have a target."""
    ours, theirs = costs[FIRST + "OpenVINO"], costs[FIRST + "TensorFlow"]
    return {
        "cpu": ratios(*(of(side, lambda cost: cost.cpu_seconds) for side in (theirs, ours))),
        "memory": ratios(*(of(side, lambda cost: cost.peak_mib) for side in (ours, theirs))),
        "run": ratios(
            of(costs[RUN], lambda cost: cost.cpu_seconds),
            of(costs[IMPORT], lambda cost: cost.cpu_seconds),
        ),
    }


def table(title: str, costs: Mapping[str, list[Cost]]) -> list[str]:
    """Return the lines of what processes took."""
    lines = [f"{title:38}{'CPU s':>8}{'wall s':>8}{'peak MiB':>10}"]
    for name, each in costs.items():
        middle = [sorted(values)[len(values) // 2] for values in zip(*each, strict=True)]
        lines.append(f"{name:38}{middle[1]:8.2f}{middle[0]:8.2f}{middle[2]:10,.0f}")
    return [*lines, ""]


def verdicts(found: Mapping[str, Ratios]) -> list[str]:
    """Return the lines that hold ratios against their targets."""
    return [
        f"First {FIRST_ROWS} rows by OpenVINO: {found['cpu']} times less CPU than by TensorFlow.",
        f"Target {CPU_TARGET}: {verdict(found['cpu'].median >= CPU_TARGET)}.",
        f"Memory {found['memory']} of TensorFlow's.",
        f"Target {MEMORY_TARGET}: {verdict(found['memory'].median <= MEMORY_TARGET)}.",
        f"{RUN} of {BATCH_ROWS:,} rows: {found['run']} of the CPU of importing TensorFlow.",
        f"Target {RUN_TARGET}: {verdict(found['run'].median <= RUN_TARGET)}.",
        "",
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--images", type=Path, default=Path("examples/fashion_mnist/test.parquet"))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    pixels = read_pixels(arguments.images)[:FIRST_ROWS]
    rows = write_array("startup", pixels)
    monitor = image_monitor(arguments.images, arguments.detector, BATCH_ROWS, "startup")
    worker = [sys.executable, "-m", "benchmarks.startup.first_rows", str(arguments.detector)]
    commands = {
        FIRST + "OpenVINO": [*worker, str(rows), "openvino"],
        FIRST + "TensorFlow": [*worker, str(rows), "tensorflow"],
        RUN: program("drift-monitor", "run", monitor, "--date", DATE),
        IMPORT: [sys.executable, "-c", "import tensorflow"],
    }
    lines = [f"Whole processes; median of {arguments.rounds} rounds, taken in turn", ""]
    measured: dict[str, dict[str, list[Cost]]] = {}
    found: dict[str, dict[str, Ratios]] = {}
    for start in BYTECODE:
        measured[start] = in_turn(commands, arguments.rounds, start)
        found[start] = compare(measured[start])
        lines += [*table(start, measured[start]), *verdicts(found[start])]
    results = DIRECTORY / f"images-{BATCH_ROWS}"
    others = in_turn(commands_of(monitor, arguments.detector, results), arguments.rounds)
    lines += table(f"commands, {COMPILED}", others)
    measured[COMPILED] |= others
    figures: dict[str, Any] = {
        "first_rows": FIRST_ROWS,
        "batch_rows": BATCH_ROWS,
        "costs": {
            start: {name: [cost._asdict() for cost in each] for name, each in costs.items()}
            for start, costs in measured.items()
        },
        "ratios": {
            start: {name: ratio._asdict() for name, ratio in each.items()}
            for start, each in found.items()
        },
        "targets": {"cpu": CPU_TARGET, "memory": MEMORY_TARGET, "run": RUN_TARGET},
    }
    write_record("startup", "\n".join(lines[:-1]), figures)


if __name__ == "__main__":
    main()
