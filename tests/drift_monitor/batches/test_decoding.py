"""Input layouts: images, tensors, lists and numeric columns as the classifier takes them."""

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.decoding import decode_rows
from drift_monitor.errors import BatchError
from tests.support.batches import (
    FLAT,
    GREY,
    Pixels,
    batch,
    binary,
    encode,
    fixed_size_list,
    random_pixels,
    read,
    tensor_column,
)


def huggingface(pixels: Pixels) -> pa.Array:
    return pa.array([{"bytes": encode(image), "path": f"{i}"} for i, image in enumerate(pixels)])


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


@pytest.mark.parametrize("cuts", [[1, 6], [1, 3, 6]], ids=["one-chunk", "two-chunks"])
def test_a_sliced_tensor_column_with_nulls_keeps_rows_and_values_together(cuts: list[int]) -> None:
    column = fixed_size_list([[0, 0], None, [2, 2], [3, 3], None, [5, 5]], 2)
    parts = [column[start:end] for start, end in itertools.pairwise(cuts)]
    x, reasons = decode_rows(pa.table({"x": pa.chunked_array(parts)}), FLAT)
    assert sorted(reasons) == [0, 3]
    assert x[[1, 2, 4]].tolist() == [[2, 2], [3, 3], [5, 5]]
