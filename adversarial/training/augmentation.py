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
        n = len(images)
        mirrored = rng.random(n) < 0.5 if self.flip else np.zeros(n, bool)
        shift = self.shift
        moves = np.zeros((2, n), int)
        if shift:
            moves = shift - rng.integers(0, 2 * shift + 1, (2, n))
        result = np.full_like(images, self.fill)
        # Each image is written once, into what is left of it: padding all would copy them twice.
        for image, place, mirror, down, right in zip(
            images, result, mirrored, *moves.tolist(), strict=True
        ):
            (to_rows, rows), (to_columns, columns) = _overlap(down), _overlap(right)
            source = image[:, ::-1] if mirror else image
            place[to_rows, to_columns] = source[rows, columns]
        return result


def _overlap(move: int) -> tuple[slice, slice]:
    """Return where the pixels that stay within an image are after a move, and where before it."""
    if move > 0:
        return slice(move, None), slice(None, -move)
    return slice(None, move or None), slice(-move, None)
