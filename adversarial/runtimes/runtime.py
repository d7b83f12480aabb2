"""The seam between a detector and what computes its outputs: one call, one pass.

A runtime computes probabilities; whatever follows from them is computed here and in
`adversarial.detector`, in NumPy and in float64, by the same code for every runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from adversarial.statistics import kl_divergence, scale_temperature

Rows = NDArray[np.float32]

ROWS_PER_PASS = 512
FLAT_ROWS_PER_PASS = 16_384

PROBABILITIES = "probabilities"
RECONSTRUCTION_PROBABILITIES = "reconstruction_probabilities"
FEATURES = "features"
RECONSTRUCTION = "reconstruction_{}"
"""Names of what a graph of the models gives; the last is AE_j(x), by the member's number."""


def rows_per_pass(shape: Sequence[int]) -> int:
    """Return how many rows of this shape are read, decoded and scored together.

    A pass costs the same few milliseconds beside its rows whatever it holds, and flat rows are
    scored in microseconds.
    """
    return FLAT_ROWS_PER_PASS if len(shape) == 1 else ROWS_PER_PASS


class Outputs(NamedTuple):
    """The outputs of one pass over n rows."""

    probabilities: NDArray[np.float32]
    """M(x), (n, n_classes)."""
    reconstruction_probabilities: NDArray[np.float32]
    """M(AE_j(x)) of m autoencoders, (n, m, n_classes)."""
    features: NDArray[np.float32] | None = None
    """What the penultimate layer of M says, (n, k); None where it cannot be reached."""

    def scores(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Return D_KL(M(x) ‖ M(AE_j(x))) in nats, (n, m); Eq. 6.

        At another temperature than 1, both predictions are first scaled by Eq. 9.
        """
        p, q = self.probabilities[:, None], self.reconstruction_probabilities
        if temperature == 1:
            return kl_divergence(p, q)
        return kl_divergence(scale_temperature(p, temperature), scale_temperature(q, temperature))

    def take(self, rows: slice) -> Outputs:
        """Return the outputs of some of the rows."""
        return Outputs(
            self.probabilities[rows],
            self.reconstruction_probabilities[rows],
            None if self.features is None else self.features[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[Outputs]) -> Outputs:
        """Return the outputs of consecutive passes, at least one, as those of one pass."""
        if len(parts) == 1:
            return parts[0]
        features = [part.features for part in parts if part.features is not None]
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.reconstruction_probabilities for part in parts]),
            np.concatenate(features) if features else None,
        )


class Runtime(Protocol):
    """Computes the outputs of a detector for a batch of rows.

    Attributes
    ----------
    passes_at_once : int
        Calls that may run beside each other, in threads of their own.
    """

    passes_at_once: int

    def __call__(self, x: Rows) -> Outputs:
        """Return the outputs for `x`, (n, *input_shape), n at least 1."""
        ...

    def reconstruct(self, x: Rows, member: int) -> Rows:
        """Return AE_j(x), (n, *input_shape), of the member j, which counts from 0."""
        ...
