"""A few reference rows with the models' own outputs, by which a bundle's runtimes are judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 256
MOST_BYTES = 1 << 20
"""Of the rows before they are compressed."""
LEAST_ROWS = 16
"""However large they are: fewer tell nothing of a distribution."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # arrays have no one truth
class RuntimeSample:
    """Rows and what TensorFlow computes for them in float32.

    Attributes
    ----------
    x : (n, *input_shape) float32
        Reference rows, in the units the classifier takes.
    probabilities : (n, n_classes) float32
        M(x).
    reconstruction_probabilities : (n, m, n_classes) float32
        M(AE_j(x)).
    features : (n, k) float32, optional
        What the penultimate layer of M says.
    """

    x: Rows
    probabilities: Rows
    reconstruction_probabilities: Rows
    features: Rows | None = None

    def save(self, path: Path) -> None:
        """Write it to a `.npz` file."""
        arrays = {name: array for name, array in vars(self).items() if array is not None}
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> RuntimeSample:
        """Read one.

        Raises
        ------
        TypeError, ValueError, EOFError, OSError
            If the file holds anything else.
        """
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**arrays)


def draw_rows(x: Rows) -> Rows:
    """Return the rows of a sample: some of the reference rows, always the same of the same rows."""
    most = max(LEAST_ROWS, min(MOST_ROWS, MOST_BYTES // x[:1].nbytes if len(x) else MOST_ROWS))
    if len(x) <= most:
        return x
    return x[np.sort(np.random.default_rng(0).permutation(len(x))[:most])]
