"""Projected gradient descent with random restarts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import NonNegative, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim


@dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient descent (Madry et al. 2018), from random points in the ball.

    A row is done once the criterion is met. For a row on which every restart failed, the iterate
    closest to success is returned.

    Parameters
    ----------
    epsilon : float
        Radius of the ball around x, in its units.
    norm : {"linf", "l2"}
        Norm of the ball.
    steps : int
        Steps per restart.
    step_size : float, optional
        Norm of a step (of the first one with "cosine"); 2.5 ε / steps when not given (ε / 2 with
        "cosine").
    schedule : {"constant", "cosine"}
        "cosine" lowers the step to zero along half a cosine: large steps find the way, and
        small ones meet criteria that leave little room, such as a score below a threshold.
    restarts : int
        Number of starting points: x itself, then random ones.
    """

    epsilon: NonNegative
    norm: Literal["linf", "l2"] = "linf"
    steps: PositiveInt = 40
    step_size: NonNegative | None = None
    schedule: Literal["constant", "cosine"] = "constant"
    restarts: PositiveInt = 2

    def prepare(self, victim: Victim) -> Perturb:
        """Return the ascents from each starting point."""
        low, high = self.limits()
        sizes = self._sizes()

        def restart(
            x: Rows, y: Classes, rows: NDArray[np.int64], start: Rows
        ) -> tuple[Rows, NDArray[np.float32], NDArray[np.bool_]]:
            """Return each row's iterate that came closest, its margin, and whether it succeeded."""
            best, margins = start.copy(), np.full(len(x), np.inf, np.float32)
            met = np.zeros(len(x), np.bool_)
            current, active = start, np.arange(len(x))
            for step in range(self.steps + 1):
                if step < self.steps:
                    gradient, result = victim.gradient(current, y[active], rows[active])
                else:
                    result = victim.evaluate(current, y[active], rows[active])
                closer = (result.margin < margins[active]) | result.met
                best[active[closer]] = current[closer]
                margins[active[closer]] = result.margin[closer]
                met[active] = result.met
                if step == self.steps:
                    break
                going = ~result.met
                active, current = active[going], current[going]
                if not len(active):
                    break
                moved = current + sizes[step] * self._direction(gradient[going])
                current = np.clip(x[active] + self._project(moved - x[active]), low, high)
            return best, margins, met

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            found, margins = x.copy(), np.full(len(x), np.inf, np.float32)
            active = np.arange(len(x))
            for turn in range(self.restarts):
                start = x[active]
                if turn:
                    noise = np.stack(
                        [
                            rng.uniform(-1, 1, x.shape[1:])
                            if self.norm == "linf"
                            else rng.normal(size=x.shape[1:])
                            for rng in self.generators(rows[active], turn)
                        ]
                    ).astype(np.float32)
                    if self.norm == "l2":
                        noise /= _lengths(noise)
                    start = np.clip(start + np.float32(self.epsilon) * noise, low, high)
                best, reached, met = restart(x[active], y[active], rows[active], start)
                closer = met | (reached < margins[active])
                found[active[closer]] = best[closer]
                margins[active[closer]] = reached[closer]
                active = active[~met]
                if not len(active):
                    break
            return found

        return perturb

    def _sizes(self) -> NDArray[np.float32]:
        """Return the norm of each step."""
        constant = self.schedule == "constant"
        first = self.step_size
        if first is None:
            first = 2.5 * self.epsilon / self.steps if constant else self.epsilon / 2
        if constant:
            return np.full(self.steps, first, np.float32)
        share = (1 + np.cos(np.pi * np.arange(self.steps) / self.steps)) / 2
        return (first * share).astype(np.float32)

    def _direction(self, gradient: Rows) -> Rows:
        if self.norm == "linf":
            return np.sign(gradient)
        return gradient / _lengths(gradient)

    def _project(self, delta: Rows) -> Rows:
        if self.norm == "linf":
            return np.clip(delta, -self.epsilon, self.epsilon)
        inside: Rows = delta * np.minimum(1, np.float32(self.epsilon) / _lengths(delta))
        return inside


def _lengths(rows: Rows) -> Rows:
    """Return the L2 norm of each row, never 0, in a shape to divide the row by."""
    norms: Rows = np.linalg.norm(rows.reshape(len(rows), -1), axis=1).astype(np.float32)
    return np.maximum(norms, 1e-12).reshape(-1, *(1,) * (rows.ndim - 1))
