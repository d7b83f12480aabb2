"""SLIDE: sparse steepest ascent in an L1 ball."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import (
    Check,
    NonNegative,
    NonNegativeInt,
    PositiveInt,
)
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim

GROWTH = 1.5
"""Factor by which ε grows until an attack succeeds for the first time."""


@dataclass(frozen=True)
class SLIDE(Attack):
    """Sparse L1 descent attack (Tramèr & Boneh 2019, Algorithm 1; Eq. 3 of the paper).

    Each step moves the coordinates with the largest gradients by equal amounts, leaves out those
    already stopped by the bounds, and projects the perturbation onto the L1 ball.

    Parameters
    ----------
    epsilon : float
        ε, the radius of the ball, in the given unit.
    step_size : float
        L1 norm of a step, in the same unit.
    steps : int
        Number of steps.
    percentile : float
        q, 0 to 100: only gradients of at least this percentile of a row's absolute values move.
    unit : {"l1", "mean"}
        "l1" takes ε as the norm Σ|δ| itself, in the units of x; "mean" as the mean of |δ| over the
        features, as a fraction of the value range.
    search_steps : int
        0 attacks with ε as it is. k > 0 searches, row by row, for the smallest ε that succeeds:
        starting from ε, it grows by half until it does, then the interval is halved; k attacks in
        all. The step size stays in proportion.
    """

    epsilon: NonNegative
    step_size: NonNegative
    steps: PositiveInt = 10
    percentile: Annotated[
        float, Check(lambda value: 0 <= value <= 100, "a number from 0 to 100")
    ] = 80.0
    unit: Literal["l1", "mean"] = "l1"
    search_steps: NonNegativeInt = 0

    @classmethod
    def paper(cls, **more: Any) -> SLIDE:
        """Return the attack with the paper's hyper-parameters, ε searched for each row.

        The paper gives q = 80, ε = 0.1 and a step of 0.05 over 10 steps, and no unit. As an L1
        norm, ε = 0.1 succeeds on no MNIST image; as a mean without a search, it succeeds on all of
        them by far. The authors most likely used the mean and searched.
        """
        return cls(epsilon=0.1, step_size=0.05, unit="mean", search_steps=20, **more)

    def prepare(self, victim: Victim) -> Perturb:
        """Return the ascent in a ball, and the search for the smallest ball around it."""
        low, high = self.limits()
        n_features = int(np.prod(victim.shape))
        scale = n_features * float(np.mean(high - low)) if self.unit == "mean" else 1.0

        def ascend(
            x: Rows, y: Classes, rows: NDArray[np.int64], epsilon: Rows
        ) -> tuple[Rows, NDArray[np.bool_]]:
            """Attack with one ε per row, and stop on each row where it succeeds."""
            x_adv = x.copy()
            done = np.zeros(len(x), np.bool_)
            per_step = epsilon * (self.step_size / self.epsilon)
            for step in range(self.steps + 1):
                active = np.flatnonzero(~done)
                if not len(active):
                    break
                current, start = x_adv[active], x[active]
                if step == self.steps:  # the last step has yet to be evaluated
                    done[active] = victim.evaluate(current, y[active], rows[active]).met
                    break
                gradient, result = victim.gradient(current, y[active], rows[active])
                done[active] = result.met
                going = ~result.met
                direction = sparse_sign(gradient, current, low, high, self.percentile)
                size = per_step[active].reshape(-1, *(1,) * (x.ndim - 1))
                moved = np.clip(current + size * direction, low, high)
                delta = project_l1((moved - start).reshape(len(start), -1), epsilon[active])
                moved = np.clip(start + delta.reshape(start.shape), low, high)
                x_adv[active[going]] = moved[going]
            return x_adv, done

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            epsilon = np.full(len(x), self.epsilon * scale, np.float32)
            if not self.search_steps:
                return ascend(x, y, rows, epsilon)[0]
            good, bad = np.full(len(x), np.inf, np.float32), np.zeros(len(x), np.float32)
            found = x.copy()
            for _ in range(self.search_steps):
                attempt, met = ascend(x, y, rows, epsilon)
                found[met] = attempt[met]
                good, bad = np.where(met, epsilon, good), np.where(met, bad, epsilon)
                known = np.isfinite(good)
                epsilon = np.where(known, (np.where(known, good, 0) + bad) / 2, bad * GROWTH)
            return found

        return perturb


def sparse_sign(gradient: Rows, x: Rows, low: Rows, high: Rows, percentile: float) -> Rows:
    """Return the direction of a step, of L1 norm 1 in each row (or 0 where none can be taken)."""
    blocked = ((x >= high) & (gradient > 0)) | ((x <= low) & (gradient < 0))
    free = np.where(blocked, 0, gradient).reshape(len(x), -1)
    size = np.abs(free)
    least = np.percentile(size, percentile, axis=1, keepdims=True)
    sign = np.where((size >= least) & (size > 0), np.sign(free), 0)
    norm = np.abs(sign).sum(axis=1, keepdims=True)
    direction: Rows = (sign / np.maximum(norm, 1)).reshape(x.shape).astype(np.float32)
    return direction


def project_l1(delta: Rows, radius: Rows) -> Rows:
    """Project each row of `delta`, (n, d), onto the L1 ball of its radius (Duchi et al. 2008)."""
    size = np.abs(delta)
    ordered = -np.sort(-size, axis=1)
    excess = (np.cumsum(ordered, axis=1, dtype=np.float64) - radius[:, None]) / np.arange(
        1, delta.shape[1] + 1
    )
    last = np.maximum((ordered > excess).sum(axis=1) - 1, 0)
    threshold = np.maximum(excess[np.arange(len(delta)), last], 0)[:, None]
    inside = size.sum(axis=1, keepdims=True) <= radius[:, None]
    shrunk = np.sign(delta) * np.maximum(size - threshold, 0)
    projected: Rows = np.where(inside, delta, shrunk).astype(np.float32)
    return projected
