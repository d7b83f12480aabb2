"""A learner that tells a batch from weighted rows, and how well it does."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adversarial.without_pandas import without_pandas

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]

TREES = 50
SPLITS = 64
"""Values of a number at which trees may split: more would cost and not tell more."""
MAX_ROWS = 5_000
"""Rows of a mixture that it looks at, at most."""
ONCE_IN_20, ONCE_IN_1000 = 1.358, 1.949
"""Quantiles of the Kolmogorov distribution."""


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
    with without_pandas():  # which it imports to know its version, and no more
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
            weights = np.concatenate([np.ones(n), weight / weight.sum() * n])
            bins = _Bins(np.concatenate(train), weights)
            learner = HistGradientBoostingClassifier(
                max_iter=TREES,
                max_bins=SPLITS,
                learning_rate=0.2,
                max_leaf_nodes=8,
                l2_regularization=1.0,
                early_stopping=False,
                random_state=seed,
            ).fit(bins(np.concatenate(train)), np.repeat([1, 0], [n, len(train[1])]), weights)
            for part, mask, out in zip((batch, other), folds, scores, strict=True):
                out[mask == fold] = learner.decision_function(bins(part[mask == fold]))
    every = np.zeros(len(rows))
    every[used] = scores[1]
    return Comparison(_ks(scores[0], scores[1], share), every)


class _Bins:
    """The bins of each number, equally full by weight.

    The learner makes such bins itself, but takes twenty times as long for it as for all its trees.
    """

    def __init__(self, rows: Matrix, weights: Floats) -> None:
        levels = np.arange(1, SPLITS) / SPLITS * weights.sum()
        order = np.argsort(rows, axis=0)
        self._edges = [
            np.unique(column[places][np.searchsorted(np.cumsum(weights[places]), levels)])
            for column, places in zip(rows.T, order.T, strict=True)
        ]

    def __call__(self, rows: Matrix) -> Matrix:
        """Return the number of the bin that each number of a row is in, (n, k)."""
        columns = [
            np.searchsorted(edges, column)
            for column, edges in zip(rows.T, self._edges, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.float32)


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


def _ks(batch: Floats, other: Floats, share: Floats) -> float:
    scores = np.concatenate([batch, other])
    steps = np.concatenate([np.full(len(batch), 1 / len(batch)), -share])
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    # A sum of many steps may exceed 1 in its last digits.
    return min(1.0, float(np.abs(np.cumsum(steps[order])[last]).max()))


def ks_by_chance(n: int, m: float, quantile: float = ONCE_IN_20) -> float:
    """Return the KS distance that two samples of one distribution exceed once in so many times."""
    return quantile * math.sqrt(1 / n + 1 / m)
