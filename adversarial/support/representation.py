"""Rows as numbers that can be compared: inputs on one scale, images by what they look like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adversarial.descriptors import image_descriptors, is_image, thumbnails, to_unit

Rows = NDArray[np.float32]
Floats = NDArray[np.float32]

NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution with standard deviation 1."""
SMALLEST_SCALE = 1e-3
"""Of a constant column, as a share of its value or of 1: whatever else it says is far away."""
CONSTANT = 1e-6
"""A deviation below this share of the value is that of a constant in single precision."""
BINS = 8
"""Values that are neither a flat row nor an image are averaged over a coarse grid, this many each
way."""


@dataclass(frozen=True, eq=False)  # arrays have no one truth
class Scaling:
    """Maps numbers to arsinh((value − centre) / scale).

    Linear among usual values and logarithmic far away, so that heavy tails do not hide everything
    else, and a value in a wrong unit stays near its kin.

    Attributes
    ----------
    centre, scale : (k,) float32
        Median, and the spread of the middle half as that of a normal distribution.
    """

    centre: Floats
    scale: Floats

    @classmethod
    def fit(cls, numbers: Floats) -> Scaling:
        """Return the scaling by which n rows of numbers, (n, k), are usual."""
        numbers = numbers.astype(np.float64)
        centre = np.median(numbers, axis=0)
        quarter, three = np.quantile(numbers, (0.25, 0.75), axis=0)
        scale = (three - quarter) / NORMAL_IQR
        deviation = numbers.std(axis=0)
        # Most values may be one and the same, as in a column of counts or flags.
        scale = np.where(scale > SMALLEST_SCALE * deviation, scale, deviation)
        smallest = SMALLEST_SCALE * np.maximum(1, np.abs(centre))
        scale = np.where(deviation > CONSTANT * np.abs(centre), scale, smallest)
        return cls(centre.astype(np.float32), np.maximum(scale, 1e-30).astype(np.float32))

    def __call__(self, numbers: Floats) -> Floats:
        """Return n rows of numbers on this scale, (n, k) float32."""
        result: Floats = np.arcsinh((numbers - self.centre) / self.scale)
        return result

    def inverse(self, scaled: Floats) -> Floats:
        """Return the numbers of n rows on this scale, (n, k) float32."""
        result: Floats = np.sinh(scaled) * self.scale + self.centre
        return result


@dataclass(frozen=True, eq=False)  # arrays have no one truth
class Representation:
    """Maps rows to numbers in which distances mean something.

    They are a flat row's columns, and an image's descriptors and coarse thumbnail; scaled.

    Attributes
    ----------
    shape : tuple of int
        Of a row.
    low, span : float
        What black is, and white minus black, in the units of the classifier; only of images.
    scaling : Scaling
        Of the numbers.
    """

    shape: tuple[int, ...]
    low: float
    span: float
    scaling: Scaling

    @classmethod
    def fit(cls, x: Rows, value_range: tuple[float, float]) -> Representation:
        """Return the representation by which these reference rows, (n, *shape), are usual."""
        shape = tuple(x.shape[1:])
        low, high = value_range
        return cls(shape, low, high - low, Scaling.fit(_numbers(x, shape, low, high - low)))

    def __call__(self, x: Rows) -> Floats:
        """Return the numbers of n rows, (n, k) float32."""
        return self.scaling(_numbers(x, self.shape, self.low, self.span))


def _numbers(x: Rows, shape: Sequence[int], low: float, span: float) -> Floats:
    if is_image(shape):
        scaled = to_unit(x, low, span)
        return np.concatenate([image_descriptors(scaled), thumbnails(scaled)], axis=1)
    flat = x.reshape(len(x), math.prod(shape))
    if len(shape) == 1 or flat.shape[1] <= BINS * BINS:
        return flat
    # Signals and stacks of maps: averages over pieces of equal length, and how much they vary.
    pieces = np.array_split(flat, BINS * BINS, axis=1)
    means = np.stack([piece.mean(axis=1) for piece in pieces], axis=1)
    spread = np.stack([piece.std(axis=1) for piece in pieces], axis=1)
    return np.concatenate([means, spread], axis=1)
