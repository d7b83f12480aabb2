import gzip
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from adversarial.paper import datasets
from adversarial.paper.datasets import DatasetError, draw_images, load_dataset, read_idx, scale

LOCAL = Path(__file__).resolve().parents[4] / "shared" / "data"


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    header = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    data = header + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def images(n: int, shape: tuple[int, ...] = (28, 28)) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, (n, *shape), np.uint8)


def encode(image: NDArray[np.uint8], form: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def write_parquet(
    path: Path, encoded: list[bytes], labels: list[Any], column: str = "image"
) -> None:
    rows = [{"bytes": data, "path": None} for data in encoded]
    struct_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({column: pa.array(rows, struct_type), "label": labels}), path)


def write_idx_set(directory: Path, suffix: str = "") -> None:
    directory.mkdir(parents=True)
    for split, n in (("train", 5), ("t10k", 3)):
        write_idx(directory / f"{split}-images-idx3-ubyte{suffix}", images(n))
        labels = np.arange(n, dtype=np.uint8)
        write_idx(directory / f"{split}-labels-idx1-ubyte{suffix}", labels)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("folder", [".", "fashion_mnist", "fashion-mnist"])
def test_idx_files_are_read(tmp_path: Path, suffix: str, folder: str) -> None:
    write_idx_set(tmp_path / "data" / folder, suffix)
    found = load_dataset("fashion_mnist", tmp_path / "data")
    np.testing.assert_array_equal(found.x_train[..., 0], images(5))
    np.testing.assert_array_equal(found.x_test[..., 0], images(3))
    assert found.y_train.tolist() == [0, 1, 2, 3, 4]
    assert found.y_train.dtype == np.int64
    assert found.class_names[9] == "Ankle boot"


@pytest.mark.parametrize("column", ["image", "img"])
def test_parquet_files_are_read_in_order(tmp_path: Path, column: str) -> None:
    x = images(4, (32, 32, 3))
    for number in range(2):
        part = slice(2 * number, 2 * number + 2)
        encoded = [encode(image) for image in x[part]]
        write_parquet(tmp_path / f"train-{number}.parquet", encoded, [number, 9], column)
    write_parquet(tmp_path / "test.parquet", [encode(x[0])], [3], column)
    found = load_dataset("cifar10", tmp_path)
    np.testing.assert_array_equal(found.x_train, x)
    assert found.y_train.tolist() == [0, 9, 1, 9]
    assert found.source == str(tmp_path)


def test_images_that_went_through_jpeg_are_told_of(tmp_path: Path) -> None:
    x = images(2, (32, 32, 3))
    for split in ("train", "test"):
        encoded = [encode(image, "jpeg") for image in x]
        write_parquet(tmp_path / f"{split}.parquet", encoded, [0, 1])
    assert load_dataset("cifar10", tmp_path).source.endswith("went through JPEG")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no mnist in .*train\*\.parquet.*train-images-idx3"):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"\x00\x00\x0d\x01" + struct.pack(">i", 0), "not an IDX file of unsigned bytes"),
        (b"\x00\x00\x08\x01" + struct.pack(">i", 5) + b"123", "cannot be read"),
        (b"\x1f\x8bgarbage", "cannot be read"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=rf"train-images-idx3-ubyte.*{message}"):
        read_idx(path)


def test_images_and_labels_of_another_number_are_refused(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "mnist")
    write_idx(tmp_path / "mnist" / "t10k-labels-idx1-ubyte", np.zeros(7, np.uint8))
    with pytest.raises(DatasetError, match=r"t10k-labels.*7 labels for 3 images"):
        load_dataset("mnist", tmp_path)


def test_a_label_of_an_idx_file_that_is_no_class_is_named(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "mnist")
    write_idx(tmp_path / "mnist" / "t10k-labels-idx1-ubyte", np.array([0, 10, 255], np.uint8))
    with pytest.raises(
        DatasetError, match=r"t10k-labels.*row 1: the label 10 is not a class of mnis"
    ):
        load_dataset("mnist", tmp_path)


NO_IMAGES = {
    "other bytes": pa.array([{"bytes": b"no image"}]),
    "null": pa.array([None], pa.struct([("bytes", pa.binary())])),
    "no bytes": pa.array([{"path": "a.png"}]),
    "a number": pa.array([3]),
    "text": pa.array(["a.png"]),
}


@pytest.mark.parametrize("column", NO_IMAGES.values(), ids=NO_IMAGES)
def test_a_row_that_is_no_image_is_named(tmp_path: Path, column: pa.Array) -> None:
    good = encode(images(1)[0])
    write_parquet(tmp_path / "train-0.parquet", [good], [0])
    pq.write_table(pa.table({"image": column, "label": [1]}), tmp_path / "train-1.parquet")
    write_parquet(tmp_path / "test.parquet", [good], [0])
    with pytest.raises(DatasetError, match=r"train-1\.parquet, row 0: no image of mnist"):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize(
    ("label", "shown"), [(0.5, "0.5"), ("a", "'a'"), (None, "None"), (10, "10"), (-1, "-1")]
)
def test_a_label_that_is_no_class_is_named(tmp_path: Path, label: Any, shown: str) -> None:
    good = encode(images(1)[0])
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", [good], [label])
    with pytest.raises(DatasetError, match=rf"row 0: the label {shown} is not a class of mnist"):
        load_dataset("mnist", tmp_path)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", [], [])
    with pytest.raises(DatasetError, match=r"train\.parquet has no rows"):
        load_dataset("mnist", tmp_path)


def test_columns_of_another_name_are_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", [encode(images(1)[0])], [0], "picture")
    with pytest.raises(DatasetError, match=r"\['picture', 'label'\]: expected 'image'"):
        load_dataset("mnist", tmp_path)


def test_without_files_keras_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(datasets, "DEBIAN_DIRECTORY", tmp_path)
    labels = np.zeros((2, 1), np.uint8)
    split = (images(2), labels)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: (split, split))
    found = load_dataset("mnist")
    assert found.x_train.shape == (2, 28, 28, 1)
    assert found.y_test.shape == (2,)

    def offline() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", offline)
    with pytest.raises(DatasetError, match=r"no route to host.*--data-dir"):
        load_dataset("mnist")


def test_scaled_images_are_floats_from_0_to_1() -> None:
    found = scale(np.array([0, 51, 255], np.uint8))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0, 0.2, 1])


@pytest.mark.skipif(not LOCAL.is_dir(), reason="the published data sets are not on this machine")
@pytest.mark.parametrize(
    ("name", "n_train", "mean"),
    [("mnist", 60_000, 33.3), ("fashion_mnist", 60_000, 72.9), ("cifar10", 50_000, 120.7)],
)
def test_the_published_sets_are_whole(
    name: datasets.DatasetName, n_train: int, mean: float
) -> None:
    found = load_dataset(name, LOCAL)
    assert found.x_train.shape == (n_train, *datasets.SHAPES[name])
    assert found.x_test.shape == (10_000, *datasets.SHAPES[name])
    assert np.bincount(found.y_train).min() >= 5_000
    assert found.x_train[:20_000].mean() == pytest.approx(mean, abs=1.5)
    assert ("JPEG" in found.source) == (name == "cifar10")


def test_images_are_drawn_by_the_seed_and_keep_their_classes() -> None:
    x, y = draw_images("fashion_mnist", Path("examples/fashion_mnist"), None, 0)
    assert x.shape == (10_000, 28, 28, 1)
    assert x.max() == 1
    some, classes = draw_images("fashion_mnist", Path("examples/fashion_mnist"), 50, 0)
    again, _ = draw_images("fashion_mnist", Path("examples/fashion_mnist"), 50, 0)
    other, _ = draw_images("fashion_mnist", Path("examples/fashion_mnist"), 50, 1)
    np.testing.assert_array_equal(some, again)
    assert not np.array_equal(some, other)
    first = int(np.flatnonzero((x == some[0]).all(axis=(1, 2, 3)))[0])
    assert y[first] == classes[0]
