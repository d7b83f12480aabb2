"""Blur: by a Gaussian, frosted glass, a lens out of focus, motion, and zooming."""

import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.corruptions.images import Generators, Images


def gaussian_filter(x: Images, sigma: float) -> Images:
    """Return the images blurred by a Gaussian, σ in pixels."""
    blurred: Images = scipy.ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest")
    return blurred


def gaussian_blur(x: Images, sigma: float, generators: Generators) -> Images:  # noqa: ARG001
    """Blur by a Gaussian, σ in pixels."""
    return gaussian_filter(x, sigma)


def glass_blur(x: Images, constants: tuple[float, int, int], generators: Generators) -> Images:
    """Replace pixels by neighbours, between two blurs.

    The benchmark's code means to swap neighbours, but overwrites one with the other.
    """
    sigma, reach, turns = constants
    n, height, width, _ = x.shape
    moved = np.floor(gaussian_filter(x, sigma) * 255) / np.float32(255)
    steps = np.stack([rng.integers(-reach, reach, (turns, height, width, 2)) for rng in generators])
    images = np.arange(n)
    for turn in range(turns):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                step = steps[:, turn, row - 1, column - 1]
                moved[:, row, column] = moved[images, row + step[:, 0], column + step[:, 1]]
    return gaussian_filter(moved, sigma)


def defocus_blur(
    x: Images,
    constants: tuple[float, float],
    generators: Generators,  # noqa: ARG001
) -> Images:
    """Blur by a disk with a soft edge: radius and σ of the edge, in pixels."""
    radius, sigma = constants
    places = np.arange(-8, 9)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float64)
    bell = np.exp(-(np.arange(-1, 2) ** 2) / (2 * sigma**2))
    bell /= bell.sum()
    kernel = scipy.ndimage.convolve(disk / disk.sum(), np.outer(bell, bell), mode="mirror")
    blurred: Images = scipy.ndimage.convolve(
        x, kernel[None, :, :, None].astype(np.float32), mode="mirror"
    )
    return blurred


def smear(x: Images, constants: tuple[float, float], degrees: NDArray[np.float64]) -> Images:
    """Return each image blurred along its own angle by half a Gaussian, as ImageMagick does."""
    radius, sigma = constants
    _, height, width, _ = x.shape
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    kernel = np.exp(-(steps**2) / (2 * sigma**2))
    angle = np.deg2rad(degrees)[:, None]
    down = np.ceil(steps * np.sin(angle) - 0.5).astype(np.int64)
    right = np.ceil(steps * np.cos(angle) - 0.5).astype(np.int64)
    images = np.arange(len(x))[:, None, None]
    smeared = np.zeros_like(x)
    for step, share in zip(steps, kernel / kernel.sum(), strict=True):
        rows = np.clip(np.arange(height) + down[:, step, None], 0, height - 1)
        columns = np.clip(np.arange(width) + right[:, step, None], 0, width - 1)
        smeared += np.float32(share) * x[images, rows[:, :, None], columns[:, None, :]]
    return smeared


def motion_blur(x: Images, constants: tuple[float, float], generators: Generators) -> Images:
    """Smear at up to 45° from the horizontal."""
    return smear(x, constants, np.array([rng.uniform(-45, 45) for rng in generators]))


def enlarge(x: Images, factor: float) -> Images:
    """Return the middle of each image, enlarged linearly to the size of the whole."""
    rows, columns = (_enlargement(size, factor) for size in x.shape[1:3])
    enlarged: Images = np.einsum("ij,njkc,lk->nilc", rows, x, columns, optimize=True)
    return enlarged


def _enlargement(size: int, factor: float) -> Images:
    """Return the (size, size) matrix that enlarges along one axis, as `scipy.ndimage.zoom` does."""
    part = int(np.ceil(size / factor))
    places = np.linspace(0, part - 1, round(part * factor))
    trim = (len(places) - size) // 2
    places = places[trim : trim + size, None] + (size - part) // 2
    weights: Images = np.maximum(1 - np.abs(places - np.arange(size)), 0).astype(np.float32)
    return weights


def zoom_blur(x: Images, greatest: float, generators: Generators) -> Images:  # noqa: ARG001
    """Average over enlargements in steps of 1 %."""
    factors = np.arange(1, greatest, 0.01)
    total = x + sum(enlarge(x, float(factor)) for factor in factors)
    averaged: Images = total / np.float32(len(factors) + 1)
    return averaged
