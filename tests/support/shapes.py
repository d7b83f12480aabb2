"""Images of coloured shapes."""

import numpy as np
from numpy.typing import NDArray


def images(n: int = 6, side: int = 32, channels: int = 3) -> NDArray[np.float32]:
    """Smooth coloured shapes with edges, on 8-bit levels."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / side
    found = []
    for _ in range(n):
        a, b, c = rng.uniform(0.2, 0.8, 3)
        disk = (rows - a) ** 2 + (columns - b) ** 2 < 0.06
        layers = [0.2 + 0.3 * rows, 0.6 - 0.3 * columns, c * np.ones_like(rows)]
        layers = [np.where(disk, 0.9 - layer, layer) for layer in layers]
        found.append(np.stack(layers[:channels], axis=-1))
    return (np.round(np.array(found) * 255) / 255).astype(np.float32)
