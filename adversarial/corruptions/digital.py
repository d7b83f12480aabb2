"""What happens to digital images: contrast, saturation, compression, low resolution, distortion."""

import io
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from adversarial.corruptions.images import Generators, Images


def contrast(x: Images, factor: float, generators: Generators) -> Images:  # noqa: ARG001
    """Draw values towards the mean of their channel."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    drawn: Images = (x - mean) * factor + mean
    return drawn


def saturate(x: Images, constants: tuple[float, float], generators: Generators) -> Images:  # noqa: ARG001
    """Change the saturation S of hue, saturation and value: factor and addend."""
    if x.shape[-1] == 1:
        return x
    factor, added = constants
    value, least = x.max(axis=-1, keepdims=True), x.min(axis=-1, keepdims=True)
    spread = value - least
    saturation = spread / np.where(value > 0, value, 1)
    changed = np.clip(saturation * factor + added, 0, 1)
    # A grey pixel has no hue; the usual conversion takes red.
    share = np.where(spread > 0, (value - x) / np.where(spread > 0, spread, 1), [0, 1, 1])
    saturated: Images = value * (1 - changed * share)
    return saturated


def jpeg_compression(x: Images, quality: int, generators: Generators) -> Images:  # noqa: ARG001
    """Store as JPEG."""

    def store(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return _each(x, store)


def pixelate(x: Images, factor: float, generators: Generators) -> Images:  # noqa: ARG001
    """Make the image smaller, and large again."""

    def resize(image: Image.Image) -> Image.Image:
        small = (int(image.width * factor), int(image.height * factor))
        return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX)

    return _each(x, resize)


def _each(x: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Change images one by one, as 8-bit ones."""
    pixels = np.round(x * 255).astype(np.uint8)
    squeezed = pixels[..., 0] if x.shape[-1] == 1 else pixels
    changed = [np.asarray(change(Image.fromarray(image))) for image in squeezed]
    return np.stack(changed).reshape(x.shape).astype(np.float32) / 255


def elastic_transform(
    x: Images, constants: tuple[float, float, float], generators: Generators
) -> Images:
    """Shear and stretch the image, then stretch it here and there; in shares of its size."""
    strength, sigma, shear = (constant * min(x.shape[1:3]) for constant in constants)
    height, width = x.shape[1:3]
    middle, reach = np.array([height // 2, width // 2], np.float64), min(height, width) // 3
    # Three points (column, row), and where each image has them afterwards.
    before = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = before + np.stack([rng.uniform(-shear, shear, (3, 2)) for rng in generators])
    homogeneous = np.concatenate([moved, np.ones((len(x), 3, 1))], axis=2)
    affine = np.linalg.solve(homogeneous, np.broadcast_to(before, moved.shape))
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ affine[:, None]
    sheared = _sample(x, places[..., 1], places[..., 0], "mirror")

    def displacement() -> NDArray[np.float64]:
        drawn = np.stack([rng.uniform(-1, 1, (height, width)) for rng in generators])
        smooth: NDArray[np.float64] = strength * scipy.ndimage.gaussian_filter(
            drawn, (0, sigma, sigma), mode="reflect", truncate=3
        )
        return smooth

    across, down = displacement(), displacement()
    return _sample(sheared, rows + down, columns + across, "reflect")


def _sample(x: Images, rows: Any, columns: Any, mode: Literal["mirror", "reflect"]) -> Images:
    """Read each image between its pixels, linearly; places are (n, height, width)."""
    result = [
        scipy.ndimage.map_coordinates(image[..., channel], [row, column], order=1, mode=mode)
        for image, row, column in zip(x, rows, columns, strict=True)
        for channel in range(x.shape[-1])
    ]
    channels = np.stack(result).reshape(len(x), x.shape[-1], *x.shape[1:3])
    return np.moveaxis(channels, 1, -1)
