"""Images: Fashion-MNIST, CIFAR-10, part of it enlarged, and pairs of Fashion-MNIST images."""

from pathlib import Path

import numpy as np
from PIL import Image

from adversarial.paper.datasets import DatasetName, load_dataset

from ..data.rows import Inputs, Rows, Source

REFERENCE = 5_000


def published(
    name: DatasetName, data_dir: Path, n_train: int, n_production: int | None = None
) -> Source:
    """Return a published data set; production is what the training images leave, and the test's."""
    data = load_dataset(name, data_dir)
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    return _split(Rows(x, y), data.class_names, n_train, n_production)


def enlarged(data_dir: Path, n_train: int, n_production: int, size: int = 64) -> Source:
    """Return five classes of CIFAR-10 as images of `size` × `size` pixels."""
    data = load_dataset("cifar10", data_dir)
    kept = ("airplane", "automobile", "frog", "horse", "ship")
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    numbers = [data.class_names.index(name) for name in kept]
    here = np.flatnonzero(np.isin(y, numbers))[: n_train + REFERENCE + n_production]
    large = np.stack([_resize(image, size) for image in x[here]])
    return _split(Rows(large, np.searchsorted(numbers, y[here])), kept, n_train, n_production)


def pairs(data_dir: Path, n_train: int, n_production: int) -> Source:
    """Return pairs of Fashion-MNIST images side by side, 28 × 56; the class is the pair's.

    No image of one part is in another.
    """
    data = load_dataset("fashion_mnist", data_dir)
    names = [name.lower().replace("/", "-").replace(" ", "-") for name in data.class_names]
    train, reference = slice(0, 50_000), slice(50_000, 60_000)
    rng = np.random.default_rng(0)
    return Source(
        tuple(f"{left}+{right}" for left in names for right in names),
        (),
        _paired(Rows(data.x_train, data.y_train).take(train), n_train, rng),
        _paired(Rows(data.x_train, data.y_train).take(reference), REFERENCE, rng),
        _paired(Rows(data.x_test, data.y_test), n_production, rng),
    )


def _paired(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    left, right = rng.integers(0, len(rows), (2, n))
    return Rows(np.concatenate([rows.x[left], rows.x[right]], 2), rows.y[left] * 10 + rows.y[right])


def _resize(image: Inputs, size: int) -> Inputs:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def _split(
    rows: Rows, class_names: tuple[str, ...], n_train: int, n_production: int | None
) -> Source:
    """Split rows at random: all published parts of a data set are drawn alike."""
    end = None if n_production is None else n_train + REFERENCE + n_production
    order = np.random.default_rng(0).permutation(len(rows))[:end]
    parts = np.split(order, [n_train, n_train + REFERENCE])
    return Source(class_names, (), *(rows.take(part) for part in parts))
