"""Multiple testing: Holm's adjustment within a report, and LORD++ over a monitor's history."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GAMMA_SCALE = 0.07720838
"""Keeps the sum of the infinite γ sequence below 1 (Javanmard & Montanari 2018, equation 31)."""


class Decision(NamedTuple):
    """The level a p-value was tested at, and whether the null was rejected: `p ≤ level`."""

    level: float
    rejected: bool


def lord(p_values: Sequence[float | None], alpha: float) -> list[Decision | None]:
    r"""Decide on a sequence of p-values, each decision depending only on the earlier ones.

    One test a day at level 5 % raises a false alarm every twenty days, forever. LORD++ spends an
    error budget instead: w₀ = α/2 at the start, and more after each rejection τ₁ < τ₂ < …:

    .. math::

        \alpha_t = γ_t w_0 + γ_{t-τ_1} (α - w_0) + α \sum_{j ≥ 2, τ_j < t} γ_{t-τ_j}

    with γ_t proportional to log(max(t, 2)) / (t exp √log t).

    At every time t, FDR ≤ α if the p-values of true nulls are independent of each other and of the
    rest; and mFDR = E[false rejections] / E[max(rejections, 1)] ≤ α if each null p-value is
    stochastically no smaller than uniform given the past. The runs of one monitor share a reference
    window, which makes their p-values dependent: an unlucky window lowers them all, and neither
    guarantee then holds strictly. The decisions thin out chance alarms; they do not replace a new
    reference.

    Parameters
    ----------
    p_values : sequence of float or None
        In order of time; None if nothing was tested, which spends none of the budget.
    alpha : float
        Bound on the false discovery rate, in (0, 1).

    Returns
    -------
    list of Decision or None
        One for each p-value; None for None.

    Raises
    ------
    ValueError
        If `alpha` or a p-value is out of range.

    References
    ----------
    Ramdas, Yang, Wainwright & Jordan (2017), Online control of the false discovery rate with
    decaying memory. Javanmard & Montanari (2018), Online rules for control of false discovery rate
    and false discovery exceedance.

    Examples
    --------
    >>> [decision.rejected for decision in lord([0.0001, 0.5, 0.004, 0.04], alpha=0.05)]
    [True, False, False, False]
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}: expected a number between 0 and 1")
    gamma = _gamma(len(p_values))
    initial = alpha / 2
    rejections: list[int] = []
    decisions: list[Decision | None] = []
    tested = 0
    for p in p_values:
        if p is None:
            decisions.append(None)
            continue
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value is {p}: expected a number from 0 to 1")
        tested += 1
        level = gamma[tested - 1] * initial
        if rejections:
            since = gamma[tested - np.array(rejections) - 1]
            level += (alpha - initial) * since[0] + alpha * since[1:].sum()
        decisions.append(Decision(float(level), bool(p <= level)))
        if p <= level:
            rejections.append(tested)
    return decisions


def _gamma(n: int) -> NDArray[np.float64]:
    """Return γ_1 to γ_n."""
    t = np.arange(1, n + 1, dtype=np.float64)
    return GAMMA_SCALE * np.log(np.maximum(t, 2)) / (t * np.exp(np.sqrt(np.log(t))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted by Holm's step-down procedure (1979).

    Rejecting when the adjusted value is below α keeps the chance of any false rejection below α.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
