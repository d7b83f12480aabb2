"""Worker of `job.speed_and_memory`: the whole job and the compiled scoring loop, in one process."""

import argparse
from datetime import date

import numpy as np

from adversarial.detector.loading import load_scorer
from adversarial.runtimes.runtime import rows_per_pass
from benchmarks.workers import serve
from drift_monitor.batches.batch import Batch
from drift_monitor.config import load_monitor
from drift_monitor.job.run import run_interval


def main() -> None:
    """Load the detector and decode the rows, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("monitor", help="YAML file of the monitor")
    parser.add_argument("small_monitor", help="YAML file of a monitor of few rows, to warm up")
    parser.add_argument("date", type=date.fromisoformat, help="date of the interval")
    arguments = parser.parse_args()

    monitor = load_monitor(arguments.monitor)
    small_monitor = load_monitor(arguments.small_monitor)
    interval = monitor.interval(arguments.date)
    detector = load_scorer(
        monitor.detector, monitor.trust, runtime=monitor.runtime, precision=monitor.precision
    )
    runtime = detector.runtime
    pass_rows = monitor.batch_size or rows_per_pass(detector.input_spec.shape)

    batch = Batch(monitor.batch_path(interval), monitor.data, detector.input_spec)
    x = np.concatenate([chunk.x for chunk in batch.chunks(pass_rows)])

    def warm_up() -> int:
        run_interval(small_monitor, interval, detector=detector)
        runtime(x[:pass_rows])
        return pass_rows

    def job() -> int:
        return run_interval(monitor, interval, detector=detector).counts.scored

    def loop() -> int:
        starts = range(0, len(x), pass_rows)
        return sum(len(runtime(x[i : i + pass_rows]).scores()) for i in starts)

    serve({"warm_up": warm_up, "job": job, "loop": loop})


if __name__ == "__main__":
    main()
