"""Worker of `job.speed_and_memory`: whole jobs and the bare scoring loop, in one process."""

import argparse
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from adversarial.detector.loading import load_scorer
from adversarial.runtimes.runtime import rows_per_pass
from benchmarks.workers import serve
from drift_monitor.analysis.input_tests import find_moved_inputs
from drift_monitor.batches.batch import Batch
from drift_monitor.config import load_monitor
from drift_monitor.job.run import run_interval
from drift_monitor.scoring.input_summary import summary_for


def main() -> None:
    """Load the detectors and decode the rows, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("monitor", type=Path, help="YAML file of the monitor")
    parser.add_argument("bare_monitor", type=Path, help="of one that looks at no inputs")
    parser.add_argument("small_monitor", type=Path, help="of one of few rows, to warm up")
    parser.add_argument("date", type=date.fromisoformat, help="date of the interval")
    arguments = parser.parse_args()

    monitor, bare, small = (
        load_monitor(path)
        for path in (arguments.monitor, arguments.bare_monitor, arguments.small_monitor)
    )
    interval = monitor.interval(arguments.date)
    scorer = load_scorer(
        monitor.detector, monitor.trust, runtime=monitor.runtime, precision=monitor.precision
    )
    bare_scorer = load_scorer(
        bare.detector, bare.trust, runtime=bare.runtime, precision=bare.precision
    )
    if scorer.scored_by.precision != bare_scorer.scored_by.precision:
        raise SystemExit("the two detectors are scored in two precisions: nothing is compared")
    runtime, spec = scorer.runtime, scorer.input_spec
    pass_rows = rows_per_pass(spec.shape)
    path = monitor.batch_path(interval)
    batch = Batch(path, monitor.data, spec)
    chunks = list(batch.chunks(pass_rows))
    index = scorer.calibration.novelty
    reference = scorer.calibration.reference_inputs
    if index is None or reference is None:
        raise SystemExit(f"{monitor.detector} has no index of novelty: renew its reference")

    def warm_up() -> dict[str, object]:
        run_interval(small, interval, detector=scorer)
        runtime(chunks[0].x)
        return {"rows_per_pass": pass_rows, "scored_by": scorer.scored_by.describe()}

    def job() -> int:
        return run_interval(monitor, interval, detector=scorer).counts.scored

    def bare_job() -> int:
        return run_interval(bare, interval, detector=bare_scorer).counts.scored

    def loop() -> int:
        return sum(len(runtime(chunk.x).scores()) for chunk in chunks)

    def read() -> int:
        return len(pq.read_table(path, columns=monitor.data.input_columns))

    def novelty() -> float:
        """Return the seconds that the novelty of all rows takes beside their scores."""
        seconds = 0.0
        with threadpool_limits(1, "blas"):  # as in `score_batch`
            for chunk in chunks:
                features = runtime(chunk.x).features
                started = time.perf_counter()
                index.novelty(index.description(chunk.x, features))
                seconds += time.perf_counter() - started
        return seconds

    def input_tests() -> int:
        inputs = summary_for(reference, spec, files=batch.has_image_files)
        if inputs is None:
            raise SystemExit("the detector's reference has other inputs than the batch")
        for chunk in chunks:
            inputs.add(chunk)
        find_moved_inputs(inputs, spec, monitor.policy)
        return inputs.n

    serve(
        {
            "warm_up": warm_up,
            "job": job,
            "bare_job": bare_job,
            "loop": loop,
            "read": read,
            "novelty": novelty,
            "input_tests": input_tests,
        }
    )


if __name__ == "__main__":
    main()
