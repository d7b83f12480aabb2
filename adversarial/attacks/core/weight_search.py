"""A search, row by row, for the weight of an attack's other criteria against its first."""

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.victim import Classes, Perturb, Rows, Victim

FACTOR = 10.0
"""Factor by which a weight changes until one too small and one too large are known."""


def search_weights(victim: Victim, perturb: Perturb, steps: int) -> Perturb:
    """Return an attack that tries other weights on the rows where it fails.

    Against several criteria at once (`attacks.core.criteria.All`), e.g. being misclassified and
    staying below the detector's threshold, one weight does not fit all rows: if it is too small,
    the row is misclassified and flagged; if it is too large, neither. Like c in C&W's attack, the
    weight of each row is found by binary search, on its logarithm: it is too large where fewer than
    half of the points that the attack tried met the first criterion.

    Parameters
    ----------
    victim : Victim
        The attack's victim.
    perturb : callable
        The attack on one batch.
    steps : int
        Number of weights tried after the first, which is 1.
    """

    def searched(x: Rows, y: Classes, rows: NDArray[np.int64]) -> Rows:
        weights = np.ones(len(x))
        small, large = np.zeros(len(x)), np.full(len(x), np.inf)
        result, going = x.copy(), np.arange(len(x))
        for step in range(steps + 1):
            here = rows[going]
            victim.weights[here] = weights[going]
            queries, first_met = victim.queries[here].copy(), victim.first_met[here].copy()
            result[going] = perturb(x[going], y[going], here)
            if step == steps:
                break
            met = victim.evaluate(result[going], y[going], here).met
            shown = victim.queries[here] - queries
            too_large = 2 * (victim.first_met[here] - first_met) < shown
            large[going] = np.where(too_large, weights[going], large[going])
            small[going] = np.where(too_large, small[going], weights[going])
            going = going[~met]
            if not len(going):
                break
            known = (small > 0) & np.isfinite(large)
            between = np.sqrt(small * np.where(known, large, 1))
            further = np.where(small > 0, small * FACTOR, weights / FACTOR)
            weights = np.where(known, between, further)
        # Success and norms are reported for the criterion as it was given.
        victim.weights[rows] = 1
        return result

    return searched
