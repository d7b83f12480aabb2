"""Which mixture of calibration rows a batch looks like, and how much of it looks like none.

A batch is compared with three explanations, from the simplest on: the normal rows as they are; the
normal rows with their classes in other shares; normal and damaged rows in any shares, one share for
each kind of damage. What a learner can still tell from the best of them is in no calibration row,
and nothing is known of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]
Name = Literal["normal", "classes", "damage"]

BINS = 20
"""Of each number of a row, equally full."""
BLUR = 0.05
"""Noise that numbers get, in their own unit: a learner is not to tell constants apart by less."""
SMALLEST_SHARE = 0.02
"""A kind of damage with less is dropped from the explanation."""
TREES = 50
SPLITS = 64
"""Values of a number at which trees may split: more would cost and not tell more."""
MAX_NUMBERS = 64
"""Numbers of a row that a learner looks at, at most."""
MAX_ROWS = 5_000
"""Rows of a mixture that it looks at, at most."""
ONCE_IN_20, ONCE_IN_1000 = 1.358, 1.949
"""Quantiles of the Kolmogorov distribution."""
REFINEMENTS = 2
"""Times that a learner sets the shares of a mixture right."""
LARGEST_ODDS = 3.0
"""Log-odds beyond which a learner's score of one row counts no more when it does."""


@dataclass(frozen=True)
class Explanation:
    """A mixture of calibration rows that a batch may be a sample of.

    Attributes
    ----------
    name : {"normal", "classes", "damage"}
        What the mixture is of.
    weights : (m,) float64
        Of the calibration rows; their sum is 1.
    from_normal : float
        KS distance of a learner's scores between the batch and the normal rows as they are, on rows
        that it was not fitted on: a lower bound of the share of the batch that they lack.
    unexplained : float
        The same of the mixture, beyond what chance gives; 0 to 1.
    """

    name: Name
    weights: Floats
    from_normal: float
    unexplained: float


def explain(
    batch: Matrix, rows: Matrix, cells: Indices, n_normal: int, seed: int = 0
) -> Explanation:
    """Return the simplest explanation that leaves nothing of a batch, else the best.

    Parameters
    ----------
    batch : (n, k) float32
        Rows of the batch.
    rows : (m, k) float32
        Calibration rows.
    cells : (m,) int64
        Cell of each: its class, for normal rows, and its kind of damage for the others.
    n_normal : int
        Cells below this number are of normal rows.
    seed : int
        Of the learner's folds.
    """
    normal = cells < n_normal
    columns = _most_different(batch, rows[normal])
    rng = np.random.default_rng(seed)
    batch, rows = (
        (part + BLUR * rng.standard_normal(part.shape)).astype(np.float32)
        for part in (batch[:, columns], rows[:, columns])
    )
    weights = normal / normal.sum()
    distance = compare(batch, rows, weights, seed).distance
    chance = ks_by_chance(len(batch), int(normal.sum()))
    best = Explanation("normal", weights, distance, max(0.0, distance - chance))
    if not best.unexplained:
        return best
    shares = _Shares(batch, rows, cells)
    names: tuple[Name, Name] = ("classes", "damage")
    for name in names:
        weights = shares.weights(n_normal if name == "classes" else None)
        left = 1.0
        for _ in range(1 + REFINEMENTS):
            found = compare(batch, rows, weights, seed)
            # Few rows of a kind leave much to chance; that must not count for the explanation.
            m = 1 / (weights**2).sum() if name == "classes" else normal.sum()
            unexplained = max(0.0, found.distance - ks_by_chance(len(batch), float(m)))
            if unexplained < left:
                left, kept = unexplained, weights
            if not unexplained:
                break
            weights = shares.adjusted(weights, found.scores)
        # The simpler explanation, unless the other leaves clearly less.
        if left < best.unexplained - chance / 2:
            best = Explanation(name, kept, distance, left)
        if not best.unexplained:
            break
    return best


class Comparison(NamedTuple):
    """How well a learner tells a batch from weighted rows.

    Attributes
    ----------
    distance : float
        KS distance of its scores.
    scores : (m,) float64
        Log-odds, for rows that it was not fitted on, of being of the batch; 0 where a row was not
        looked at.
    """

    distance: float
    scores: Floats


def compare(batch: Matrix, rows: Matrix, weights: Floats, seed: int = 0) -> Comparison:
    """Let a learner tell a batch from weighted rows.

    It learns to on one half of each, and scores the other half, and the other way round. Boosted
    trees see what a column says alone as well as how columns hang together.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    used, share = _drawn(weights, rng)
    other = rows[used]
    folds = [rng.permutation(len(part)) % 2 for part in (batch, other)]
    scores = [np.zeros(len(batch)), np.zeros(len(other))]
    # One thread: there are few rows, and several processes may share the processor.
    with threadpool_limits(1, "openmp"):
        for fold in (0, 1):
            train = [batch[folds[0] != fold], other[folds[1] != fold]]
            weight = share[folds[1] != fold]
            n = len(train[0])
            learner = HistGradientBoostingClassifier(
                max_iter=TREES,
                max_bins=SPLITS,
                learning_rate=0.2,
                max_leaf_nodes=8,
                l2_regularization=1.0,
                early_stopping=False,
                random_state=seed,
            ).fit(
                np.concatenate(train),
                np.repeat([1, 0], [n, len(train[1])]),
                np.concatenate([np.ones(n), weight / weight.sum() * n]),
            )
            for part, mask, out in zip((batch, other), folds, scores, strict=True):
                out[mask == fold] = learner.decision_function(part[mask == fold])
    every = np.zeros(len(rows))
    every[used] = scores[1]
    return Comparison(_ks(scores[0], scores[1], share), every)


def _drawn(weights: Floats, rng: np.random.Generator) -> tuple[Indices, Floats]:
    """Return the rows to look at, and their weights: all with a weight, or a sample by weight."""
    used = np.flatnonzero(weights > 0)
    share = weights[used] / weights[used].sum()
    if len(used) <= MAX_ROWS:
        return used, share
    # Systematic sampling keeps the shares of the cells.
    order = rng.permutation(len(used))
    positions = (np.arange(MAX_ROWS) + rng.random()) / MAX_ROWS
    places = np.searchsorted(np.cumsum(share[order]), positions)
    drawn = used[order[np.minimum(places, len(used) - 1)]]
    used, counts = np.unique(drawn, return_counts=True)
    return used, counts / counts.sum()


class _Shares:
    """Shares of cells in a batch, by how full the bins of each number are."""

    def __init__(self, batch: Matrix, rows: Matrix, cells: Indices) -> None:
        self.cells = cells
        self.sizes = np.bincount(cells)
        edges = _edges(rows)  # of all of them: bins must tell damaged rows apart as well
        self.batch = _histograms(batch, np.zeros(len(batch), np.int64), 1, edges)[0]
        self.means = _histograms(rows, cells, len(self.sizes), edges)
        pooled = (self.means.mean(axis=0) + self.batch) / 2
        self.scale = 1 / np.sqrt(pooled + 1e-3)

    def weights(self, below: int | None) -> Floats:
        """Return the rows' weights, of a mixture of the cells below a number or of all."""
        some = np.arange(len(self.sizes) if below is None else below)
        some = some[self.sizes[some] > 0]
        shares = self._fit(some)
        if below is None:
            some = some[shares >= min(SMALLEST_SHARE, shares.max())]
            shares = self._fit(some)
        by_cell = np.zeros(len(self.sizes))
        by_cell[some] = shares
        return self._spread(by_cell)

    def adjusted(self, weights: Floats, scores: Floats) -> Floats:
        """Return weights whose cells have more of what a learner took for the batch's."""
        odds = np.exp(np.clip(scores, -LARGEST_ODDS, LARGEST_ODDS))
        looked_at = weights * (scores != 0)
        before = np.bincount(self.cells, looked_at, len(self.sizes))
        after = np.bincount(self.cells, looked_at * odds, len(self.sizes))
        ratio = np.divide(after, before, out=np.ones_like(after), where=before > 0)
        return self._spread(np.bincount(self.cells, weights, len(self.sizes)) * ratio)

    def _spread(self, by_cell: NDArray[Any]) -> Floats:
        weights = by_cell[self.cells] / self.sizes[self.cells]
        result: Floats = weights / weights.sum()
        return result

    def _fit(self, some: Indices) -> Floats:
        """Return the shares, at least 0 and 1 together, whose histograms come nearest."""
        together = 100.0  # weight of what holds the sum to 1
        a = np.vstack([(self.means[some] * self.scale).T, np.full(len(some), together)])
        b = np.append(self.batch * self.scale, together)
        shares, _ = scipy.optimize.nnls(a, b, maxiter=50 * len(some))
        result: Floats = shares / max(shares.sum(), 1e-12)
        return result


def _most_different(batch: Matrix, normal: Matrix) -> Indices:
    """Return the numbers to look at, those that differ most where rows have very many."""
    k = batch.shape[1]
    if k <= MAX_NUMBERS:
        return np.arange(k)
    edges = _edges(normal)
    here = _histograms(batch, np.zeros(len(batch), np.int64), 1, edges)
    there = _histograms(normal, np.zeros(len(normal), np.int64), 1, edges)
    difference = np.abs(here - there).reshape(k, -1).sum(axis=1)
    return np.sort(np.argsort(-difference, kind="stable")[:MAX_NUMBERS])


def _edges(rows: Matrix) -> Floats:
    """Return the edges of the bins, (k, n_edges)."""
    edges: Floats = np.quantile(rows, np.linspace(0, 1, BINS + 1), axis=0).T.astype(np.float64)
    return edges


def _histograms(rows: Matrix, cells: Indices, n_cells: int, edges: Floats) -> Floats:
    """Return how full each bin is in each cell, (n_cells, k · n_bins)."""
    n_bins = edges.shape[1] + 1
    sizes = np.maximum(np.bincount(cells, minlength=n_cells), 1)[:, None]
    parts = []
    for column, edge in zip(rows.T, edges, strict=True):
        bins = np.searchsorted(edge, column, side="right")
        counts = np.bincount(cells * n_bins + bins, minlength=n_cells * n_bins)
        parts.append(counts.reshape(n_cells, n_bins) / sizes)
    return np.concatenate(parts, axis=1)


def _ks(batch: Floats, other: Floats, share: Floats) -> float:
    scores = np.concatenate([batch, other])
    steps = np.concatenate([np.full(len(batch), 1 / len(batch)), -share])
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    return float(np.abs(np.cumsum(steps[order])[last]).max())


def ks_by_chance(n: int, m: float, quantile: float = ONCE_IN_20) -> float:
    """Return the KS distance that two samples of one distribution exceed once in so many times."""
    return quantile * math.sqrt(1 / n + 1 / m)
