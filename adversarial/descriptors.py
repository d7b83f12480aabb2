"""What an image looks like in a few numbers: brightness, contrast, sharpness and the like.

Simple statistics that sensors, encoders and preprocessing leave their marks on, so that a batch of
images can be compared with a reference in the way the columns of a table are.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Floats = NDArray[np.float32]

RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
"""Weights in luminance (ITU-R BT.601)."""
VALUES_AT_ONCE = 1 << 17
"""Bounds the memory of a pass, so that it stays in the processor's cache."""
SIDE = 64
"""Pixels that are looked at, at most, along each side: of larger images every so many …"""
PATCH = 16
"""… and, where neighbours matter, 4 × 4 patches of so many pixels a side, evenly spaced."""
LEVELS = 32
"""Levels of grey of which the entropy is taken."""
SATURATED = 1 / 255
"""A value this near an end of its range is taken for that end."""
NOISE_SCALE = np.float32(np.sqrt(np.pi / 2) / 6)
"""From the mean absolute response of the noise filter to a standard deviation."""

GREY = ("brightness", "contrast", "sharpness", "noise_level", "entropy", "black", "white")
COLOUR = ("colourfulness", "red_balance", "blue_balance")


def is_image(shape: Sequence[int]) -> bool:
    """Whether rows of this shape are images: (height, width, channels) with 1 or 3 channels."""
    return len(shape) == 3 and shape[-1] in (1, 3) and min(shape[:2]) >= 3


def descriptor_names(shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the descriptors of images of this shape."""
    return GREY + COLOUR if shape[-1] == 3 else GREY


def to_unit(x: Rows, low: float, span: float) -> Rows:
    """Return images whose black is `low`, and white `span` more, as images in [0, 1]."""
    if (low, span) == (0, 1):
        return x
    return (x - np.float32(low)) / np.float32(span)


def image_descriptors(x: Rows) -> Floats:
    """Describe images.

    Parameters
    ----------
    x : (n, height, width, channels) float32
        Images with 1 or 3 channels, at least 3 pixels high and wide. Black is 0 and white is 1;
        values beyond them are taken as they are.

    Returns
    -------
    (n, n_descriptors) float32
        In the order of `descriptor_names`, of the luminance where not said otherwise: mean
        (brightness); standard deviation (contrast); standard deviation of the Laplacian
        (sharpness); standard deviation of the noise by Immerkær's filter ("Fast Noise Variance
        Estimation", 1996); entropy of the histogram, in nats; shares of black and of white pixels;
        and of colour images the mean difference of the largest and the smallest channel
        (colourfulness), and of red and of blue to the luminance.

        Of images over 64 pixels a side they are those of an evenly spaced sample of 64 × 64
        pixels or fewer, so that they cost the same at any size.
    """
    seen = [min(SIDE, side) for side in x.shape[1:3]]
    at_once = max(1, VALUES_AT_ONCE // max(1, int(np.prod(seen)) * x.shape[-1]))
    parts = [_describe(x[i : i + at_once]) for i in range(0, len(x), at_once)]
    return (
        np.concatenate(parts)
        if parts
        else np.empty((0, len(descriptor_names(x.shape[1:]))), np.float32)
    )


def _luminance(x: Rows) -> Rows:
    if x.shape[-1] == 1:
        return x[..., 0]
    luminance: Rows = RED * x[..., 0] + GREEN * x[..., 1] + BLUE * x[..., 2]
    return luminance


def _describe(x: Rows) -> Floats:
    patches = _patches(x)
    x = _thinned(x)
    grey = _luminance(x)
    brightness = grey.mean(axis=(1, 2))
    laplacian = (
        patches[..., :-2, 1:-1]
        + patches[..., 2:, 1:-1]
        + patches[..., 1:-1, :-2]
        + patches[..., 1:-1, 2:]
        - 4 * patches[..., 1:-1, 1:-1]
    )
    columns = [
        brightness,
        grey.std(axis=(1, 2)),
        laplacian.std(axis=(1, 2, 3)),
        _noise(patches),
        _entropy(grey),
        (grey <= SATURATED).mean(axis=(1, 2)),
        (grey >= 1 - SATURATED).mean(axis=(1, 2)),
    ]
    if x.shape[-1] == 3:
        red, green, blue = np.moveaxis(x, -1, 0)
        spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        columns += [
            spread.mean(axis=(1, 2)),
            red.mean(axis=(1, 2)) - brightness,
            blue.mean(axis=(1, 2)) - brightness,
        ]
    return np.stack(columns, axis=1).astype(np.float32)


def _thinned(x: Rows) -> Rows:
    """Return every so many pixels of images, at most `SIDE` along each side, as a view."""
    down, across = (-(-side // SIDE) for side in x.shape[1:3])
    return x[:, down // 2 :: down, across // 2 :: across]


def _patches(x: Rows) -> Floats:
    """Return the luminance as patches of neighbouring pixels, (n, patches, height, width)."""
    height, width = x.shape[1:3]
    if height <= SIDE and width <= SIDE:
        return _luminance(x)[:, None]
    rows, columns = _starts(height), _starts(width)
    tall, wide = min(height, PATCH), min(width, PATCH)
    return np.stack(
        [_luminance(x[:, i : i + tall, j : j + wide]) for i in rows for j in columns], axis=1
    )


def _starts(side: int) -> list[int]:
    """Return where patches begin along a side."""
    n = max(1, min(side, SIDE) // PATCH)
    return [round((at + 0.5) * side / n - min(side, PATCH) / 2) for at in range(n)]


def thumbnails(x: Rows, size: int = 4) -> Floats:
    """Return the luminance of images averaged over a coarse grid.

    Where brightness lies in an image is what mirroring, rotating, shifting and covering change, and
    descriptors do not see.

    Parameters
    ----------
    x : (n, height, width, channels) float32
        Images with 1 or 3 channels.
    size : int
        Cells of the grid each way; no more than the image has pixels.

    Returns
    -------
    (n, size · size) float32
    """
    grey = _luminance(_thinned(x))
    for axis in (1, 2):
        n = grey.shape[axis]
        cells = min(size, n)
        edges = np.arange(cells) * n // cells
        widths = np.diff(np.append(edges, n)).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = cells
        means = np.add.reduceat(grey, edges, axis=axis) / widths.reshape(shape)
        grey = means.astype(np.float32, copy=False)
    return grey.reshape(len(grey), grey.shape[1] * grey.shape[2])


def _noise(patches: Floats) -> Floats:
    """Return Immerkær's estimate: the mean absolute response to a filter that ignores structure."""
    rows = patches[..., :-2, :] - 2 * patches[..., 1:-1, :] + patches[..., 2:, :]
    response = rows[..., :-2] - 2 * rows[..., 1:-1] + rows[..., 2:]
    result: Floats = np.abs(response).mean(axis=(1, 2, 3)) * NOISE_SCALE
    return result


def _entropy(grey: Rows) -> Floats:
    n = len(grey)
    levels = np.clip(grey.reshape(n, -1) * LEVELS, 0, LEVELS - 1).astype(np.int64)
    levels += LEVELS * np.arange(n)[:, None]
    counts = np.bincount(levels.ravel(), minlength=LEVELS * n).reshape(n, LEVELS)
    shares = counts / max(1, levels.shape[1])
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy: Floats = -(shares * logarithms).sum(axis=1).astype(np.float32)
    return entropy
