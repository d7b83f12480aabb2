"""Rows that cannot be scored: each is rejected under its own number, with a reason."""

import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adversarial.bundle.manifest import InputSpec
from tests.support.batches import (
    FLAT,
    GREY,
    batch,
    encode,
    fixed_size_list,
    random_pixels,
    read,
)

SIZE = (4, 3)
IMAGE_ROWS: dict[str, Callable[[int], bytes | None]] = {
    "good": lambda i: encode(np.full((*SIZE, 1), i, np.uint8)),
    "null": lambda _: None,
    "empty": lambda _: b"",
    "undecodable": lambda i: b"not an image %d" % i,
    "cut": lambda i: encode(random_pixels(*SIZE, 1))[: 30 + i],
    "transposed": lambda i: encode(np.full((3, 4, 1), i, np.uint8)),
    "larger": lambda i: encode(np.full((8, 6, 1), i, np.uint8)),
}
TENSOR_ROWS: dict[str, Callable[[int], Sequence[float | None] | None]] = {
    "good": lambda i: [i / 255] * 12,
    "null": lambda _: None,
    "nan": lambda i: [i / 255] * 11 + [float("nan")],
    "infinite": lambda i: [float("-inf")] + [i / 255] * 11,
    "null value": lambda i: [None] + [i / 255] * 11,
}
REASONS = {
    "null": "null",
    "empty": "empty",
    "undecodable": "decoded",
    "cut": "decoded",
    "transposed": "3×4, expected 4×3",
    "larger": "8×6, expected 4×3",
    "nan": "not finite",
    "infinite": "not finite",
    "null value": "missing",
}


def image_column(kinds: list[str]) -> pa.Table:
    return pa.table({"x": pa.array([IMAGE_ROWS[k](i) for i, k in enumerate(kinds)], pa.binary())})


def struct_column(kinds: list[str]) -> pa.Table:
    rows = [IMAGE_ROWS[k](i) for i, k in enumerate(kinds)]
    structs = [None if i % 2 and r is None else {"bytes": r} for i, r in enumerate(rows)]
    kind = pa.struct([("path", pa.string()), ("bytes", pa.binary())])
    return pa.table({"x": pa.array(structs, kind)})


def list_column(kinds: list[str]) -> pa.Table:
    return pa.table({"x": fixed_size_list([TENSOR_ROWS[k](i) for i, k in enumerate(kinds)], 12)})


def tensor_rows(kinds: list[str]) -> pa.Table:
    storage = list_column(kinds)["x"].combine_chunks()
    kind = pa.fixed_shape_tensor(pa.float32(), (*SIZE, 1))
    return pa.table({"x": pa.ExtensionArray.from_storage(kind, storage)})


def numeric_columns(kinds: list[str]) -> pa.Table:
    rows = [TENSOR_ROWS[k](i) or [None] * 12 for i, k in enumerate(kinds)]
    return pa.table({f"c{j}": pa.array([row[j] for row in rows], pa.float64()) for j in range(12)})


MIXED = [
    (image_column, list(IMAGE_ROWS)),
    (struct_column, list(IMAGE_ROWS)),
    (list_column, list(TENSOR_ROWS)),
    (tensor_rows, list(TENSOR_ROWS)),
    (numeric_columns, list(TENSOR_ROWS)),
]


@pytest.mark.parametrize(("layout", "kinds"), MIXED, ids=[layout.__name__ for layout, _ in MIXED])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_row_is_scored_or_rejected_under_its_own_number(
    layout: Callable[[list[str]], pa.Table], kinds: list[str], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.sampled_from(["good", *kinds]), min_size=1, max_size=12))
    cut = data.draw(st.integers(0, len(rows)))
    table = layout(rows).append_column("id", pa.array([f"r{i}" for i in range(len(rows))]))
    with tempfile.TemporaryDirectory() as directory:
        for name, part in (("a", table.slice(0, cut)), ("b", table.slice(cut))):
            pq.write_table(
                part, f"{directory}/{name}.parquet", row_group_size=data.draw(st.integers(1, 5))
            )
        columns = [c for c in table.column_names if c != "id"]
        flat = len(columns) > 1
        mixed = batch(
            f"{directory}/*.parquet",
            InputSpec(shape=(12,) if flat else (*SIZE, 1)),
            input=columns if flat else "x",
            shape=[*SIZE, 1],
            row_id="id",
        )
        chunks = list(mixed.chunks(data.draw(st.integers(1, 6))))

    def number(file: str, row: int) -> int:
        return row + (cut if file.endswith("b.parquet") else 0)

    scored = [number(chunk.file, int(row)) for chunk in chunks for row in chunk.rows]
    rejected = {number(r.file, r.row): r.reason for chunk in chunks for r in chunk.rejected}
    n_rejected = sum(len(chunk.rejected) for chunk in chunks)
    assert len(scored) + n_rejected == mixed.n_rows == len(rows)
    assert scored == [i for i, kind in enumerate(rows) if kind == "good"]
    for row, reason in rejected.items():
        expected = "missing" if flat and rows[row] == "null" else REASONS[rows[row]]
        assert expected in reason
    ids = [i for chunk in chunks for i in chunk.columns["id"].to_pylist()]
    assert ids == [f"r{i}" for i in scored]
    x = np.concatenate([chunk.x.reshape(-1, 12) for chunk in chunks])
    np.testing.assert_allclose(x, np.repeat(np.array(scored) / 255, 12).reshape(-1, 12), rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10**6), junk=st.binary(min_size=1, max_size=8), jpeg=st.booleans())
def test_a_damaged_image_is_a_rejected_row_and_never_a_failed_batch(
    at: int, junk: bytes, jpeg: bool
) -> None:
    good = encode(random_pixels(*SIZE, 3), "jpeg" if jpeg else "png")
    at %= len(good)
    files = [good, good[:at] + junk + good[at + len(junk) :], good]
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/x.parquet"
        pq.write_table(pa.table({"x": pa.array(files, pa.binary())}), path)
        _, rows, rejected = read(batch(path, InputSpec(shape=(*SIZE, 3))))
    assert sorted(rows + rejected) == [0, 1, 2]
    assert rejected in ([], [1])


def png_of_size(side: int) -> bytes:
    """Return a PNG that claims a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


def png_with_text(length: int) -> bytes:
    """Return a good PNG with a compressed comment."""
    text, buffer = PngInfo(), io.BytesIO()
    text.add_text("comment", "a" * length, zip=True)
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(buffer, "png", pnginfo=text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "hostile",
    [png_of_size(4), png_of_size(50_000), png_with_text(5_000_000)],
    ids=["no pixels", "too many pixels", "too much text"],
)
def test_a_hostile_image_is_a_rejected_row(hostile: bytes, tmp_path: Path) -> None:
    column = pa.array([IMAGE_ROWS["good"](0), hostile], pa.binary())
    pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    _, rows, rejected = read(batch(tmp_path / "x.parquet", GREY))
    assert (rows, rejected) == ([0], [1])


def test_reading_again_gives_the_same_reasons(tmp_path: Path) -> None:
    kinds = list(IMAGE_ROWS)
    pq.write_table(image_column(kinds), tmp_path / "x.parquet")
    first, second = (
        [r for chunk in batch(tmp_path / "x.parquet", GREY).chunks(2) for r in chunk.rejected]
        for _ in range(2)
    )
    assert len(first) == len(kinds) - 1
    assert first == second


@pytest.mark.parametrize("kind", [pa.uint8(), pa.float32()], ids=str)
def test_a_column_of_nulls_alone_is_all_rejected(kind: pa.DataType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": fixed_size_list([None] * 4, 2, kind)}), tmp_path / "x.parquet")
    x, rows, rejected = read(batch(tmp_path / "x.parquet", FLAT))
    assert x.shape == (0, 2)
    assert not rows
    assert rejected == [0, 1, 2, 3]


def test_an_image_that_is_only_a_path_is_rejected_as_such(tmp_path: Path) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    good = encode(random_pixels(*SIZE, 1))
    rows = [{"bytes": None, "path": "a.png"}, {"bytes": good, "path": "b.png"}, None]
    pq.write_table(pa.table({"x": pa.array(rows, kind)}), tmp_path / "x.parquet")
    [chunk] = batch(tmp_path / "x.parquet", GREY).chunks(10)
    reasons = {rejected.row: rejected.reason for rejected in chunk.rejected}
    assert reasons == {
        0: "image is a path without the bytes of its file: write them into the batch",
        2: "image is null or empty",
    }
