"""Synthetic tables with the units of real ones: money, shares, counts, ages, flags, durations.

A few hidden factors make the columns correlated. The class is drawn from a softmax of linear and
curved functions of the columns, as sharp as a wanted Bayes accuracy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, softmax

from ..data.rows import Rows, Source

Floats = NDArray[np.float64]

KINDS = (
    "income",
    "age",
    "share_used",
    "count_orders",
    "flag_member",
    "minutes_online",
    "balance",
    "temperature",
    "share_night",
    "rating",
)
RELEVANT = 15
"""Columns that the class depends on, at most."""
CURVED = 0.3
"""Weight of the curved part of the logits; the linear part has 1."""


def table(
    n_columns: int,
    class_names: tuple[str, ...],
    sizes: tuple[int, int, int],
    *,
    bayes: float = 0.98,
    positive: float | None = None,
    seed: int = 0,
) -> Source:
    """Make a table.

    Parameters
    ----------
    n_columns : int
        Columns, which take turns in `KINDS`.
    class_names : tuple of str
        Classes.
    sizes : (int, int, int)
        Rows for training, of the reference and of production.
    bayes : float
        Accuracy of the best possible classifier that knows the columns.
    positive : float, optional
        Share of the second of two classes; equal shares when not given.
    seed : int
        Draws everything.
    """
    rng = np.random.default_rng([seed, n_columns])
    x, plain = _columns(rng, sum(sizes), n_columns)
    relevant = rng.permutation(n_columns)[:RELEVANT]
    logits = _logits(rng, plain[:, relevant], len(class_names))
    p = _sharpened(logits, bayes, positive)
    y = (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    rows = Rows(x.astype(np.float32), y)
    names = tuple(
        KINDS[j] if j < len(KINDS) else f"{KINDS[j % len(KINDS)]}_{j // len(KINDS) + 1}"
        for j in range(n_columns)
    )
    ends = np.cumsum(sizes)
    parts = (
        rows.take(slice(end - size, end)) for end, size in zip(ends.tolist(), sizes, strict=True)
    )
    return Source(class_names, names, *parts)


def _columns(rng: np.random.Generator, n: int, n_columns: int) -> tuple[Floats, Floats]:
    """Return columns in their units, and the same as a person would put them on a plain scale."""
    n_factors = max(3, n_columns // 12)
    loadings = rng.standard_normal((n_factors, n_columns))
    loadings /= np.linalg.norm(loadings, axis=0)
    factors = rng.standard_normal((n, n_factors))
    hidden = 0.75 * factors @ loadings + 0.66 * rng.standard_normal((n, n_columns))
    x, plain = np.empty_like(hidden), np.empty_like(hidden)
    for j in range(n_columns):
        x[:, j], plain[:, j] = _column(KINDS[j % len(KINDS)], hidden[:, j], rng)
    return x, (plain - plain.mean(axis=0)) / plain.std(axis=0)


def _column(kind: str, u: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return a column and its plain scale from a standard normal variable."""
    values: Floats
    plain: Callable[[Floats], Floats] = np.asarray
    match kind:
        case "income":
            values, plain = _rounded(np.exp(10.4 + 0.7 * u), 2), np.log
        case "age":
            values = np.clip(_rounded(44 + 15 * u), 18, 95)
        case "share_used":
            values = _rounded(expit(1.2 * u - 0.5), 4)
        case "share_night":
            values, plain = _rounded(np.where(u < -0.6, 0, expit(u - 1)), 4), np.sqrt
        case "count_orders":
            values, plain = rng.poisson(np.exp(1.2 + 0.7 * u)).astype(float), np.sqrt
        case "flag_member":
            values = (u > 0.7).astype(float)
        case "minutes_online":
            values, plain = _rounded(np.exp(3 + u), 1), np.log1p
        case "balance":
            values = _rounded(1_500 * np.sinh(1.3 * u), 2)
            plain = _in_thousands
        case "temperature":
            values = _rounded(14 + 8 * u, 1)
        case _:
            values = np.clip(_rounded(3.4 + 1.1 * u), 1, 5)
    return values, plain(values)


def _rounded(values: Floats, digits: int = 0) -> Floats:
    result: Floats = values.round(digits)
    return result


def _in_thousands(values: Floats) -> Floats:
    """Return a signed amount on a scale that is logarithmic far from zero."""
    result: Floats = np.arcsinh(values / 1_500)
    return result


def _logits(rng: np.random.Generator, plain: Floats, n_classes: int) -> Floats:
    n_columns = plain.shape[1]
    weights = rng.standard_normal((n_columns, n_classes)) * rng.gamma(1.0, 1.0, (n_columns, 1))
    straight = plain @ weights
    bent = np.tanh(plain @ rng.standard_normal((n_columns, 8)) / np.sqrt(n_columns))
    logits = straight / straight.std() + CURVED * bent @ rng.standard_normal((8, n_classes))
    result: Floats = logits - logits.mean(axis=0)
    return result


def _sharpened(logits: Floats, bayes: float, positive: float | None) -> Any:
    """Return class probabilities with a mean maximum of `bayes` and the share of positives."""

    def probabilities(scale: float) -> Floats:
        scaled = scale * logits
        if positive is not None:
            moved = np.zeros(logits.shape[1])
            margin = scaled[:, 1] - scaled[:, 0]
            moved[1] = brentq(lambda b: expit(margin + b).mean() - positive, -1e5, 1e5)
            scaled = scaled + moved
        return np.asarray(softmax(scaled, axis=1))

    scale = brentq(lambda s: probabilities(s).max(axis=1).mean() - bayes, 0.5, 500)
    return probabilities(scale)
