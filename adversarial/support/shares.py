"""Shares of kinds of rows in a batch, by histograms of each number."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]

BINS = 20
"""Of each number of a row, equally full."""
MAX_NUMBERS = 64
"""Numbers of a row that are looked at, at most."""
SMALLEST_SHARE = 0.02
"""A kind of damage with less is dropped from a mixture."""
SWEEPS = 10
LARGEST_ODDS = 3.0
"""Log-odds beyond which a learner's score of one row counts no more when it does."""


class Shares:
    """Shares of cells in a batch, by how full the bins of each number are."""

    def __init__(self, batch: Matrix, rows: Matrix, cells: Indices, n_normal: int) -> None:
        self.cells, self.n_normal = cells, n_normal
        self.sizes = np.bincount(cells)
        edges = _edges(rows)  # of all of them: bins must tell damaged rows apart as well
        self.batch = _histograms(batch, np.zeros(len(batch), np.int64), 1, edges)[0]
        self.means = _histograms(rows, cells, len(self.sizes), edges)
        pooled = (self.means.mean(axis=0) + self.batch) / 2
        self.scale = 1 / np.sqrt(pooled + 1e-3)

    def of_classes(self) -> Floats:
        """Return the rows' weights in a mixture of the normal cells."""
        some = np.flatnonzero(self.sizes[: self.n_normal])
        return self._weights(some, self._fit(some))

    @cached_property
    def of_damage(self) -> Floats:
        """The rows' weights in a mixture of all cells."""
        some = np.flatnonzero(self.sizes)
        shares = self._fit(some)
        some = some[shares >= min(SMALLEST_SHARE, shares.max())]
        return self._weights(some, self._fit(some))

    def of_one_kind(self, most: int) -> dict[int, Floats]:
        """Return damaged cells that together with the normal rows come nearest, the nearest first.

        With each go the rows' weights in the mixture; `most` limits their number.
        """
        sizes = self.sizes[: self.n_normal]
        normal = (sizes / sizes.sum()) @ (self.means[: self.n_normal] * self.scale)
        to_batch = self.batch * self.scale - normal
        some = self.n_normal + np.flatnonzero(self.sizes[self.n_normal :])
        to_cells = self.means[some] * self.scale - normal
        lengths = np.maximum((to_cells**2).sum(axis=1), 1e-12)
        shares = np.clip(to_cells @ to_batch / lengths, 0, 1)
        left = ((to_batch - shares[:, None] * to_cells) ** 2).sum(axis=1)
        found = {}
        for place in np.argsort(left, kind="stable")[:most]:
            by_cell = np.zeros(len(self.sizes))
            by_cell[: self.n_normal] = (1 - shares[place]) * sizes / sizes.sum()
            by_cell[some[place]] = shares[place]
            found[int(some[place])] = self._spread(by_cell)
        return found

    def adjusted(self, weights: Floats, scores: Floats, *, normal_as_one: bool) -> Floats:
        """Return weights whose cells have more of what a learner took for the batch's.

        `normal_as_one` leaves the shares of the normal cells among each other as they are.
        """
        cells = np.maximum(self.cells - self.n_normal + 1, 0) if normal_as_one else self.cells
        odds = np.exp(np.clip(scores, -LARGEST_ODDS, LARGEST_ODDS))
        looked_at = weights * (scores != 0)
        n = int(cells.max()) + 1
        before = np.bincount(cells, looked_at, n)
        after = np.bincount(cells, looked_at * odds, n)
        ratio = np.divide(after, before, out=np.ones_like(after), where=before > 0)
        result = weights * ratio[cells]
        return np.asarray(result / result.sum(), np.float64)

    def _weights(self, some: Indices, shares: Floats) -> Floats:
        by_cell = np.zeros(len(self.sizes))
        by_cell[some] = shares
        return self._spread(by_cell)

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


def rake(batch: Matrix, rows: Matrix, n_bins: int, most_lacking: float) -> Floats | None:
    """Return weights of rows, (m,), by which each number is distributed as in a batch.

    Deming and Stephan, "On a Least Squares Adjustment of a Sampled Frequency Table When the
    Expected Marginal Totals Are Known" (1940). Values that a batch repeats often count as bins of
    their own. None where there are no rows for more than `most_lacking` of the batch.
    """
    edges = np.quantile(batch, np.linspace(0, 1, n_bins + 1)[1:-1], axis=0, method="nearest").T
    bins = []
    for j, edge in enumerate(edges):
        here, there = (
            np.searchsorted(edge, part[:, j]) + np.searchsorted(edge, part[:, j], side="right")
            for part in (batch, rows)
        )
        wanted = np.bincount(here, minlength=2 * n_bins) / len(batch)
        bins.append((there, wanted))
    weights = np.full(len(rows), 1 / len(rows))
    lacking = max(
        float(wanted[np.bincount(there, minlength=len(wanted)) == 0].sum())
        for there, wanted in bins
    )
    if lacking > most_lacking:
        return None
    for _ in range(SWEEPS):
        for there, wanted in bins:
            has = np.bincount(there, weights, len(wanted))
            raked = (
                weights * np.divide(wanted, has, out=np.zeros(len(wanted)), where=has > 0)[there]
            )
            if not raked.sum():
                return None
            weights = raked / raked.sum()
    return weights


def most_different(batch: Matrix, normal: Matrix) -> Indices:
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
