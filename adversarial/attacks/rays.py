"""RayS: a search for the nearest decision boundary that sees only the model's class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.hyper_parameters import NonNegative, PositiveInt
from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim


@dataclass(frozen=True)
class RayS(Attack):
    """Ray searching attack (Chen & Gu 2020, Algorithm 3): a small L∞ norm from decisions alone.

    Searches directions of ±1 for the one in which the criterion is met nearest to x. Signs are
    flipped block by block: the whole row, halves, quarters, and so on. A flip that does not bring
    the boundary nearer costs one query; one that does costs a binary search.

    Parameters
    ----------
    steps : int
        Number of flips that are tried.
    tolerance : float
        Precision of the distance, in the units of x.
    """

    steps: PositiveInt = 500
    tolerance: NonNegative = 1e-3

    def prepare(self, victim: Victim) -> Perturb:
        """Return the search along directions of ±1."""
        low, high = self.limits()
        reach = float(np.max(high - low))

        def perturb(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
            n_features = int(np.prod(x.shape[1:]))

            def met(which: NDArray[np.int64], direction: Rows, radius: Rows) -> NDArray[np.bool_]:
                moved = x[which] + (radius[:, None] * direction).reshape(-1, *x.shape[1:])
                result = victim.evaluate(np.clip(moved, low, high), y[which], rows[which])
                return np.asarray(result.met, np.bool_)

            def nearest(which: NDArray[np.int64], direction: Rows, outer: Rows) -> Rows:
                """Search for the boundary between x and a radius at which the criterion is met."""
                inner, outer = np.zeros_like(outer), outer.copy()
                while len(wide := np.flatnonzero(outer - inner > self.tolerance)):
                    middle = ((inner[wide] + outer[wide]) / 2).astype(np.float32)
                    hit = met(which[wide], direction[wide], middle)
                    outer[wide[hit]], inner[wide[~hit]] = middle[hit], middle[~hit]
                return outer

            going = np.flatnonzero(~victim.evaluate(x, y, rows).met)
            directions = np.ones((len(x), n_features), np.float32)
            radii = np.full(len(x), np.inf, np.float32)
            blocks, block = 1, 0
            for _ in range(self.steps if len(going) else 0):
                edges = np.linspace(0, n_features, blocks + 1).astype(np.int64)
                turned = directions[going]
                turned[:, edges[block] : edges[block + 1]] *= -1
                # Until a row has succeeded once, the farthest point within reach is tried.
                radius = np.where(np.isfinite(radii[going]), radii[going], reach)
                radius = np.maximum(radius - self.tolerance, 0).astype(np.float32)
                hit = met(going, turned, radius)
                if hit.any():
                    nearer = going[hit]
                    directions[nearer] = turned[hit]
                    radii[nearer] = nearest(nearer, turned[hit], radius[hit])
                block += 1
                if block == blocks:
                    blocks, block = min(2 * blocks, n_features), 0
            radii[np.isinf(radii)] = 0  # a row without success stays as it is
            moved = x.reshape(len(x), -1) + radii[:, None] * directions
            return np.clip(moved.reshape(x.shape), low, high)

        return perturb
