"""What an attack returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks.core.victim import Rows


@dataclass(frozen=True)
class AttackResult:
    """What an attack made of n rows, including those on which it failed.

    Attributes
    ----------
    x_adv : (n, *input_shape) float32
        Attacked rows, within the bounds.
    success : (n,) bool
        Whether the criterion is met at x_adv.
    success_rounded : (n,) bool
        The same after rounding x_adv to the 256 levels of an 8-bit image.
    l1, l2, linf : (n,) float64
        Norms of x_adv − x, in the units of x.
    queries : (n,) int64
        How often the row was shown to the model, with or without the gradient.
    seconds : float
        Duration, summed over all parts of a resumed run.
    """

    x_adv: Rows
    success: NDArray[np.bool_]
    success_rounded: NDArray[np.bool_]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]
    linf: NDArray[np.float64]
    queries: NDArray[np.int64]
    seconds: float


def strongest(results: Sequence[AttackResult]) -> AttackResult:
    """Return, row by row, the attack that succeeded with the smallest L2 norm.

    A defence is only as good as it is against the best attack on each input (Carlini et al. 2019,
    section 5.3). Where no attack succeeded, the first one's row is returned. Queries and seconds
    are those of all attacks together.

    Parameters
    ----------
    results : sequence of AttackResult
        Results for the same rows and criterion.
    """
    norms = np.stack([np.where(result.success, result.l2, np.inf) for result in results])
    best = norms.argmin(axis=0)
    rows = np.arange(len(best))

    def of_best(name: str) -> np.ndarray:
        chosen: np.ndarray = np.stack([getattr(result, name) for result in results])[best, rows]
        return chosen

    fields = ("x_adv", "success", "success_rounded", "l1", "l2", "linf")
    return AttackResult(
        **{name: of_best(name) for name in fields},
        queries=np.sum([result.queries for result in results], axis=0),
        seconds=sum(result.seconds for result in results),
    )
