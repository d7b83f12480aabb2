"""Of several attacks on the same rows, the strongest row by row."""

from collections.abc import Sequence

import numpy as np

from adversarial.attacks.attack import AttackResult


def strongest(results: Sequence[AttackResult]) -> AttackResult:
    """Return, row by row, the attack that succeeded with the smallest L2 norm.

    A defence is as good as it is against the best attack on each input (Carlini et al. 2019,
    section 5.3). Where no attack succeeded, the first one's row is returned. Queries and seconds
    are those of all attacks together.

    Parameters
    ----------
    results : sequence of AttackResult
        Of the same rows and criterion.
    """
    norms = np.stack([np.where(found.success, found.l2, np.inf) for found in results])
    best = norms.argmin(axis=0)
    rows = np.arange(len(best))

    def of_best(name: str) -> np.ndarray:
        chosen: np.ndarray = np.stack([getattr(found, name) for found in results])[best, rows]
        return chosen

    fields = ("x_adv", "success", "success_rounded", "l1", "l2", "linf")
    return AttackResult(
        **{name: of_best(name) for name in fields},
        queries=np.sum([found.queries for found in results], axis=0),
        seconds=sum(found.seconds for found in results),
    )
