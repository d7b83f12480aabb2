"""Random noise: what every attack must beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import NonNegative, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim


@dataclass(frozen=True)
class UniformNoise(Attack):
    """Uniform noise in the L∞ ball; the first of several draws that succeeds.

    A baseline, not a threat: an attack that knows a gradient and succeeds less often is broken, or
    the gradient is hidden from it (Athalye et al. 2018, section 3.1). For a row on which every draw
    failed, the one closest to success is returned.

    Parameters
    ----------
    epsilon : float
        Radius of the ball around x, in its units.
    draws : int
        Number of draws per row, at most.
    """

    epsilon: NonNegative
    draws: PositiveInt = 100

    def prepare(self, victim: Victim) -> Perturb:
        """Return the draws of noise."""
        low, high = self.limits()

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            found, margins = x.copy(), np.full(len(x), np.inf, np.float32)
            active, generators = np.arange(len(x)), self.generators(rows, 0)
            for _ in range(self.draws):
                noise = np.stack([generators[row].uniform(-1, 1, x.shape[1:]) for row in active])
                tried = np.clip(x[active] + self.epsilon * noise, low, high).astype(np.float32)
                result = victim.evaluate(tried, y[active], rows[active])
                closer = (result.margin < margins[active]) | result.met
                found[active[closer]] = tried[closer]
                margins[active[closer]] = result.margin[closer]
                active = active[~result.met]
                if not len(active):
                    break
            return found

        return perturb
