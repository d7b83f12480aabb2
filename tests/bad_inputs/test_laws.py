"""Laws of every batch: scored + rejected = read, in order, and alike however it is cut."""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig
from tests.support.batches import encode, random_pixels, tensor_column

SHAPE = (4, 3, 1)
MEMORY = 1 << 24
PIXELS = random_pixels(12, *SHAPE)

good_image = st.integers(0, 11).map(lambda number: encode(PIXELS[number]))
bad_image = st.sampled_from([None, b"", b"GIF89a", encode(random_pixels(5, 3)), bytes(2 << 20)])
number = st.none() | st.floats(width=32) | st.integers(-5, 5).map(float)
values = st.lists(st.floats(-1, 1, width=32), min_size=12, max_size=12)
any_list = st.none() | values | st.lists(number, max_size=13)
row_id = st.none() | st.text(max_size=3) | st.just("x" * 5_000)


class Layout(NamedTuple):
    """How rows hold their input: a column's type and the values that it may have."""

    kind: pa.DataType
    cells: st.SearchStrategy[Any]


LAYOUTS = [
    Layout(pa.binary(), good_image | bad_image),
    Layout(
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        st.builds(lambda file: {"bytes": file, "path": "a.png"}, good_image | bad_image),
    ),
    Layout(pa.list_(pa.float32()), any_list),
    Layout(pa.list_(pa.float32(), 12), st.none() | values),
]


@st.composite
def batches(draw: st.DrawFn) -> pa.Table:
    layout = draw(st.sampled_from(LAYOUTS))
    rows = draw(st.lists(st.tuples(layout.cells, row_id), min_size=1, max_size=25))
    cells, ids = zip(*rows, strict=True)
    table = pa.table({"x": pa.array(cells, layout.kind), "id": pa.array(ids, pa.string())})
    return table.append_column("n", pa.array(range(len(table))))


class Found(NamedTuple):
    """What reading a batch gives, by the rows' numbers in the whole batch."""

    scored: list[int]
    x: NDArray[np.float32]
    ids: list[str | None]
    rejected: list[tuple[int, str]]


def read(files: Sequence[Path], size: int) -> Found:
    path = str(files[0].parent / "*.parquet")
    data = DataConfig(path=path, input="x", shape=list(SHAPE), row_id="id", segments=["n"])
    batch = Batch(path, data, InputSpec(shape=SHAPE), MEMORY)
    chunks = list(batch.chunks(size))
    first = batch.first_rows
    assert [file.rows for file in batch.files()] == list(batch.rows_of.values())
    assert all(len(chunk.rows) + len(chunk.rejected) <= size for chunk in chunks)
    return Found(
        scored=[first[chunk.file] + int(row) for chunk in chunks for row in chunk.rows],
        x=np.concatenate([chunk.x for chunk in chunks]),
        ids=[value for chunk in chunks for value in chunk.columns["id"].to_pylist()],
        rejected=[
            (first[row.file] + row.row, row.reason) for chunk in chunks for row in chunk.rejected
        ],
    )


def write(directory: Path, table: pa.Table, cuts: Sequence[int], row_group: int) -> list[Path]:
    files = []
    for part, (start, stop) in enumerate(pairwise([0, *sorted(cuts), len(table)])):
        files.append(directory / f"{part:03d}.parquet")
        pq.write_table(table.slice(start, stop - start), files[-1], row_group_size=row_group)
    return files


def assert_same(one: Found, other: Found) -> None:
    assert (one.scored, one.ids, one.rejected) == (other.scored, other.ids, other.rejected)
    np.testing.assert_array_equal(one.x, other.x)


@settings(max_examples=60)
@given(
    table=batches(),
    cuts=st.lists(st.integers(0, 25), max_size=3),
    row_group=st.integers(1, 30),
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_every_row_is_scored_or_rejected_in_order_and_alike_however_the_batch_is_cut(
    table: pa.Table, cuts: list[int], row_group: int, sizes: tuple[int, int]
) -> None:
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as cut:
        [file] = write(Path(whole), table, [], 1_000)
        parts = write(Path(cut), table, [min(at, len(table)) for at in cuts], row_group)
        first = read([file], sizes[0])
        assert_same(read([file], sizes[0]), first)
        assert_same(read(parts, sizes[1]), first)
    assert first.scored == sorted(first.scored)
    assert [row for row, _ in first.rejected] == sorted(row for row, _ in first.rejected)
    rejected = {row for row, _ in first.rejected}
    assert sorted([*first.scored, *rejected]) == list(range(len(table)))
    assert first.ids == table["id"].take(pa.array(first.scored, pa.int64())).to_pylist()
    assert np.isfinite(first.x).all()


@given(rows=st.lists(values, min_size=1, max_size=9))
def test_a_tensor_is_the_same_in_every_layout(rows: list[list[float]]) -> None:
    x = np.array(rows, np.float32).reshape(-1, *SHAPE)
    nested = x[..., 0].tolist()
    columns = [
        tensor_column(x),
        tensor_column(x[..., 0]),
        pa.array(rows, pa.list_(pa.float32(), 12)),
        pa.array(rows, pa.list_(pa.float64())),
        pa.array(rows, pa.large_list(pa.float32())),
        pa.array(nested, pa.list_(pa.list_(pa.float32()))),
        pa.array(nested, pa.list_(pa.list_(pa.float32(), 3), 4)),
        pa.array(x.tolist(), pa.list_(pa.list_(pa.list_(pa.float32())))),
    ]
    for column in columns:
        data = DataConfig(path="x", input="x", shape=list(SHAPE))
        [chunk] = Batch(pa.table({"x": column}), data, InputSpec(shape=SHAPE)).chunks(100)
        np.testing.assert_array_equal(chunk.x, x)
        assert not chunk.rejected
