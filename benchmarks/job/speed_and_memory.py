"""Speed and memory of the batch job: `drift-monitor run` on PNG rows.

    python -m benchmarks.job.speed_and_memory

Speed: one process, started up and warmed up, takes turns between the whole job (read and hash the
Parquet file, decode the PNGs, score, judge, write tables and page, publish) and the compiled
scoring loop alone on the same rows, decoded beforehand. The job's share of the loop's speed says
what everything around the scoring costs.

Memory: the peak of the command `drift-monitor run` on a batch and on one four times as large.

The rows are the images of --images over and over, each with an id, a logged prediction and a label.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.processes import run_process
from benchmarks.record import Ratios, ratios, verdict, write_record
from benchmarks.workers import Worker

DATE = "2026-11-20"
ROW_GROUP_ROWS = 1_000
DIRECTORY = Path("build/bench")
SPEED_TARGET = 0.8
MEMORY_TARGET = 1.15
WARM_UP_ROWS = 1_000
N_CLASSES = 10
WRONG_EVERY = 12
"""Every twelfth logged prediction is another class than the label."""


class Speed(NamedTuple):
    """Rounds of the job and of the loop."""

    rows_per_pass: int
    """Batch size of both."""
    job: list[float]
    """Seconds of each round."""
    loop: list[float]


class Run(NamedTuple):
    """One run of the command."""

    rows: int
    seconds: float
    peak_mib: float
    """Largest resident set."""


def write_monitor(images: Path, detector: Path, rows: int) -> Path:
    """Write a batch of `rows` rows and a monitor for it, and return the monitor's YAML file."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    batch = (DIRECTORY / f"rows-{rows}.parquet").resolve()
    writer: pq.ParquetWriter | None = None
    for table in batch_tables(images, rows):
        writer = writer or pq.ParquetWriter(batch, table.schema)
        writer.write_table(table, ROW_GROUP_ROWS)
    if writer:
        writer.close()

    monitor = {
        "name": f"bench-{rows}",
        "detector": str(detector.resolve()),
        "reports": str((DIRECTORY / "reports").resolve()),
        "data": {
            "path": str(batch),
            "input": "image",
            "row_id": "request_id",
            "prediction": "prediction",
            "label": "label",
        },
    }
    path = DIRECTORY / f"bench-{rows}.yaml"
    path.write_text(yaml.safe_dump(monitor, sort_keys=False), encoding="utf-8")
    return path


def batch_tables(images: Path, rows: int) -> Iterator[pa.Table]:
    """Yield the batch, at most one copy of the images at a time."""
    source = pq.read_table(images, columns=["image", "label"]).replace_schema_metadata()
    for start in range(0, rows, len(source)):
        part = source.slice(0, rows - start)
        ids = np.arange(start, start + len(part))
        label = part["label"].to_numpy()
        prediction = np.where(ids % WRONG_EVERY, label, (label + 1) % N_CLASSES)
        yield pa.table(
            {
                "image": part["image"],
                "request_id": [f"request-{i:08d}" for i in ids],
                "prediction": prediction,
                "label": label,
            }
        )


def run_command(monitor: Path, rows: int) -> Run:
    """Run `drift-monitor run` once and return what it took.

    Raises
    ------
    CalledProcessError
        If the command fails.
    """
    program = Path(sys.executable).with_name("drift-monitor")
    command = [str(program), "run", str(monitor), "--date", DATE]
    print(f"drift-monitor run on {rows:,} rows", file=sys.stderr)
    cost = run_process(command)
    return Run(rows, cost.seconds, cost.peak_mib)


def measure_speed(monitor: Path, small_monitor: Path, rows: int, rounds: int) -> Speed:
    """Time the job and the loop in turn."""
    inputs = [str(monitor), str(small_monitor), DATE]
    command = [sys.executable, "-m", "benchmarks.job.worker", *inputs]
    with Worker(command) as worker:
        speed = Speed(worker.ask("warm_up").value, [], [])
        for turn in range(rounds):
            for task, seconds in (("job", speed.job), ("loop", speed.loop)):
                answer = worker.ask(task)
                if answer.value != rows:
                    raise SystemExit(f"{task} scored {answer.value:,} of {rows:,} rows")
                seconds.append(answer.seconds)
            print(
                f"round {turn + 1}: {speed.job[-1]:.1f} s, {speed.loop[-1]:.1f} s", file=sys.stderr
            )
    return speed


def table(speed: Speed, share: Ratios, small: Run, large: Run, growth: float) -> str:
    """Return the text of the result."""
    rows = small.rows
    lines = [
        f"{rows:,} PNG rows after start-up, {speed.rows_per_pass} rows to a pass; median of "
        f"{len(speed.job)} rounds, taken in turn",
        "",
        f"{'':30}{'rows/s':>10}",
        f"{'whole job':30}{rows / statistics.median(speed.job):10,.0f}",
        f"{'compiled scoring loop alone':30}{rows / statistics.median(speed.loop):10,.0f}",
        "",
        f"The job runs at {share} of the loop's speed: median of the rounds' ratios (least to "
        "greatest).",
        f"Target {SPEED_TARGET}: {verdict(share.median >= SPEED_TARGET)}.",
        "",
        "drift-monitor run, the whole process",
        "",
        f"{'rows':>10}{'seconds':>10}{'peak MiB':>10}",
        *(f"{run.rows:10,}{run.seconds:10,.0f}{run.peak_mib:10,.0f}" for run in (small, large)),
        "",
        f"Peak memory grows {growth:.2f} times from {small.rows:,} to {large.rows:,} rows.",
        f"Target {MEMORY_TARGET}: {verdict(growth <= MEMORY_TARGET)}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--images", type=Path, default=Path("examples/fashion_mnist/test.parquet"))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--large-rows", type=int, default=400_000, help="rows for the memory")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows: int = arguments.rows

    monitor = write_monitor(arguments.images, arguments.detector, rows)
    large_monitor = write_monitor(arguments.images, arguments.detector, arguments.large_rows)
    small = run_command(monitor, rows)
    large = run_command(large_monitor, arguments.large_rows)
    growth = large.peak_mib / small.peak_mib
    small_monitor = write_monitor(arguments.images, arguments.detector, WARM_UP_ROWS)
    speed = measure_speed(monitor, small_monitor, rows, arguments.rounds)
    share = ratios(speed.loop, speed.job)

    figures: dict[str, Any] = {
        "rows": rows,
        "rows_per_pass": speed.rows_per_pass,
        "job_seconds": speed.job,
        "loop_seconds": speed.loop,
        "share": share._asdict(),
        "share_target": SPEED_TARGET,
        "share_reached": share.median >= SPEED_TARGET,
        "runs": [small._asdict(), large._asdict()],
        "memory_growth": growth,
        "memory_target": MEMORY_TARGET,
        "memory_reached": growth <= MEMORY_TARGET,
    }
    write_record("job", table(speed, share, small, large, growth), figures)


if __name__ == "__main__":
    main()
