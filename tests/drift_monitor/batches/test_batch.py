"""Batches: every input layout, the rows that cannot be scored, and files that are not a batch."""

import hashlib
import io
import itertools
import json
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Batch, Chunk
from drift_monitor.batches.class_labels import class_indices, class_names
from drift_monitor.batches.decoding import decode_rows
from drift_monitor.config import DataConfig
from drift_monitor.errors import BatchError, MissingBatchError

Pixels = NDArray[np.uint8]

FLAT = InputSpec(shape=(2,))
GREY = InputSpec(shape=(4, 3, 1))


def encode(image: Pixels, kind: str = "png") -> bytes:
    """Return an image file; a single channel is dropped, since Pillow has none for it."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1:] == (1,) else image).save(buffer, kind)
    return buffer.getvalue()


def fixed_size_list(rows: list[Any], size: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(rows, pa.list_(kind or pa.float32(), size))


def tensor_column(values: NDArray[Any]) -> pa.Array:
    kind = pa.from_numpy_dtype(values.dtype)
    storage = pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), int(np.prod(values.shape[1:]))
    )
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, values.shape[1:]), storage)


def batch(path: Path | str, spec: InputSpec, **data: Any) -> Batch:
    return Batch(str(path), DataConfig(path=str(path), **({"input": "x"} | data)), spec)


def read(batch: Batch, size: int = 3) -> tuple[NDArray[np.float32], list[int], list[int]]:
    """Return the rows, their numbers and those of the rejected; check every chunk's form."""
    chunks = list(batch.chunks(size))
    for chunk in chunks:
        assert chunk.x.dtype == np.float32
        assert chunk.x.shape == (len(chunk.rows), *batch.spec.shape)
        assert len(chunk.columns) == len(chunk.rows)
        assert len(chunk.rows) + len(chunk.rejected) <= size
    return (
        np.concatenate([chunk.x for chunk in chunks]),
        [int(row) for chunk in chunks for row in chunk.rows],
        [rejected.row for chunk in chunks for rejected in chunk.rejected],
    )


def random_pixels(*shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# Input layouts


def huggingface(pixels: Pixels) -> pa.Array:
    return pa.array([{"bytes": encode(image), "path": f"{i}"} for i, image in enumerate(pixels)])


def binary(pixels: Pixels) -> pa.Array:
    return pa.array([encode(image) for image in pixels], pa.binary())


def large_binary(pixels: Pixels) -> pa.Array:
    return pa.array([encode(image) for image in pixels], pa.large_binary())


def flat_bytes(pixels: Pixels) -> pa.Array:
    return fixed_size_list(list(pixels.reshape(len(pixels), -1)), pixels[0].size, pa.uint8())


BYTE_LAYOUTS = [huggingface, binary, large_binary, tensor_column, flat_bytes]


@pytest.mark.parametrize("layout", BYTE_LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (5.0, -5.0)])
def test_bytes_are_scaled_to_the_value_range_in_every_layout(
    layout: Callable[[Pixels], pa.Array],
    channels: int,
    value_range: tuple[float, float],
    tmp_path: Path,
) -> None:
    pixels = random_pixels(7, 4, 3, channels)
    pixels[0], pixels[1] = 0, 255
    pq.write_table(pa.table({"x": layout(pixels)}), tmp_path / "x.parquet", row_group_size=4)
    spec = InputSpec(shape=(4, 3, channels), value_range=value_range)
    x, rows, rejected = read(batch(tmp_path / "x.parquet", spec, shape=[4, 3, channels]))
    low, high = value_range
    np.testing.assert_allclose(x, low + pixels / 255 * (high - low), rtol=1e-6, atol=2e-6)
    assert rows == list(range(7))
    assert not rejected


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.float64(), pa.int32(), pa.int64(), pa.uint16()], ids=str
)
@pytest.mark.parametrize("as_tensor", [True, False], ids=["tensor", "list"])
def test_tensors_that_are_not_bytes_are_taken_as_they_are(
    kind: pa.DataType, as_tensor: bool, tmp_path: Path
) -> None:
    values = np.arange(30).reshape(5, 2, 3, 1).astype(kind.to_pandas_dtype())
    column = (
        tensor_column(values)
        if as_tensor
        else fixed_size_list([row.ravel() for row in values], 6, kind)
    )
    pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    spec = InputSpec(shape=(2, 3, 1), value_range=(-1, 1))
    x, _, _ = read(batch(tmp_path / "x.parquet", spec, shape=[2, 3, 1]))
    np.testing.assert_array_equal(x, values.astype(np.float32))


def test_numeric_columns_form_a_row_in_the_order_of_the_config(tmp_path: Path) -> None:
    table = pa.table(
        {"b": pa.array([1, 2, 250], pa.uint8()), "a": [0.5, -0.5, 1e-3], "c": [True, False, True]}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    spec = InputSpec(shape=(3,), value_range=(-1, 1), feature_names=("a", "b", "c"))
    x, _, _ = read(batch(tmp_path / "x.parquet", spec, input=["a", "b", "c"]))
    expected = [[0.5, 1, 1], [-0.5, 2, 0], [1e-3, 250, 1]]
    np.testing.assert_array_equal(x, np.array(expected, np.float32))


@pytest.mark.parametrize("column", ["a", ["a"]])
def test_one_numeric_column_is_a_row_of_one_value(column: str | list[str], tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.5, 2.5]}), tmp_path / "x.parquet")
    x, _, _ = read(batch(tmp_path / "x.parquet", InputSpec(shape=(1,)), input=column))
    np.testing.assert_array_equal(x, [[1.5], [2.5]])


def test_a_tensor_column_made_from_a_numpy_array_is_read(tmp_path: Path) -> None:
    # PyArrow's own constructor writes the identity permutation into the type.
    values = np.arange(24, dtype=np.float32).reshape(2, 4, 3, 1)
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(values)
    pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    x, _, _ = read(batch(tmp_path / "x.parquet", GREY))
    np.testing.assert_array_equal(x, values)


def test_a_permuted_tensor_is_refused_and_not_read_transposed(tmp_path: Path) -> None:
    kind = pa.fixed_shape_tensor(pa.float32(), (2, 2), permutation=[1, 0])
    storage = fixed_size_list([[1, 2, 3, 4]], 4)
    table = pa.table({"x": pa.ExtensionArray.from_storage(kind, storage)})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(BatchError, match="permutation"):
        batch(tmp_path / "x.parquet", InputSpec(shape=(2, 2)))


def test_jpeg_gives_the_pixels_that_pillow_decodes(tmp_path: Path) -> None:
    files = [encode(image, "jpeg") for image in random_pixels(3, 4, 3, 3)]
    pq.write_table(pa.table({"x": pa.array(files, pa.binary())}), tmp_path / "x.parquet")
    x, _, _ = read(batch(tmp_path / "x.parquet", InputSpec(shape=(4, 3, 3))))
    decoded = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    np.testing.assert_allclose(x, decoded / 255, rtol=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_an_image_of_another_mode_is_converted(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(np.full((4, 3), 255, np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "png")
    column = pa.array([buffer.getvalue()], pa.binary())
    pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    x, rows, _ = read(batch(tmp_path / "x.parquet", GREY))
    assert rows == [0]
    np.testing.assert_array_equal(x, np.ones((1, 4, 3, 1)))


def test_a_16_bit_image_is_scaled_or_rejected_but_never_clipped(tmp_path: Path) -> None:
    image = np.linspace(0, 65535, 12).reshape(4, 3).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    column = pa.array([buffer.getvalue()], pa.binary())
    pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    x, _, rejected = read(batch(tmp_path / "x.parquet", GREY))
    if not rejected:
        np.testing.assert_allclose(x[0, ..., 0], image / 65535, atol=1 / 255)


# Files, row groups, chunks


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, first in (("b", 10), ("c", 20), ("a", 0)):
        table = pa.table({"x": fixed_size_list([[first, i] for i in range(2)], 2)})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    files = batch(tmp_path / "*.parquet", FLAT)
    x, rows, _ = read(files)
    assert x.tolist() == [[0, 0], [0, 1], [10, 0], [10, 1], [20, 0], [20, 1]]
    assert rows == [0, 1, 0, 1, 0, 1]
    assert [Path(file.path).name for file in files.files] == ["a.parquet", "b.parquet", "c.parquet"]
    assert [file.rows for file in files.files] == [2, 2, 2]
    assert files.n_rows == 6


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("row_group_size", [1, 2, 4, 100])
def test_chunks_and_row_groups_do_not_change_what_is_read(
    size: int, row_group_size: int, tmp_path: Path
) -> None:
    values = np.arange(22, dtype=np.float32).reshape(11, 2)
    table = pa.table({"x": fixed_size_list(list(values), 2), "id": np.arange(11)})
    for name, part in (("a", table.slice(0, 4)), ("b", table.slice(4))):
        pq.write_table(part, tmp_path / f"{name}.parquet", row_group_size=row_group_size)
    sliced = batch(tmp_path / "*.parquet", FLAT, row_id="id")
    x, rows, _ = read(sliced, size)
    np.testing.assert_array_equal(x, values)
    assert rows == [*range(4), *range(7)]
    ids = [i for chunk in sliced.chunks(size) for i in chunk.columns["id"].to_pylist()]
    assert ids == list(range(11))


@pytest.mark.parametrize("cuts", [[1, 6], [1, 3, 6]], ids=["one-chunk", "two-chunks"])
def test_a_sliced_tensor_column_with_nulls_keeps_rows_and_values_together(cuts: list[int]) -> None:
    column = fixed_size_list([[0, 0], None, [2, 2], [3, 3], None, [5, 5]], 2)
    parts = [column[start:end] for start, end in itertools.pairwise(cuts)]
    x, reasons = decode_rows(pa.table({"x": pa.chunked_array(parts)}), FLAT)
    assert sorted(reasons) == [0, 3]
    assert x[[1, 2, 4]].tolist() == [[2, 2], [3, 3], [5, 5]]


def test_a_file_without_rows_beside_others_is_read(tmp_path: Path) -> None:
    table = pa.table({"x": fixed_size_list([[1, 2]], 2)})
    pq.write_table(table.slice(0, 0), tmp_path / "a.parquet")
    pq.write_table(table, tmp_path / "b.parquet")
    x, rows, _ = read(batch(tmp_path / "*.parquet", FLAT))
    assert x.tolist() == [[1, 2]]
    assert rows == [0]


def test_the_hash_is_of_the_files_bytes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), tmp_path / "x.parquet")
    expected = hashlib.sha256((tmp_path / "x.parquet").read_bytes()).hexdigest()
    assert batch(tmp_path / "x.parquet", FLAT).files[0].sha256 == expected


@pytest.mark.parametrize("pattern", ["memory://lake/{0}/*.parquet", "memory://lake/{0}/a.parquet"])
def test_a_url_reads_the_same_as_a_local_path(pattern: str, tmp_path: Path) -> None:
    column = fixed_size_list([[1, 2], None, [3, 4]], 2)
    pq.write_table(pa.table({"x": column}), tmp_path / "a.parquet")
    local = batch(tmp_path / "a.parquet", FLAT)
    url = pattern.format(tmp_path.name)
    with fsspec.open(f"memory://lake/{tmp_path.name}/a.parquet", "wb") as file:
        file.write((tmp_path / "a.parquet").read_bytes())
    remote = batch(url, FLAT)
    for got, expected in zip(read(remote), read(local), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert remote.files[0].sha256 == local.files[0].sha256
    assert remote.files[0].path.startswith("memory://")


def test_a_path_that_holds_glob_characters_and_exists_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run[1]" / "x.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), path)
    assert batch(path, FLAT).n_rows == 1


# Rows that cannot be scored

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


# What is not a batch

ROWS = fixed_size_list([[1, 2], [3, 4]], 2)
NOT_A_BATCH: dict[str, tuple[pa.Table, dict[str, Any], InputSpec, list[str]]] = {
    "input column missing": (
        pa.table({"y": ROWS}),
        {},
        FLAT,
        ["no column 'x'", "it has y", "Name the right column"],
    ),
    "row id missing": (pa.table({"x": ROWS}), {"row_id": "id"}, FLAT, ["'id'", "Name the right"]),
    "timestamp missing": (pa.table({"x": ROWS}), {"timestamp": "t"}, FLAT, ["'t'", "Name the"]),
    "prediction missing": (pa.table({"x": ROWS}), {"prediction": "p"}, FLAT, ["'p'", "Name the"]),
    "clean prediction missing": (
        pa.table({"x": ROWS}),
        {"clean_prediction": "c"},
        FLAT,
        ["'c'", "Name the right column"],
    ),
    "segment missing": (pa.table({"x": ROWS}), {"segments": ["s"]}, FLAT, ["'s'", "Name the"]),
    "one of the numeric columns missing": (
        pa.table({"a": [1.0]}),
        {"input": ["a", "b"]},
        FLAT,
        ["no column 'b'", "Name the right column"],
    ),
    "list of another size": (
        pa.table({"x": fixed_size_list([[1, 2, 3]], 3)}),
        {},
        FLAT,
        ["(3,)", "(2,)", "data.shape"],
    ),
    "list without its shape": (
        pa.table({"x": fixed_size_list([[0.0] * 12], 12)}),
        {},
        GREY,
        ["(12,)", "(4, 3, 1)", "set data.shape"],
    ),
    "list with another shape": (
        pa.table({"x": fixed_size_list([[0.0] * 12], 12)}),
        {"shape": [3, 4, 1]},
        GREY,
        ["(3, 4, 1)", "(4, 3, 1)", "mend data.shape"],
    ),
    "tensor of another shape": (
        pa.table({"x": tensor_column(np.zeros((2, 3, 4, 1)))}),
        {},
        GREY,
        ["(3, 4, 1)", "(4, 3, 1)", "name the right column"],
    ),
    "images for a classifier of flat rows": (
        pa.table({"x": binary(random_pixels(1, 4, 3, 1))}),
        {},
        FLAT,
        ["image files", "(2,)"],
    ),
    "images for a classifier of two channels": (
        pa.table({"x": binary(random_pixels(1, 4, 3, 1))}),
        {},
        InputSpec(shape=(4, 3, 2)),
        ["image files", "(4, 3, 2)"],
    ),
    "strings": (pa.table({"x": ["1", "2"]}), {}, FLAT, ["string", "expected"]),
    "lists of any size": (
        pa.table({"x": [[1.0, 2.0], [3.0, 4.0]]}),
        {},
        FLAT,
        ["list<element: double>", "fixed-size list"],
    ),
    "lists of strings": (
        pa.table({"x": fixed_size_list([["a", "b"]], 2, pa.string())}),
        {},
        FLAT,
        ["string", "expected"],
    ),
    "struct without bytes": (
        pa.table({"x": [{"path": "a.png"}]}),
        {},
        GREY,
        ["path: string", "a struct with 'bytes'"],
    ),
    "a string among numeric columns": (
        pa.table({"a": [1.0], "b": ["2"]}),
        {"input": ["a", "b"]},
        FLAT,
        ["'b'", "string", "expected a number"],
    ),
    "too few numeric columns": (
        pa.table({"a": [1.0]}),
        {"input": ["a"]},
        FLAT,
        ["1 numeric columns", "(2,)"],
    ),
    "no rows": (pa.table({"x": ROWS}).slice(0, 0), {}, FLAT, ["no rows", "check the job"]),
    "the column twice": (
        pa.Table.from_arrays([ROWS, ROWS], ["x", "x"]),
        {},
        FLAT,
        ["'x'"],
    ),
}


@pytest.mark.parametrize("case", NOT_A_BATCH)
def test_what_is_not_a_batch_is_refused_by_file_and_with_a_remedy(
    case: str, tmp_path: Path
) -> None:
    table, data, spec, expected = NOT_A_BATCH[case]
    pq.write_table(table, tmp_path / "bad.parquet")
    with pytest.raises(BatchError) as error:
        batch(tmp_path / "bad.parquet", spec, **data)
    assert not isinstance(error.value, MissingBatchError)
    for text in [str(tmp_path / "bad.parquet"), *expected]:
        assert text in str(error.value)


def test_of_several_files_the_bad_one_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": ROWS}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"y": ROWS}), tmp_path / "b.parquet")
    with pytest.raises(BatchError, match=r"b\.parquet has no column 'x'"):
        batch(tmp_path / "*.parquet", FLAT)


def test_other_features_than_the_detectors_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.0], "b": [2.0]}), tmp_path / "x.parquet")
    spec = InputSpec(shape=(2,), feature_names=("a", "b"))
    with pytest.raises(BatchError, match=r"fitted on \['a', 'b'\].*same order"):
        batch(tmp_path / "x.parquet", spec, input=["b", "a"])


@pytest.mark.parametrize("path", ["{}/none.parquet", "{}/*.parquet", "memory://none{}/x.parquet"])
def test_a_missing_file_is_named_with_what_to_check(path: str, tmp_path: Path) -> None:
    path = path.format(tmp_path)
    with pytest.raises(MissingBatchError) as error:
        batch(path, FLAT)
    assert path in str(error.value)
    assert "data.path" in str(error.value)


def test_a_url_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(BatchError, match=r"^nowhere://bucket/x\.parquet cannot be reached"):
        batch("nowhere://bucket/x.parquet", FLAT)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("remote", [False, True], ids=["local", "url"])
def test_a_file_cut_short_is_named_with_a_remedy(keep: float, remote: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut.parquet"
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]] * 500, 2)}), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    url = f"memory://{tmp_path.name}/cut.parquet"
    with fsspec.open(url, "wb") as file:
        file.write(path.read_bytes())
    with pytest.raises(BatchError, match=r"cut\.parquet cannot be read .*write it again"):
        batch(url if remote else path, FLAT)


@pytest.mark.parametrize("group", [0, 1, 2])
def test_damage_within_a_file_is_named_with_a_remedy(group: int, tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    table = pa.table({"x": fixed_size_list([[i, i] for i in range(30)], 2)})
    pq.write_table(table, path, row_group_size=10, use_dictionary=False)
    start = pq.read_metadata(path).row_group(group).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 16] = b"\xff" * 16
    path.write_bytes(content)
    damaged = batch(path, FLAT)
    with pytest.raises(BatchError, match=r"damaged\.parquet cannot be read .*write it again"):
        list(damaged.chunks(4))


def test_a_label_may_arrive_later(tmp_path: Path) -> None:
    table = pa.table({"x": ROWS})
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.append_column("label", [[0, 1]]), tmp_path / "b.parquet")
    chunks = list(batch(tmp_path / "*.parquet", FLAT, label="label").chunks(10))
    assert [chunk.columns.column_names for chunk in chunks] == [[], ["label"]]
    assert [len(chunk.rows) for chunk in chunks] == [2, 2]


# Classes

NAMES = ["cat", "dog", "owl"]


def chunk_of(n: int) -> Chunk:
    x = np.zeros((n, 2), np.float32)
    return Chunk("b.parquet", 10 + np.arange(n), x, pa.table({"label": np.zeros(n)}))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["owl", None, "cat", "dog"]),
        pa.array(["owl", None, "cat", "dog"], pa.large_string()),
        pa.array(["owl", None, "cat", "dog"]).dictionary_encode(),
        pa.array(["dog", "owl", None, "cat", "dog"])[1:],
        pa.array([2, None, 0, 1], pa.int8()),
        pa.array([2, None, 0, 1], pa.uint64()),
        pa.array([2, None, 0, 1]).dictionary_encode(),
        pa.array([1, 2, None, 0, 1])[1:],
        pa.array([2.0, None, 0.0, 1.0]),
        pa.array([2.0, float("nan"), 0.0, 1.0], pa.float32()),
        pa.array([2, -1, 0, 1]),
    ],
    ids=lambda column: f"{column.type}{'-sliced' * bool(column.offset)}",
)
def test_names_and_numbers_give_class_numbers(column: pa.Array) -> None:
    for chunked in (pa.chunked_array([column]), pa.chunked_array([column[:1], column[1:]])):
        indices = class_indices(chunked, NAMES, "label", chunk_of(4))
        assert indices.tolist() == [2, -1, 0, 1]
        assert indices.dtype == np.int64


def test_a_column_of_nulls_has_no_classes() -> None:
    column = pa.chunked_array([pa.nulls(3)])
    assert class_indices(column, NAMES, "label", chunk_of(3)).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pa.array(["cat", None, "cow"]), "'cow'"),
        (pa.array(["cat", None, "cow"]).dictionary_encode(), "'cow'"),
        (pa.array(["dog", "cat", None, "cow"])[1:], "'cow'"),
        (pa.array(["cat", None, "Cat"]), "'Cat'"),
        (pa.array([0, None, 3]), "3"),
        (pa.array([0, None, -2]), "-2"),
        (pa.array([0, None, 1.5]), "1.5"),
        (pa.array([0, None, 1e30]), "1e+30"),
        (pa.array([0, None, 2**64 - 1], pa.uint64()), str(2**64 - 1)),
    ],
    ids=lambda case: str(case.type) if isinstance(case, pa.Array) else case,
)
def test_a_value_that_is_no_class_is_named_with_file_and_row(column: pa.Array, value: str) -> None:
    with pytest.raises(BatchError) as error:
        class_indices(pa.chunked_array([column]), NAMES, "label", chunk_of(3))
    for text in ("b.parquet, row 12", "'label'", value, "cat, dog, owl", "0 to 2"):
        assert text in str(error.value)


def test_a_column_that_cannot_hold_classes_is_named() -> None:
    column = pa.chunked_array([pa.array([b"cat"])])
    with pytest.raises(BatchError, match=r"b\.parquet: column 'label' has type binary"):
        class_indices(column, NAMES, "label", chunk_of(1))


def test_class_names_come_from_the_hugging_face_metadata(tmp_path: Path) -> None:
    features = {"label": {"names": NAMES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"label": [0, 1]}).replace_schema_metadata(metadata)
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    assert class_names(str(path), "label") == NAMES
    for other in ("image", "none", None):
        assert class_names(str(path), other) is None


def test_a_file_without_such_metadata_gives_no_class_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [0, 1]}), tmp_path / "x.parquet")
    assert class_names(str(tmp_path / "x.parquet"), "label") is None


def test_a_directory_stands_for_the_parquet_files_in_it(tmp_path: Path) -> None:
    directory = tmp_path / "day.parquet"
    (directory / "nested").mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "_SUCCESS", "nested/c.parquet"):
        pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), directory / name)
    found = [Path(file.path).name for file in batch(directory, FLAT).files]
    assert found == ["a.parquet", "b.parquet"]


def test_a_segment_of_lists_is_refused(tmp_path: Path) -> None:
    table = pa.table({"x": fixed_size_list([[1, 2]], 2), "tags": [["a", "b"]]})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(BatchError, match="'tags' has type list"):
        batch(tmp_path / "x.parquet", FLAT, segments=["tags"])
