"""Augmentation of images: each batch is moved and mirrored, as in the classifier's training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adversarial.errors import ModelError


@dataclass(frozen=True)
class Augmentation:
    """Moves each image at random, and mirrors half of them (He et al. 2016, section 4.2).

    Parameters
    ----------
    shift : int
        Greatest number of pixels up or down, and left or right.
    flip : bool
        Mirror half of the images, left to right.
    fill : float
        What fills the edges, in the units of the images: black.
    """

    shift: int = 0
    flip: bool = False
    fill: float = 0.0

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise ModelError(f"shift is {self.shift}: expected 0 pixels or more")

    def __call__(self, images: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """Return the images, (n, height, width, channels), moved and mirrored.

        Raises
        ------
        ModelError
            If the rows are not images.
        """
        if images.ndim != 4:
            raise ModelError(
                f"rows of shape {images.shape[1:]} cannot be moved and mirrored: expected images "
                "of shape (height, width, channels)"
            )
        n, height, width, _ = images.shape
        if self.flip:
            mirrored = rng.random((n, 1, 1, 1)) < 0.5
            images = np.where(mirrored, images[:, :, ::-1], images)
        if not self.shift:
            return images
        margin = (self.shift, self.shift)
        padded = np.pad(images, ((0, 0), margin, margin, (0, 0)), constant_values=self.fill)
        top, left = rng.integers(0, 2 * self.shift + 1, (2, n, 1, 1))
        rows = np.arange(height)[None, :, None] + top
        columns = np.arange(width)[None, None, :] + left
        moved: NDArray[Any] = padded[np.arange(n)[:, None, None], rows, columns]
        return moved
