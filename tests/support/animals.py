"""A small synthetic data set: three classes of 8×8 images, and production batches made of them."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("cat", "dog", "owl")
SIDE = 8


def make_images(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Three classes of noisy 8×8 images, told apart by which third of the rows is bright."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    images = rng.normal(60, 30, (n, SIDE, SIDE))
    for index, label in enumerate(labels):
        images[index, 3 * label : 3 * label + 2] += 120
    return np.clip(images, 0, 255).astype(np.uint8), labels


def make_inputs(n: int, seed: int) -> NDArray[np.float32]:
    """Return such images as the classifier takes them: (n, 8, 8, 1) in [0, 1]."""
    return np.asarray(make_images(n, seed)[0][..., None] / np.float32(255), np.float32)


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def write_batch(
    path: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None = None,
    *,
    prefix: str = "r",
) -> Path:
    """Write a production batch with ids, a segment, and labels where given."""
    n = len(images)
    columns: dict[str, pa.Array] = {
        "id": pa.array([f"{prefix}{i}" for i in range(n)]),
        "image": pa.array([png(image) for image in images]),
        "site": pa.array(["north" if i % 3 else "south" for i in range(n)]),
    }
    if labels is not None:
        columns["label"] = pa.array(labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=64)
    return path
