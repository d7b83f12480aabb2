"""Square attack: random search on the model's scores, without gradients."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import Check, NonNegative, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim

HALVINGS = np.array([10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]) / 10_000
"""Shares of the steps after which the squares' area is halved (section 4.2)."""


@dataclass(frozen=True)
class SquareAttack(Attack):
    """Square attack in the L∞ ball (Andriushchenko et al. 2020, Algorithms 1 and 2).

    Starts from vertical stripes of ±ε; each step sets a random square to ±ε, channel by channel,
    and keeps it where the margin falls. It sees only the model's scores, so hiding gradients is no
    defence against it.

    Parameters
    ----------
    epsilon : float
        Radius of the ball, in the units of x.
    steps : int
        Number of queries per row, at most.
    initial_share : float
        p, the share of the pixels that the first squares cover.
    """

    epsilon: NonNegative
    steps: PositiveInt = 1_000
    initial_share: Annotated[
        float, Check(lambda value: 0 < value <= 1, "a share above 0, up to 1")
    ] = 0.8

    def prepare(self, victim: Victim) -> Perturb:
        """Return the random search."""
        low, high = self.limits()
        # Flat rows are treated as images of one line.
        shape = victim.shape if len(victim.shape) == 3 else (1, int(np.prod(victim.shape)), 1)
        height, width, channels = shape

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            images = x.reshape(len(x), *shape)
            generators = self.generators(rows, 0)

            def signs(row: int, *size: int) -> Rows:
                return generators[row].choice(np.array([-1.0, 1.0], np.float32), size)

            stripes = np.stack([signs(row, 1, width, channels) for row in range(len(x))])
            delta = np.broadcast_to(self.epsilon * stripes, images.shape).astype(np.float32)
            found = np.clip(images + delta, low, high)
            result = victim.evaluate(found.reshape(x.shape), y, rows)
            margin, active = result.margin, np.flatnonzero(~result.met)
            for step in range(1, self.steps):
                if not len(active):
                    break
                share = self.initial_share / 2 ** np.searchsorted(HALVINGS, step / self.steps)
                side = max(1, round(np.sqrt(share * height * width)))
                tall, wide = min(side, height), min(side, width)
                tried = delta[active]
                for number, row in enumerate(active.tolist()):
                    top = generators[row].integers(height - tall + 1)
                    left = generators[row].integers(width - wide + 1)
                    tried[number, top : top + tall, left : left + wide] = self.epsilon * signs(
                        row, 1, 1, channels
                    )
                candidate = np.clip(images[active] + tried, low, high)
                result = victim.evaluate(
                    candidate.reshape(-1, *x.shape[1:]), y[active], rows[active]
                )
                better = (result.margin < margin[active]) | result.met
                kept = active[better]
                delta[kept], found[kept] = tried[better], candidate[better]
                margin[kept] = result.margin[better]
                active = active[~result.met]
            x_adv: Rows = found.reshape(x.shape)
            return x_adv

        return perturb
