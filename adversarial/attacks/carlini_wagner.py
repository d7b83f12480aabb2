"""The L2 attack of Carlini & Wagner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import NonNegative, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim

CHECKS = 10
"""How often each c's descent is checked for rows that no longer improve."""
PROGRESS = 0.9999
"""A row stands still if its lowest loss has not fallen to this share since the last check."""
PATIENCE = 2
"""Checks that find a row standing still before it is done with this c: Adam moves in waves."""
INSIDE = 0.999999
"""Rows are scaled into the open interval by this factor: arctanh is infinite at the bounds."""
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Parameters of Adam, whose moments start from zero for each c."""


@dataclass(frozen=True)
class CarliniWagner(Attack):
    """C&W's L2 attack (Carlini & Wagner 2017, section V.A and VI.A).

    Minimises ‖x(w) − x‖² + c · max(margin, 0) over w with Adam, where x(w) is tanh of w, scaled to
    the bounds, and searches for the smallest c that succeeds, for each row. The smallest
    perturbation that met the criterion under any c is returned; where none did, the row itself.
    Confidence κ is the criterion's (`Misclassified`).

    Parameters
    ----------
    steps : int
        Steps of Adam for each c, at most: a row whose loss stands still is done earlier.
    learning_rate : float
        Learning rate of Adam, in w.
    initial_c : float
        The first c.
    search_steps : int
        Number of values of c.
    search : {"plain", "log"}
        "plain" halves the interval of c, as the authors do; "log" takes the geometric mean, and
        a tenth of c after a first success, which needs fewer values whatever c it starts from.
    """

    steps: PositiveInt = 1_000
    learning_rate: NonNegative = 0.01
    initial_c: NonNegative = 1e-3
    search_steps: PositiveInt = 9
    search: Literal["plain", "log"] = "plain"

    @classmethod
    def paper(cls, **more: Any) -> CarliniWagner:
        """Return the attack with the schedule of the paper's experiments."""
        return cls(steps=200, learning_rate=0.1, initial_c=100.0, search_steps=7, **more)

    def prepare(self, victim: Victim) -> Perturb:
        """Return the descents in w, one for each value of c."""
        low, high = self.limits()
        middle, half = (high + low) / 2, (high - low) / 2
        row = tf.TensorSpec([None, *victim.shape], tf.float32)
        number = tf.TensorSpec([None], tf.float32)

        def to_row(w: tf.Tensor) -> tf.Tensor:
            return middle + half * tf.tanh(w)

        def descend(  # one step of Adam
            w: tf.Tensor,
            y: tf.Tensor,
            weight: tf.Tensor,
            m: tf.Tensor,
            v: tf.Tensor,
            x: tf.Tensor,
            c: tf.Tensor,
            t: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            axes = list(range(1, len(victim.shape) + 1))
            with tf.GradientTape() as tape:
                tape.watch(w)
                x_adv = to_row(w)
                result = victim.criterion(x_adv, y, weight)
                squared = tf.reduce_sum(tf.square(x_adv - x), axis=axes)
                loss = squared + c * tf.nn.relu(result.margin)
            gradient = tape.gradient(loss, w)
            m = BETA_1 * m + (1 - BETA_1) * gradient
            v = BETA_2 * v + (1 - BETA_2) * tf.square(gradient)
            rate = self.learning_rate * tf.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
            moved = w - rate * m / (tf.sqrt(v) + EPSILON)
            return moved, m, v, x_adv, squared, result.met, result.first_met, loss

        step = victim.compile(descend, row, row, row, number, tf.TensorSpec([], tf.float32))

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            best, smallest = x.copy(), np.full(len(x), np.inf, np.float32)
            going = np.flatnonzero(~victim.evaluate(x, y, rows).met)
            w_start = np.arctanh(INSIDE * (x - middle) / np.where(half > 0, half, 1))
            c = np.full(len(x), self.initial_c, np.float32)
            lower, upper = np.zeros_like(c), np.full_like(c, np.inf)
            for _ in range(self.search_steps if len(going) else 0):
                met = np.zeros(len(x), np.bool_)
                active = going
                lowest = last = np.full(len(going), np.inf, np.float32)
                still = np.zeros(len(going), np.int64)
                w, m, v = w_start[active], np.zeros_like(x[active]), np.zeros_like(x[active])
                for t in range(1, self.steps + 1):
                    weight = victim.weights[rows[active]]
                    w, m, v, x_adv, squared, now, first_met, loss = (
                        tensor.numpy()
                        for tensor in step(
                            w, y[active], weight, m, v, x[active], c[active], np.float32(t)
                        )
                    )
                    victim.count(rows[active], first_met)
                    better = now & (squared < smallest[active])
                    best[active[better]] = x_adv[better]
                    smallest[active[better]] = squared[better]
                    met[active[now]] = True
                    lowest = np.minimum(lowest, loss)
                    if t % max(1, self.steps // CHECKS) == 0:
                        still = np.where(lowest < PROGRESS * last, 0, still + 1)
                        moving = still < PATIENCE
                        active, lowest, still = active[moving], lowest[moving], still[moving]
                        last = lowest
                        w, m, v = w[moving], m[moving], v[moving]
                        if not len(active):
                            break
                upper, lower = np.where(met, c, upper), np.where(met, lower, c)
                c = self._next(c, lower, upper).astype(np.float32)
            return best

        return perturb

    def _next(self, c: Rows, lower: Rows, upper: Rows) -> Rows:
        """Return the c to try next."""
        known = np.isfinite(upper)
        bounded = np.where(known, upper, 0)
        if self.search == "plain":
            return np.where(known, (lower + bounded) / 2, 10 * c)
        between = np.where(lower > 0, np.sqrt(lower * bounded), c / 10)
        return np.where(known, between, 10 * c)
