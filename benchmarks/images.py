"""Images for the workers: read from Parquet, scaled as the models take them, handed on as .npy."""

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

DIRECTORY = Path("build/bench")


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Return the images of a Parquet file in the Hugging Face layout, (n, height, width, 1)."""
    images = pq.read_table(path, columns=["image"])["image"].to_pylist()
    pixels = [np.asarray(Image.open(io.BytesIO(i["bytes"])).convert("L")) for i in images]
    return np.stack(pixels)[..., None]


def write_array(name: str, pixels: NDArray[np.uint8]) -> Path:
    """Write the images as float32 in [0, 1] for the workers to load, and return the file."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = DIRECTORY / f"{name}.npy"
    np.save(path, np.divide(pixels, 255, dtype=np.float32))
    return path
