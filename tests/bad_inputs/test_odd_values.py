"""Values that are no mistake and yet odd: run to a committed report, each in its place."""

import io
import struct
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift_monitor.config import load_monitor
from drift_monitor.errors import BatchError
from drift_monitor.job.run import run_interval
from tests.conftest import MakeMonitor
from tests.support.animals import SIDE, make_images, png
from tests.support.job.monitors import DAY

N = 120
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
INFINITY = 2**63 - 1


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


def palette_without_colours() -> bytes:
    """Return a PNG whose pixels name colours, with tRNS but without PLTE, which lists them."""
    rows = b"".join(b"\0" + bytes(SIDE) for _ in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 3, 0, 0, 0)
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, io.SEEK_END)
    for kind, content in ((b"IHDR", header), (b"tRNS", b"\0\1"), (b"IDAT", zlib.compress(rows))):
        file.write(chunk(kind, content))
    file.write(chunk(b"IEND", b""))
    return file.getvalue()


def odd_batch() -> pa.Table:
    images, labels = make_images(N, seed=6)
    files = [png(image) for image in images]
    files[3] = palette_without_colours()
    times = [int((NOON + timedelta(minutes=row)).timestamp() * 1e6) for row in range(N)]
    times[5], times[6] = INFINITY, -INFINITY
    times[7] = int((NOON + timedelta(days=1)).timestamp() * 1e6)
    ids = [uuid.UUID(int=row).bytes for row in range(N)]
    sites = [bytes([row % 3]) for row in range(N)]
    return pa.table(
        {
            "id": pa.array(ids, pa.binary()),
            "image": pa.array(files, pa.binary()),
            "site": pa.array(sites, pa.binary()),
            "label": pa.array(labels.astype(np.float16)),
            "served": pa.array(times, pa.timestamp("us")),
        }
    ).replace_schema_metadata({"huggingface": b"{"})


def test_odd_values_are_scored_counted_and_named(make_monitor: MakeMonitor) -> None:
    path = make_monitor(data={"timestamp": "served"})
    batch = path.parent / "batches" / f"{DAY}.parquet"
    batch.parent.mkdir()
    pq.write_table(odd_batch(), batch)
    monitor = load_monitor(path)
    report = run_interval(monitor, monitor.interval(DAY))
    counts = report.counts
    assert (counts.read, counts.scored, counts.rejected) == (N, N - 1, 1)
    assert (counts.labelled, counts.outside_interval, counts.without_time) == (N - 1, 1, 2)
    warnings = " ".join(report.detector_health.warnings)
    assert "1 of 119 scored rows have a time outside the interval (served)" in warnings
    assert "2 of 119 scored rows have no time in served" in warnings
    scores = pq.read_table(monitor.directory / "2026-11-20" / "scores.parquet")
    assert scores["row_id"][4].as_py() == str(uuid.UUID(int=5))
    assert set(scores["site"].to_pylist()) == {"00", "01", "02"}
    [rejected] = pq.read_table(monitor.directory / "2026-11-20" / "rejected.parquet").to_pylist()
    assert rejected["row"] == 3
    assert rejected["reason"].startswith("image cannot be decoded")


@pytest.mark.parametrize("column", ["id", "image", "label", "site", "served"])
def test_a_column_that_vanishes_from_the_second_file_is_named_or_missing_in_its_rows(
    make_monitor: MakeMonitor, column: str
) -> None:
    path = make_monitor(data={"timestamp": "served", "path": "batches/{date}/*.parquet"})
    directory: Path = path.parent / "batches" / f"{DAY}"
    directory.mkdir(parents=True)
    pq.write_table(odd_batch(), directory / "a.parquet")
    pq.write_table(odd_batch().drop_columns([column]), directory / "b.parquet")
    monitor = load_monitor(path)
    if column == "label":  # which may arrive later
        report = run_interval(monitor, monitor.interval(DAY))
        assert (report.counts.read, report.counts.labelled) == (2 * N, N - 1)
        return
    with pytest.raises(BatchError, match=rf"b\.parquet has no column '{column}'"):
        run_interval(monitor, monitor.interval(DAY))


def test_a_file_that_arrives_while_others_are_read_makes_the_batch_not_ready(
    make_monitor: MakeMonitor,
) -> None:
    path = make_monitor(data={"path": "batches/{date}/*.parquet"}, batch_size=16)
    directory: Path = path.parent / "batches" / f"{DAY}"
    directory.mkdir(parents=True)
    pq.write_table(odd_batch(), directory / "a.parquet")
    monitor = load_monitor(path)

    def arrive(*_: object) -> None:
        pq.write_table(odd_batch(), directory / "b.parquet")

    with pytest.raises(BatchError, match="had 1 files when it was first read, and has 2 now"):
        run_interval(monitor, monitor.interval(DAY), progress=arrive)
    assert not list(monitor.directory.glob("2026-*/report.json"))
