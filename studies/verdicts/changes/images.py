"""Drifts of images: what cameras, codecs, and preprocessing do to them."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from adversarial.corruptions import corrupt

from ..changes.drift import Change, Drift, of_some
from ..data.rows import Inputs

CORRUPTED = (
    ("gaussian_noise", 3),
    ("impulse_noise", 5),
    ("defocus_blur", 5),
    ("motion_blur", 3),
    ("snow", 3),
    ("fog", 5),
    ("brightness", 4),
    ("contrast", 5),
    ("elastic_transform", 3),
    ("jpeg_compression", 5),
)
MILD = (("brightness", 1), ("jpeg_compression", 1), ("defocus_blur", 1), ("gaussian_noise", 1))


def image_drifts(channels: int) -> list[Drift]:
    """Return the drifts of images in [0, 1] with one channel or three."""
    return _corrupted() + _calibrated(channels) + _others(channels)


def _corrupted() -> list[Drift]:
    def drift(name: str, severity: int, *, mild: bool) -> Drift:
        def change(x: Inputs, _: np.random.Generator) -> Inputs:
            return corrupt(x, name, severity, seed=1)

        return Drift(f"{name}_{severity}", "corruption", change, mild=mild)

    return [
        *(drift(*cell, mild=True) for cell in MILD),
        *(drift(*cell, mild=False) for cell in CORRUPTED),
    ]


def _calibrated(channels: int) -> list[Drift]:
    """Return other drifts of families that a detector's calibration uses."""
    drifts = [
        Drift("inverted", "inverted", lambda x, _: 1 - x),
        Drift("bytes_not_scaled", "not_normalised", lambda x, _: x * 255),
        Drift("scaled_twice", "normalised_twice", lambda x, _: x / 255),
        Drift("transposed", "transposed", _transposed),
        Drift("mirrored", "mirrored", lambda x, _: x[:, :, ::-1]),
        Drift("upside_down", "mirrored", lambda x, _: x[:, ::-1]),
        Drift("rotated_20", "rotated", _rotated(20)),
        Drift("moved_an_eighth", "moved", _moved(1 / 8)),
        Drift("cropped", "cropped", partial(_zoomed, share=0.7)),
        Drift("occluded", "occluded", _occluded),
        Drift("black", "black", lambda x, _: np.zeros_like(x)),
    ]
    if channels == 3:
        drifts.append(Drift("bgr_for_rgb", "channels_swapped", lambda x, _: x[..., ::-1]))
    return drifts


def _others(channels: int) -> list[Drift]:
    """Return drifts of families that no calibration uses."""
    noise = partial(_noise, deviation=0.5)
    drifts = [
        Drift("gamma_1.1", "gamma", lambda x, _: x**1.1, mild=True),
        Drift("gamma_2.2", "gamma", lambda x, _: x**2.2),
        Drift("gamma_0.45", "gamma", lambda x, _: x**0.45),
        Drift("two_bits", "posterised", lambda x, _: np.round(x * 3) / 3),
        Drift("one_bit", "posterised", lambda x, _: np.round(x)),
        Drift("checkerboard", "checkerboard", partial(_checkerboard, height=0.3)),
        Drift("dead_columns", "stripes", partial(_stripes, axis=2, every=4)),
        Drift("dead_rows", "dead_rows", lambda x, _: _without_rows(x, 0.3)),
        Drift("logo", "overlay", _logo),
        Drift("jigsaw", "jigsaw", _jigsaw),
        Drift("half_resolution", "resolution", partial(_coarser, factor=2)),
        Drift("quarter_resolution", "resolution", partial(_coarser, factor=4)),
        Drift("vignette", "vignette", _vignette),
        Drift("solarised", "solarised", lambda x, _: np.where(x > 0.5, 1 - x, x)),
        Drift("framed", "framed", _framed),
        Drift("interlaced", "interlaced", _interlaced),
        Drift("torn", "torn", _torn),
        Drift("edges_only", "edges", _edges),
        Drift("three_tenths_noise", "mixture", of_some(noise, 0.3)),
        Drift("three_tenths_inverted", "mixture", of_some(lambda x, _: 1 - x, 0.3)),
        Drift("a_tenth_upside_down", "mixture", of_some(lambda x, _: x[:, ::-1], 0.1)),
        Drift("stretched_contrast", "stretched", _stretched),
    ]
    if channels == 3:
        drifts += [
            Drift("grey", "grey", lambda x, _: np.repeat(x.mean(axis=3, keepdims=True), 3, axis=3)),
            Drift("hue_rotated", "hue", partial(_mixed_channels, angle=120.0)),
            Drift("hue_slightly_rotated", "hue", partial(_mixed_channels, angle=15.0), mild=True),
            Drift("warm_light", "colour_cast", lambda x, _: x * np.array([1.0, 0.8, 0.5])),
        ]
    return drifts


def _transposed(x: Inputs, _: np.random.Generator) -> Inputs:
    """Exchange rows and columns; of images that are not square, of each square in them."""
    height, width = x.shape[1:3]
    squares = [x[:, :, left : left + height] for left in range(0, width, height)]
    return np.concatenate([square.swapaxes(1, 2) for square in squares], axis=2)


def _rotated(angle: float) -> Change:
    return lambda x, _: np.clip(
        ndimage.rotate(x, angle, axes=(1, 2), reshape=False, order=1, mode="nearest"), 0, 1
    )


def _moved(share: float) -> Change:
    def change(x: Inputs, _: np.random.Generator) -> Inputs:
        by = max(1, round(share * x.shape[1]))
        moved = np.roll(x, (by, by), (1, 2))
        moved[:, :by], moved[:, :, :by] = 0, 0
        return moved

    return change


def _zoomed(x: Inputs, _: np.random.Generator, share: float) -> Inputs:
    """Enlarge the middle of the images, nearest pixel by nearest pixel."""
    rows, columns = _middle(x.shape[1], share), _middle(x.shape[2], share)
    return x[:, rows[:, None], columns]


def _middle(size: int, share: float) -> NDArray[np.int64]:
    """Return for each pixel of an enlarged line the one that it shows."""
    places = (np.arange(size) - size / 2) * share + size / 2
    pixels: NDArray[np.int64] = np.clip(places.round(), 0, size - 1).astype(np.int64)
    return pixels


def _occluded(x: Inputs, rng: np.random.Generator) -> Inputs:
    height, width = x.shape[1:3]
    size = height * 2 // 5
    for image in x:
        top, left = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
        image[top : top + size, left : left + size] = 0
    return x


def _noise(x: Inputs, rng: np.random.Generator, deviation: float) -> Inputs:
    return np.clip(x + deviation * rng.standard_normal(x.shape), 0, 1)


def _checkerboard(x: Inputs, _: np.random.Generator, height: float) -> Inputs:
    rows, columns = np.arange(x.shape[1]) // 2, np.arange(x.shape[2]) // 2
    board = (rows[:, None, None] + columns[:, None]) % 2 * 2 - 1
    changed: Inputs = np.clip(x + height * board, 0, 1)
    return changed


def _stripes(x: Inputs, _: np.random.Generator, axis: int, every: int) -> Inputs:
    x[(slice(None),) * axis + (slice(None, None, every),)] = 0
    return x


def _without_rows(x: Inputs, share: float) -> Inputs:
    x[:, round(x.shape[1] * (1 - share)) :] = 0
    return x


def _logo(x: Inputs, _: np.random.Generator) -> Inputs:
    """Write a bar with three letters across a quarter of the image."""
    height, width = x.shape[1:3]
    size = height // 4
    x[:, height - size :] = 1
    letters = np.zeros((size, width), bool)
    letters[1 : size - 1, :: max(3, size // 2)] = True
    letters[size // 2, width // 4 : width // 2] = True
    x[:, height - size :][:, letters] = 0
    return x


def _jigsaw(x: Inputs, _: np.random.Generator) -> Inputs:
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    return np.roll(x, (rows, columns), (1, 2))


def _coarser(x: Inputs, _: np.random.Generator, factor: int) -> Inputs:
    small = x[:, ::factor, ::factor]
    large = small.repeat(factor, axis=1).repeat(factor, axis=2)
    return large[:, : x.shape[1], : x.shape[2]]


def _vignette(x: Inputs, _: np.random.Generator) -> Inputs:
    rows, columns = (np.linspace(-1, 1, size) for size in x.shape[1:3])
    distance = np.hypot(rows[:, None], columns)
    return x * np.clip(1.15 - 0.8 * distance, 0, 1)[None, :, :, None]


def _framed(x: Inputs, _: np.random.Generator) -> Inputs:
    """Set the border to white, as a scan of a print has it."""
    width = max(1, x.shape[1] // 10)
    framed = np.ones_like(x)
    inner = (slice(None), slice(width, -width), slice(width, -width))
    framed[inner] = x[inner]
    return framed


def _interlaced(x: Inputs, _: np.random.Generator) -> Inputs:
    x[:, 1::2] = np.roll(x[:, 1::2], max(2, x.shape[2] // 10), axis=2)
    return x


def _torn(x: Inputs, _: np.random.Generator) -> Inputs:
    """Take the lower half from the image before: a buffer that is read while it is written."""
    half = x.shape[1] // 2
    x[:, half:] = np.roll(x[:, half:], 1, axis=0)
    return x


def _edges(x: Inputs, _: np.random.Generator) -> Inputs:
    slope: Inputs = np.hypot(ndimage.sobel(x, axis=1), ndimage.sobel(x, axis=2))
    edges: Inputs = slope.clip(0, 4) / 4
    return edges


def _stretched(x: Inputs, _: np.random.Generator) -> Inputs:
    low, high = np.quantile(x, [0.1, 0.9], axis=(1, 2, 3), keepdims=True)
    stretched: Inputs = np.clip((x - low) / np.maximum(high - low, 0.05), 0, 1)
    return stretched


def _mixed_channels(x: Inputs, _: np.random.Generator, angle: float) -> Inputs:
    """Rotate colours about the grey axis."""
    turn = np.deg2rad(angle)
    same = (1 + 2 * np.cos(turn)) / 3
    up, down = ((1 - np.cos(turn)) / 3 + sign * np.sin(turn) / np.sqrt(3) for sign in (1, -1))
    turned: Inputs = x @ np.array([[same, down, up], [up, same, down], [down, up, same]])
    return turned.clip(0, 1)
