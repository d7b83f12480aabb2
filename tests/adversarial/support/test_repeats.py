"""How often rows repeat, and what of it is natural."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from adversarial.support.novelty import Described
from adversarial.support.repeats import Repeats, beyond_nature, natural_rows
from adversarial.support.sample import with_description

Floats = NDArray[np.float32]


def sample(x: Floats) -> pa.Table:
    """Rows of which a score and a confidence are functions."""
    confidence = 1 / (1 + np.exp(-np.abs(x[:, 0])))
    outputs = {"adversarial_score": x.sum(axis=1).astype(np.float64), "confidence": confidence}
    return with_description(pa.table(outputs), Described(x, None))


def normal(n: int, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)


def test_equal_rows_are_found_and_counted() -> None:
    x = normal(4, seed=0)[[0, 1, 0, 2, 0, 3, 1]]
    found = Repeats.of(sample(x))
    assert found.distinct == 4
    assert found.groups[0] == found.groups[2] == found.groups[4] != found.groups[1]
    assert found.equal_rows() == pytest.approx((3 * 3 + 2 * 2 + 1 + 1) / 7)
    assert found.equal_rows(found.groups == found.groups[1]) == 2


def test_rows_that_differ_in_the_input_alone_are_not_equal() -> None:
    x = normal(2, seed=1)
    table = sample(x)
    same = table.set_column(0, "adversarial_score", pa.array([0.5, 0.5]))
    same = same.set_column(1, "confidence", pa.array([1.0, 1.0], pa.float32()))
    assert Repeats.of(same).distinct == 2


@pytest.mark.parametrize("times", [5, 20])
def test_repetition_is_measured_where_normal_rows_do_not_repeat(times: int) -> None:
    known, weights = sample(normal(1_000, seed=2)), np.ones(1_000)
    again = sample(np.repeat(normal(100, seed=3), times, axis=0))
    assert beyond_nature(Repeats.of(again), known, weights) == pytest.approx(times)
    assert beyond_nature(Repeats.of(sample(normal(500, seed=4))), known, weights) == 1.0


def test_rows_of_few_values_repeat_by_nature() -> None:
    def coarse(n: int, seed: int) -> pa.Table:
        return sample(np.round(normal(n, seed)))

    known, weights = coarse(2_000, seed=5), np.ones(2_000)
    batch = Repeats.of(coarse(1_000, seed=6))
    assert batch.equal_rows() > 30
    assert natural_rows(1_000, known, weights) == pytest.approx(batch.equal_rows(), rel=0.1)
    assert beyond_nature(batch, known, weights) == 1.0


def test_damage_that_makes_rows_equal_is_no_repetition() -> None:
    x = normal(1_000, seed=7)
    x[:300] = 0
    known = sample(np.concatenate([normal(1_000, seed=8), np.zeros((200, 2), np.float32)]))
    damage = np.repeat([0.7 / 1_000, 0.3 / 200], [1_000, 200])
    as_normal = np.repeat([1.0, 0.0], [1_000, 200])
    repeats = Repeats.of(sample(x))
    assert beyond_nature(repeats, known, as_normal) > 50
    assert beyond_nature(repeats, known, damage) == 1.0
