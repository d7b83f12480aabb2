"""How many new values lie outside the range of a reference: the exact test, without assumptions."""

import math


def outside_range_p_value(outside: int, n_current: int, n_reference: int) -> float:
    """Return p that so many new values lie outside a reference's range, or more, by chance.

    Where all values are from one distribution, every order of the two samples is equally likely.
    At least k new values lie below the reference's smallest value or above its largest exactly as
    often as the first k + 1 of all values hold at most one of the reference's: the reference's
    outer two gaps are together distributed as its first two. Equal values make p only larger.

    Parameters
    ----------
    outside : int
        New values outside the range, k.
    n_current, n_reference : int
        New values, m, and values of the reference, n.

    Returns
    -------
    float
        [C(m, k + 1) + n C(m, k)] / C(n + m, k + 1).

    References
    ----------
    Wilks (1942), Statistical prediction with special reference to the problem of tolerance limits.

    Examples
    --------
    With all three new values outside the range of two, 4 of the 10 orders of five values.

    >>> outside_range_p_value(0, 3, 2), round(outside_range_p_value(3, 3, 2), 3)
    (1.0, 0.4)
    """
    n, m, k = n_reference, n_current, outside
    if not k:
        return 1.0
    every = _log_choose(n + m, k + 1)
    p = n * math.exp(_log_choose(m, k) - every)
    if k < m:
        p += math.exp(_log_choose(m, k + 1) - every)
    return min(1.0, p)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
