"""What goes wrong with images before they reach a classifier: preprocessing, position, sensors.

Rows are images in [0, 1], as `adversarial.corruptions` takes them, and faults may leave that range,
as a forgotten normalisation does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import scipy
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Fault = Callable[[Rows, np.random.Generator], Rows]
"""Returns the images, (n, height, width, channels) float32, with the fault."""

ANGLES = (10.0, 30.0)
"""Degrees, to either side."""
MOVES = (0.1, 0.2)
"""Shares of height and width that an image is moved by."""
COVERED = (0.25, 0.5)
"""Height and width of a square that is covered, as a share of the image's."""
DARK = (0.25, 0.5)
"""What is left of the light."""
KEPT = (0.8, 0.6)
"""Share of height and width that a crop keeps."""


def image_faults(shape: tuple[int, ...]) -> Iterator[tuple[str, float, Fault]]:
    """Yield faults of images of a shape: family, severity and what does it."""
    yield "inverted", 1.0, partial(_rescaled, -1.0, 1.0)
    yield "not_normalised", 1.0, partial(_rescaled, 255.0, 0.0)
    yield "normalised_twice", 1.0, partial(_rescaled, 1 / 255, 0.0)
    yield "range_doubled", 1.0, partial(_rescaled, 2.0, -1.0)
    yield "range_halved", 1.0, partial(_rescaled, 0.5, 0.5)
    yield "standardised", 1.0, _standardised
    if shape[-1] == 3:
        yield "channels_swapped", 1.0, lambda x, _: x[..., ::-1]
        yield "grey", 1.0, lambda x, _: np.broadcast_to(x.mean(axis=-1, keepdims=True), x.shape)
    if shape[0] == shape[1]:
        yield "transposed", 1.0, lambda x, _: x.transpose(0, 2, 1, 3)
        yield "rotated", 90.0, lambda x, rng: np.rot90(x, 2 * int(rng.integers(2)) + 1, (1, 2))
    yield "mirrored", 1.0, lambda x, _: x[:, :, ::-1]
    yield "upside_down", 1.0, lambda x, _: x[:, ::-1]
    yield from (("rotated", angle, partial(_rotated, angle)) for angle in ANGLES)
    yield from (("moved", share, partial(_moved, share)) for share in MOVES)
    yield from (("cropped", share, partial(_cropped, share)) for share in KEPT)
    yield from (("covered", share, partial(_covered, share)) for share in COVERED)
    yield "black", 1.0, partial(_rescaled, 0.0, 0.0)
    yield "white", 1.0, partial(_rescaled, 0.0, 1.0)
    yield from (("dark", factor, partial(_rescaled, factor, 0.0)) for factor in DARK)


def _rescaled(factor: float, offset: float, x: Rows, _: np.random.Generator) -> Rows:
    return np.float32(factor) * x + np.float32(offset)


def _standardised(x: Rows, _: np.random.Generator) -> Rows:
    scaled: Rows = (x - x.mean()) / np.float32(max(float(x.std()), 1e-6))
    return scaled


def _rotated(angle: float, x: Rows, rng: np.random.Generator) -> Rows:
    way = 1 if rng.integers(2) else -1
    result: Rows = scipy.ndimage.rotate(
        x, way * angle, (2, 1), reshape=False, order=1, mode="nearest"
    )
    return result


def _moved(share: float, x: Rows, rng: np.random.Generator) -> Rows:
    """Move all images one way; what comes in is black."""
    height, width = x.shape[1:3]
    ways = rng.integers(-1, 2, 2)
    by = [round(share * size * int(way)) for size, way in zip((height, width), ways, strict=True)]
    if not any(by):
        by[1] = max(1, round(share * width))
    result = np.roll(x, by, (1, 2))
    for axis, shift in enumerate(by, 1):
        gone: list[slice] = [slice(None)] * 4
        gone[axis] = slice(0, shift) if shift > 0 else slice(shift, None)
        if shift:
            result[tuple(gone)] = 0
    return result


def _cropped(share: float, x: Rows, _: np.random.Generator) -> Rows:
    """Enlarge the middle."""
    where = [(size - 1) / 2 + share * (np.arange(size) - (size - 1) / 2) for size in x.shape[1:3]]
    result: Rows = x[:, np.rint(where[0]).astype(int)][:, :, np.rint(where[1]).astype(int)]
    return result


def _covered(share: float, x: Rows, rng: np.random.Generator) -> Rows:
    """Cover a square of each image, somewhere else in each, with black or white."""
    n, height, width, _ = x.shape
    tall, wide = max(1, round(share * height)), max(1, round(share * width))
    top = rng.integers(0, height - tall + 1, (n, 1, 1))
    left = rng.integers(0, width - wide + 1, (n, 1, 1))
    row, column = np.arange(height)[:, None], np.arange(width)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    colour = rng.integers(0, 2, (n, 1, 1, 1))
    result: Rows = np.where(inside[..., None], colour, x).astype(np.float32)
    return result
