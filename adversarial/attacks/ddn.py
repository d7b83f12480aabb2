"""DDN: the direction of a perturbation and its norm, decoupled."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import Check, NonNegative, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim


@dataclass(frozen=True)
class DDN(Attack):
    """Decoupled direction and norm (Rony et al. 2019, Algorithm 1): a small L2 norm in few steps.

    Each step follows the gradient of the cross-entropy, then sets the norm of the perturbation: a
    little smaller where the criterion is met, a little larger where it is not. The smallest
    perturbation that met it is returned; where none did, the row itself.

    Parameters
    ----------
    steps : int
        Number of steps.
    initial_norm : float
        L2 norm after the first step, in the units of x.
    gamma : float
        γ, the fraction by which the norm changes in a step.
    """

    steps: PositiveInt = 100
    initial_norm: NonNegative = 1.0
    gamma: Annotated[float, Check(lambda value: 0 < value < 1, "a number between 0 and 1")] = 0.05

    def prepare(self, victim: Victim) -> Perturb:
        """Return the steps along the gradient, with an adaptive norm."""
        low, high = self.limits()

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            flat = (len(x), -1)
            each = (-1, *(1,) * (x.ndim - 1))
            delta = np.zeros_like(x)
            norm = np.full(len(x), self.initial_norm, np.float32)
            greatest = _norms(np.maximum(high - x, x - low).reshape(flat))
            best = np.full(len(x), np.inf, np.float32)
            found = x.copy()
            for step in range(self.steps):
                gradient, result = victim.gradient(x + delta, y, rows)
                current = _norms(delta.reshape(flat))
                better = result.met & (current < best)
                best[better] = current[better]
                found[better] = (x + delta)[better]
                # Cosine from 1 to 0.01, as in the authors' code.
                size = 0.01 + 0.99 * (1 + np.cos(np.pi * step / self.steps)) / 2
                length = _norms(gradient.reshape(flat))
                for row in np.flatnonzero(length == 0):
                    gradient[row] = self.generators(rows[[row]], step)[0].normal(size=x.shape[1:])
                    length[row] = np.linalg.norm(gradient[row])
                delta += np.float32(size) * gradient / length.reshape(each)
                norm *= np.where(result.met, 1 - self.gamma, 1 + self.gamma).astype(np.float32)
                norm = np.minimum(norm, greatest)
                delta *= (norm / np.maximum(_norms(delta.reshape(flat)), 1e-12)).reshape(each)
                delta = np.clip(x + delta, low, high) - x
            return found

        return perturb


def _norms(rows: Rows) -> Rows:
    norms: Rows = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return norms
