"""Speed and memory of the batch job: `drift-monitor run` on PNG rows and on flat rows.

    python -m benchmarks.job.speed_and_memory

Speed: for each kind of rows one process, started up and warmed up, takes turns between the whole
job (read and hash the Parquet file, decode, score, judge, write tables and page, publish), the same
job by a detector that looks at no inputs (no novelty, no descriptors or columns), and the bare
scoring loop of the same runtime on the same rows, decoded beforehand. Flat rows are scored so fast
that reading them counts: there, PyArrow reading their columns is added to the loop. What novelty
and the tests of inputs cost is timed by itself.

Memory: the peak of the command `drift-monitor run` on many flat rows and on a tenth of them.

The PNG rows are the images of --images over and over; flat rows are drawn, and a small classifier
and its detector are trained on others. Each row has an id, a logged prediction and a label.
"""

import argparse
import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.images import DIRECTORY
from benchmarks.job.batches import DATE, flat_monitor, image_monitor, without_inputs
from benchmarks.processes import Cost, run_process
from benchmarks.record import RESULTS, ratios, verdict, write_record
from benchmarks.workers import Worker

WARM_UP_ROWS = 1_000
TASKS = ("job", "bare_job", "loop", "read", "novelty", "input_tests")
MEMORY_TARGET = 1.1


class Goal(NamedTuple):
    """A ratio of two sums of tasks' seconds, and what it is to be."""

    name: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    target: float
    is_least: bool = True
    """Whether it is to be at least the target, or at most."""


class Case(NamedTuple):
    """A kind of rows."""

    name: str
    goals: tuple[Goal, ...]


IMAGES = Case(
    "PNG",
    (
        Goal("the bare loop's time by the job's, no inputs", ("loop",), ("bare_job",), 0.9),
        Goal("the bare loop's time by the job's", ("loop",), ("job",), 0.78),
        Goal("novelty by the loop", ("novelty",), ("loop",), 0.15, is_least=False),
    ),
)
FLAT = Case(
    "flat",
    (
        Goal("reading and the loop by the job, no inputs", ("read", "loop"), ("bare_job",), 0.7),
        Goal("reading and the loop by the job", ("read", "loop"), ("job",), 0.45),
        Goal("novelty by the loop", ("novelty",), ("loop",), 1.0, is_least=False),
        Goal("tests of inputs by the job", ("input_tests",), ("job",), 0.1, is_least=False),
    ),
)


class Speed(NamedTuple):
    """Rounds of one kind of rows."""

    rows: int
    rows_per_pass: int
    scored_by: str
    """Runtime and precision."""
    seconds: dict[str, list[float]]
    """Of each round, by task."""


def measure_speed(monitors: list[Path], rows: int, rounds: int) -> Speed:
    """Time the tasks in turn."""
    command = [sys.executable, "-m", "benchmarks.job.worker", *map(str, monitors), DATE]
    seconds: dict[str, list[float]] = {task: [] for task in TASKS}
    with Worker(command) as worker:
        about = worker.ask("warm_up").value
        for turn in range(rounds):
            for task in TASKS:
                answer = worker.ask(task)
                if task != "novelty" and answer.value != rows:
                    raise SystemExit(f"{task} saw {answer.value:,} of {rows:,} rows")
                seconds[task].append(answer.value if task == "novelty" else answer.seconds)
            times = ", ".join(f"{task} {each[-1]:.2f} s" for task, each in seconds.items())
            print(f"round {turn + 1}: {times}", file=sys.stderr)
    return Speed(rows, about["rows_per_pass"], about["scored_by"], seconds)


def recorded(case: Case) -> Speed:
    """Return what the record says of a kind of rows."""
    figures = json.loads((RESULTS / "job.json").read_text(encoding="utf-8"))[case.name]
    return Speed(**{name: figures[name] for name in Speed._fields})


def judge(case: Case, speed: Speed) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the lines and the figures of a case."""

    def sums(tasks: tuple[str, ...]) -> list[float]:
        return [sum(turn) for turn in zip(*(speed.seconds[task] for task in tasks), strict=True)]

    lines = [
        f"{speed.rows:,} {case.name} rows after start-up, {speed.rows_per_pass:,} to a pass, "
        f"{speed.scored_by}; median of {len(speed.seconds['job'])} rounds, taken in turn",
        "",
        f"{'':46}{'seconds':>9}{'rows/s':>12}",
    ]
    words = {
        "job": "whole job",
        "bare_job": "whole job, no novelty and no tests of inputs",
        "loop": "bare scoring loop",
        "read": "PyArrow reading the columns",
        "novelty": "novelty",
        "input_tests": "tests of inputs",
    }
    for task, name in words.items():
        middle = statistics.median(speed.seconds[task])
        lines.append(f"{name:46}{middle:9.2f}{speed.rows / middle:12,.0f}")
    lines += ["", f"{'':46}{'median (least to greatest)':>28}{'goal':>9}"]
    figures = []
    for goal in case.goals:
        found = ratios(sums(goal.numerator), sums(goal.denominator))
        beyond = found.median - goal.target
        reached = beyond >= 0 if goal.is_least else beyond <= 0
        sign = "≥" if goal.is_least else "≤"
        lines.append(
            f"{goal.name:46}{found!s:>28}{f'{sign} {goal.target:g}':>9} {verdict(reached)}"
        )
        figures.append(
            {"name": goal.name, "target": goal.target, "is_least": goal.is_least}
            | found._asdict()
            | {"reached": reached}
        )
    return lines, figures


def run_command(monitor: Path, rows: int) -> Cost:
    """Run `drift-monitor run` once and return what it took.

    Raises
    ------
    CalledProcessError
        If the command fails.
    """
    program = Path(sys.executable).with_name("drift-monitor")
    print(f"drift-monitor run on {rows:,} rows", file=sys.stderr)
    return run_process([str(program), "run", str(monitor), "--date", DATE])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--images", type=Path, default=Path("examples/fashion_mnist/test.parquet"))
    parser.add_argument("--rows", type=int, default=100_000, help="PNG rows")
    parser.add_argument("--flat-rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only-flat", action="store_true", help="leave what the record says of PNG rows as it is"
    )
    arguments = parser.parse_args()
    rows: int = arguments.rows
    flat_rows: int = arguments.flat_rows

    directory = DIRECTORY / "flat"
    flat_detector = directory / "flat-detector"
    if not flat_detector.exists():
        command = [sys.executable, "-m", "benchmarks.job.flat_detector", str(directory)]
        subprocess.run(command, check=True, stdout=sys.stderr)

    lines: list[str] = []
    figures: dict[str, Any] = {}
    make_images = partial(image_monitor, arguments.images)
    for case, detector, n, make in (
        (IMAGES, arguments.detector, rows, make_images),
        (FLAT, flat_detector, flat_rows, flat_monitor),
    ):
        if case is IMAGES and arguments.only_flat:
            speed = recorded(case)
        else:
            monitors = [
                make(detector, n, f"{case.name}-job"),
                make(without_inputs(detector), n, f"{case.name}-bare"),
                make(detector, WARM_UP_ROWS, f"{case.name}-warm-up"),
            ]
            speed = measure_speed(monitors, n, arguments.rounds)
        text, goals = judge(case, speed)
        lines += [*text, ""]
        figures[case.name] = {**speed._asdict(), "goals": goals}

    runs = {
        n: run_command(flat_monitor(flat_detector, n, f"flat-{n}"), n)
        for n in (flat_rows // 10, flat_rows)
    }
    small, large = runs.values()
    growth = large.peak_mib / small.peak_mib
    lines += [
        "drift-monitor run on flat rows, the whole process",
        "",
        f"{'rows':>10}{'seconds':>10}{'peak MiB':>10}",
        *(f"{n:10,}{run.seconds:10.1f}{run.peak_mib:10,.0f}" for n, run in runs.items()),
        "",
        f"Peak memory grows {growth:.2f} times. Goal ≤ {MEMORY_TARGET}: "
        f"{verdict(growth <= MEMORY_TARGET)}.",
    ]
    figures["runs"] = [{"rows": n} | run._asdict() for n, run in runs.items()]
    figures |= {
        "memory_growth": growth,
        "memory_target": MEMORY_TARGET,
        "memory_reached": growth <= MEMORY_TARGET,
    }
    write_record("job", "\n".join(lines), figures)


if __name__ == "__main__":
    main()
