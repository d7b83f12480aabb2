"""MNIST, Fashion-MNIST and CIFAR-10, from local files or downloaded by Keras."""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from adversarial.errors import DriftMonitorError

DatasetName = Literal["mnist", "fashion_mnist", "cifar10"]

CLASS_NAMES: dict[DatasetName, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    "cifar10": (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
}
SHAPES: dict[DatasetName, tuple[int, int, int]] = {
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
}
DEBIAN_DIRECTORY = Path("/usr/share/datasets")
"""Where Debian's `dataset-fashion-mnist` installs its IDX files, in `fashion-mnist`."""


class DatasetError(DriftMonitorError):
    """A data set's files are missing or cannot be read."""


@dataclass(frozen=True)
class Dataset:
    """A data set of images, split as its authors published it.

    Attributes
    ----------
    name : str
        "mnist", "fashion_mnist" or "cifar10".
    source : str
        Where the images came from, and how they differ from the published ones if they do.
    x_train, x_test : (n, height, width, channels) uint8
        Images.
    y_train, y_test : (n,) int64
        Classes.
    """

    name: DatasetName
    source: str
    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return CLASS_NAMES[self.name]


def load_dataset(name: DatasetName, data_dir: Path | None = None) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str
        "mnist", "fashion_mnist" or "cifar10".
    data_dir : Path, optional
        Directory with the data set's files, or with a directory of the data set's name that has
        them (`cifar10` or `cifar-10`): Parquet in the Hugging Face layout, `train*.parquet` and
        `test*.parquet` with an image column of PNG or JPEG files and a `label`; or the four IDX
        files, gzipped or not. When not given, Debian's Fashion-MNIST if it is installed, else
        `keras.datasets`, which needs a network the first time.

    Raises
    ------
    DatasetError
        If there are no files, or they do not hold this data set; names the file.
    """
    if data_dir is not None:
        for directory in (data_dir / name, data_dir / name.replace("_", "-"), data_dir):
            result = _from_directory(name, directory)
            if result:
                return result
        raise DatasetError(
            f"no {name} in {data_dir}: expected train*.parquet and test*.parquet, or the IDX files "
            f"train-images-idx3-ubyte[.gz] and so on, there or in {data_dir / name}"
        )
    return _from_directory(name, DEBIAN_DIRECTORY / name.replace("_", "-")) or _from_keras(name)


def load_test_images(
    name: DatasetName, directory: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images and classes of a directory's `test*.parquet` alone.

    Raises
    ------
    DatasetError
        If there are none, or they do not hold this data set; names the file.
    """
    files = sorted(directory.glob("test*.parquet"))
    if not files:
        raise DatasetError(f"no test*.parquet in {directory}: expected test images of {name}")
    x, y, _ = _read_parquet(files, name)
    return x, y


def draw_images(
    dataset: DatasetName, data_dir: Path | None, limit: int | None, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return test images in [0, 1] and their classes: all of them, or a number drawn at random.

    Raises
    ------
    DatasetError
        If the images are missing.
    """
    own = data_dir is not None and any(data_dir.glob("test*.parquet"))
    if data_dir is not None and own:
        images, y = load_test_images(dataset, data_dir)
    else:
        loaded = load_dataset(dataset, data_dir)
        images, y = loaded.x_test, loaded.y_test
    if limit is not None and limit < len(y):
        rows = np.sort(np.random.default_rng(seed).choice(len(y), limit, replace=False))
        images, y = images[rows], y[rows]
    return scale(images), y


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes, gzipped or not, of any rank.

    Raises
    ------
    DatasetError
        If the file is not an IDX file of unsigned bytes, or is cut short.
    """
    data = path.read_bytes()
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        magic, rank = data[:3], data[3]
        shape = np.frombuffer(data, ">i4", rank, offset=4)
        array = np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); download it again") from None
    if magic != b"\x00\x00\x08":
        raise DatasetError(f"{path} is not an IDX file of unsigned bytes; download it again")
    return array


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return `images` as float32 in [0, 1], the input of the classifiers in `networks`."""
    scaled: NDArray[np.float32] = np.divide(images, 255, dtype=np.float32)
    return scaled


def _from_directory(name: DatasetName, directory: Path) -> Dataset | None:
    if not directory.is_dir():
        return None
    files = [sorted(directory.glob(f"{split}*.parquet")) for split in ("train", "test")]
    if all(files):
        (x_train, y_train, note), (x_test, y_test, _) = (_read_parquet(f, name) for f in files)
        return Dataset(name, f"{directory}{note}", x_train, y_train, x_test, y_test)
    pairs = [sorted(directory.glob(f"{split}-*-idx*-ubyte*")) for split in ("train", "t10k")]
    if all(len(pair) == 2 for pair in pairs):
        (x_train, y_train), (x_test, y_test) = (_read_idx_pair(a, b, name) for a, b in pairs)
        return Dataset(name, str(directory), x_train, y_train, x_test, y_test)
    return None


def _read_idx_pair(
    images: Path, labels: Path, name: DatasetName
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    x = read_idx(images)
    if x.shape[1:] != SHAPES[name][:2]:
        raise DatasetError(f"{images} holds images of {x.shape[1:]}: {name} has {SHAPES[name][:2]}")
    y = read_idx(labels)
    if y.shape != x.shape[:1]:
        raise DatasetError(f"{labels} holds {len(y)} labels for {len(x)} images in {images}")
    wrong = np.flatnonzero(y >= len(CLASS_NAMES[name]))
    if wrong.size:
        raise _no_class(f"{labels}, row {wrong[0]}", int(y[wrong[0]]), name)
    return x[..., None], y.astype(np.int64)


def _read_parquet(
    paths: list[Path], name: DatasetName
) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    mode = "RGB" if SHAPES[name][2] == 3 else "L"
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    note = ""
    for path in paths:
        for row, (image, label) in enumerate(_rows(path, _image_column(path))):
            try:
                with Image.open(io.BytesIO(image)) as opened:
                    if opened.format == "JPEG":
                        note = ", whose images went through JPEG"
                    images.append(np.asarray(opened.convert(mode)).reshape(SHAPES[name]))
            except (OSError, TypeError, ValueError) as error:
                raise DatasetError(
                    f"{path}, row {row}: no image of {name} ({error}): give the directory of {name}"
                ) from None
            if type(label) is not int or not 0 <= label < len(CLASS_NAMES[name]):
                raise _no_class(f"{path}, row {row}", label, name)
            labels.append(label)
    if not images:
        raise DatasetError(f"{paths[0]} has no rows: expected images of {name}")
    return np.stack(images), np.array(labels, np.int64), note


def _no_class(where: str, label: object, name: DatasetName) -> DatasetError:
    return DatasetError(
        f"{where}: the label {label!r} is not a class of {name}: expected a whole number from 0 to "
        f"{len(CLASS_NAMES[name]) - 1}"
    )


def _image_column(path: Path) -> str:
    names = pq.read_schema(path).names
    for column in ("image", "img"):
        if column in names and "label" in names:
            return column
    raise DatasetError(f"{path} has the columns {names}: expected 'image' (or 'img') and 'label'")


def _rows(path: Path, column: str) -> Iterator[tuple[Any, object]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[column, "label"]):
            for row in batch.to_pylist():
                image = row[column]
                yield image.get("bytes") if isinstance(image, dict) else image, row["label"]


def _from_keras(name: DatasetName) -> Dataset:
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras turns urllib's errors into others
        raise DatasetError(
            f"{name} cannot be downloaded ({error}): give --data-dir with its Parquet or IDX files"
        ) from error
    shape = SHAPES[name]
    return Dataset(
        name,
        "keras.datasets",
        x_train.reshape(-1, *shape),
        y_train.ravel().astype(np.int64),
        x_test.reshape(-1, *shape),
        y_test.ravel().astype(np.int64),
    )
