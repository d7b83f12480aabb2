"""The fast gradient sign method, in one full step or in the smallest that succeeds."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import NON_NEGATIVE, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim


@dataclass(frozen=True)
class FGSM(Attack):
    """Fast gradient sign method (Goodfellow et al. 2015; Eq. 4 of the paper).

    x_adv = clip(x + ε · sign(∇ₓ L(M(x), y))), with the cross-entropy L.

    Parameters
    ----------
    epsilon : float or (n_features,) array
        ε, the L∞ norm of the step, in the units of x; for flat rows, optionally one per feature.
    steps : int
        1 takes the full step. k > 1 tries ε/k, 2ε/k, …, ε along the same gradient and stops at the
        first that succeeds, row by row; where none does, the full step is returned. The paper's
        "1000 iterations" can be read either way.
    """

    epsilon: Annotated[float | Rows, NON_NEGATIVE]
    steps: PositiveInt = 1

    @property
    def repeats(self) -> bool:
        """Whether there are steps to try; a single one is faster done than compiled."""
        return self.steps > 1 or self.weight_steps > 0

    def prepare(self, victim: Victim) -> Perturb:
        """Return the step along the gradient's sign."""
        low, high = self.limits()
        epsilon = np.asarray(self.epsilon, np.float32)

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            gradient, _ = victim.gradient(x, y, rows)
            sign = np.sign(gradient)
            x_adv: Rows = np.clip(x + epsilon * sign, low, high)
            active = np.arange(len(x))
            for step in range(1, self.steps):
                tried = np.clip(x[active] + epsilon * (step / self.steps) * sign[active], low, high)
                met = victim.evaluate(tried, y[active], rows[active]).met
                x_adv[active[met]] = tried[met]
                active = active[~met]
                if not len(active):
                    break
            return x_adv

        return perturb
