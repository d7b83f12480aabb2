"""The learner that tells a batch from weighted rows."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from adversarial.support.learner import SPLITS, _Bins, compare


def test_bins_are_equally_full_by_weight() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4_000, 2)).astype(np.float32)
    rows[:, 1] = 7
    weights = rng.random(4_000)
    bins = _Bins(rows, weights)(rows)
    filled = np.bincount(bins[:, 0].astype(int), weights) / weights.sum()
    assert len(filled) == SPLITS
    assert np.abs(filled - 1 / SPLITS).max() < 2 * weights.max() / weights.sum()
    assert set(bins[:, 1]) == {0.0}


def test_trees_grow_in_these_bins_as_in_their_own() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((2_000, 3)).astype(np.float32)
    target = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
    learner = HistGradientBoostingClassifier(max_iter=10, max_bins=SPLITS, early_stopping=False)
    own = learner.fit(rows, target).decision_function(rows)
    codes = _Bins(rows, np.ones(2_000))(rows)
    ours = learner.fit(codes, target).decision_function(codes)
    # Where a bin ends exactly on a value, it may be in either.
    assert np.corrcoef(own, ours)[0, 1] > 0.999


def test_what_is_told_apart_in_every_row_has_a_distance_of_one() -> None:
    batch, rows = np.ones((547, 1), np.float32), np.zeros((450, 1), np.float32)
    weights = np.random.default_rng(0).random(450)
    assert compare(batch, rows, weights).distance == 1.0
    for n in range(40, 60):  # sums of n steps of 1/n, some of which exceed 1
        assert compare(batch[:n], rows[:n], np.ones(n)).distance <= 1.0
