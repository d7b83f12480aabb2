"""What every corruption takes: images, and a random number generator for each of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.floating]
Generators = Sequence[np.random.Generator]


def standard_normal(x: Images, generators: Generators) -> Images:
    """Return standard normal noise in the shape of the images, from each one's generator."""
    return np.stack([rng.standard_normal(x.shape[1:], np.float32) for rng in generators])
