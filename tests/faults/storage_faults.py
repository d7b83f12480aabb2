"""Let a storage fail at each request of a job, and say what becomes of it.

    python -m tests.faults.storage_faults [--every N]

One storage serves a batch over HTTP; the other, with S3's interface, keeps results. Each fault must
be overcome by asking again, or be named as one that may pass, with the URL; and the same work, done
again once the storage answers, must give what it would have given.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.errors import TransientError
from adversarial.storage import object_folder
from drift_monitor.batches import parquet_files, remote_files
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource
from tests.faults import mirror
from tests.faults.place import DAYS, FIRST, prepare, run, state_of
from tests.support.fault_server import Fault, FaultServer, serve
from tests.support.models.small_detector import fit_detector, save_classifier
from tests.support.s3_server import s3_server

FAULTS: tuple[Fault, ...] = ("500", "503", "403", "hang up", "cut")
TIMES = (1, 3, 1_000)
"""Requests that fail in a row; the last number is for a storage that does not recover."""
PATIENCE_SECONDS = 0.5
"""How long a request is repeated; minutes in production."""


def main() -> None:
    """Count the faults of both storages and print them as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="let every n-th request fail")
    every = parser.parse_args().every
    counts: dict[str, dict[str, int]] = {}
    failed: dict[str, str] = {}
    for name, storage in (("batch over HTTP", batch_storage), ("results on S3", result_storage)):
        counts[name] = {"overcome": 0, "named": 0}
        with tempfile.TemporaryDirectory() as directory, storage(Path(directory)) as (server, work):
            for moment, outcome in trials(server, work, every):
                if outcome in counts[name]:
                    counts[name][outcome] += 1
                else:
                    failed[f"{name}, {moment}"] = outcome
                sys.stderr.write(f"{name}, {moment}: {outcome}\n")
    sys.stdout.write(json.dumps({"faults": counts, "failed": failed}) + "\n")
    sys.exit(bool(failed))


class Work(NamedTuple):
    """Something to do with a storage: make it as it was, do it, and look at what is there."""

    reset: Callable[[], None]
    do: Callable[[], object]
    look: Callable[[], object]


def trials(server: FaultServer, work: Work, every: int) -> Iterator[tuple[str, str]]:
    """Yield each moment at which the storage fails, and what becomes of the work."""
    work.reset()
    server.asked.clear()
    expected, n = work.do(), len(server.asked)
    expected = expected or work.look()
    for after, fault, times in itertools.product(range(0, n, every), FAULTS, TIMES):
        work.reset()
        server.fault, server.after, server.times = fault, after, times
        outcome, found = "overcome", None
        try:
            found = work.do()
        except TransientError as error:
            is_named = server.url in str(error) or "s3://" in str(error)
            outcome = "named" if is_named else f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - counted
            outcome = f"{type(error).__name__}: {error}"
        server.fault = None
        if outcome != "overcome":
            found = work.do()
        if (found or work.look()) != expected:
            outcome = "another result"
        yield f"request {after + 1} of {n}, {fault}, {times} times", outcome


@contextmanager
def batch_storage(directory: Path) -> Iterator[tuple[FaultServer, Work]]:
    """Serve a batch of several blocks; the work is to read it."""
    table = pa.table({"a": np.random.default_rng(0).random(4_000)})
    pq.write_table(table, directory / "a.parquet", row_group_size=1_000, use_dictionary=False)
    parquet_files.FIRST_WAIT = 0.01
    remote_files.BLOCK_BYTES, remote_files.FOOTER_BYTES = 4_000, 2_000

    with serve() as server:
        server.files["/a.parquet"] = (directory / "a.parquet").read_bytes()

        def read() -> object:
            [file] = find_files(f"{server.url}/a.parquet", retry_seconds=PATIENCE_SECONDS)
            return ParquetSource(file, PATIENCE_SECONDS).read(["a"])

        yield server, Work(lambda: None, read, lambda: None)


@contextmanager
def result_storage(directory: Path) -> Iterator[tuple[FaultServer, Work]]:
    """Keep results on a store; the work is to judge and publish a day."""
    object_folder.PATIENCE |= {
        "retry_timeout": timedelta(seconds=PATIENCE_SECONDS),
        "backoff": {
            "init_backoff": timedelta(milliseconds=5),
            "max_backoff": timedelta(milliseconds=20),
            "base": 2,
        },
    }
    place, kept = directory / "place", directory / "kept"
    place.mkdir()
    bundle = fit_detector(save_classifier(directory / "classifier.keras"), directory)
    with s3_server() as bucket, serve() as server:
        os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
        prepare(place, bundle, bucket)
        mirror.download(bucket, kept)
        server.upstream = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
        os.environ["AWS_ENDPOINT_URL"] = server.url
        object_folder.open_bucket.cache_clear()
        yield (
            server,
            Work(
                partial(mirror.upload, kept, bucket),
                partial(run, place, DAYS[0], FIRST),
                partial(state_of, place),
            ),
        )


if __name__ == "__main__":
    main()
