"""Weights by which rows are distributed as a batch's."""

import numpy as np
import pytest

from adversarial.support.shares import rake


def test_raked_rows_have_the_marginal_distributions_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5000, 3)).astype(np.float32)
    batch = rng.normal([0.5, 0, -0.3], 1, size=(4000, 3)).astype(np.float32)
    weights = rake(batch, rows, 50, 0.05)
    assert weights is not None
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ rows, batch.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(weights @ (rows > 1), (batch > 1).mean(axis=0), atol=0.02)


def test_a_value_that_a_batch_repeats_takes_rows_of_its_own() -> None:
    """A column clipped at a value is no selection of rows that go beyond it."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5000, 1)).astype(np.float32)
    batch = np.minimum(rng.normal(size=(5000, 1)), 0.5).astype(np.float32)
    assert rake(batch, rows, 50, 0.05) is None
    assert rake(batch, rows, 50, 0.4) is not None
