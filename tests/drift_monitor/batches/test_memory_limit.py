"""Batches larger than memory in few bytes, and rows that are too large."""

import io
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig
from tests.support.batches import GREY, encode, random_pixels

MIB = 1 << 20


def shared(value: bytes, rows: int) -> pa.Array:
    """Return a column of one value that all rows share."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def write(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(
        pa.table(columns),
        path,
        compression="zstd",
        dictionary_pagesize_limit=1 << 30,
        store_schema=False,
    )
    return path


MEASURED = """
import resource, sys
from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig
data = DataConfig(path=sys.argv[1], input="x", row_id=sys.argv[2] or None)
batch = Batch(data.path, data, InputSpec(shape=(4, 3, 1)), 512 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
n = 0
for chunk in batch.chunks(512):
    assert not len(chunk.x)
    n += len(chunk.rejected)
print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("row_id", ["", "id"])
def test_rows_that_share_a_large_value_do_not_repeat_it_in_memory(
    row_id: str, tmp_path: Path
) -> None:
    image = encode(random_pixels(4, 3)) if row_id else bytes(8_000_000)
    columns = {"x": shared(image, 1_000)}
    if row_id:
        columns["id"] = shared(b"a" * 8_000_000, 1_000)
    path = write(tmp_path / "x.parquet", **columns)
    assert path.stat().st_size < 20_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), row_id],
        check=True,
        capture_output=True,
        text=True,
    )
    n, kibibytes = map(int, done.stdout.split())
    assert n == 1_000
    assert kibibytes < 512 * 1024


def test_a_row_beyond_the_limit_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    small = [encode(image) for image in random_pixels(6, 4, 3, 1)]
    files = [*small[:3], small[0] + bytes(2 * MIB), *small[3:]]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array(files)}), path)
    batch = Batch(str(path), DataConfig(path=str(path), input="x"), GREY, 16 * MIB)
    chunks = list(batch.chunks(512))
    assert [row for chunk in chunks for row in chunk.rows] == [0, 1, 2, 4, 5, 6]
    [rejected] = [row for chunk in chunks for row in chunk.rejected]
    assert rejected.row == 3
    assert rejected.reason.startswith(f"row takes {len(files[3]):,} bytes, more than the 1,048,576")


@pytest.mark.parametrize("column", ["id", "site"])
def test_an_endless_id_or_segment_is_a_rejected_row(column: str, tmp_path: Path) -> None:
    texts = ["a", "b" * 5_000, None]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0], column: texts}), path)
    data = DataConfig(
        path=str(path),
        input=["a"],
        row_id=column if column == "id" else None,
        segments=[column] if column == "site" else [],
    )
    [chunk] = Batch(str(path), data, InputSpec(shape=(1,))).chunks(10)
    assert chunk.rows.tolist() == [0, 2]
    assert [(row.row, row.reason) for row in chunk.rejected] == [
        (1, f"{column} takes 5,000 bytes, expected at most 4,096")
    ]


def test_chunks_have_fewer_rows_where_rows_are_large(tmp_path: Path) -> None:
    spec = InputSpec(shape=(64, 64, 3))
    pixels = random_pixels(40, 64, 64, 3)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array([encode(image) for image in pixels])}), path)
    batch = Batch(str(path), DataConfig(path=str(path), input="x"), spec, 8 * MIB)
    chunks = list(batch.chunks(512))
    assert max(len(chunk.x) for chunk in chunks) * 9 * 64 * 64 * 3 <= 8 * MIB // 16
    assert sum(len(chunk.x) for chunk in chunks) == 40


def test_an_image_is_refused_by_its_header_before_it_has_pixels(tmp_path: Path) -> None:
    """The header promises 30,000 × 30,000 pixels, 2.7 GB in colour."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    buffer = io.BytesIO()
    Image.new("RGB", (3, 4)).save(buffer, "png")
    content = bytearray(buffer.getvalue())
    content[16:29] = header
    content[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array([bytes(content)])}), path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    [chunk] = Batch(str(path), DataConfig(path=str(path), input="x"), GREY).chunks(1)
    assert len(chunk.rejected) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
