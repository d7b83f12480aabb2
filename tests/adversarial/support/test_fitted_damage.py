"""Damage fitted to the columns of a batch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from adversarial.support.fitted_damage import (
    MAPPED,
    PERMUTED,
    REDRAWN,
    SET,
    FittedDamage,
    fit_damage,
    moved_columns,
)

Floats = NDArray[np.float32]
N = 4000


def rows(seed: int) -> Floats:
    """Four columns in units of their own, of which the first two hang together."""
    rng = np.random.default_rng(seed)
    first = rng.normal(40, 10, N)
    income = np.exp(first / 20 + rng.normal(0, 0.2, N))
    others = [rng.gamma(2, 5, N), rng.integers(0, 5, N)]
    return np.stack([first, income, *others], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def normal() -> Floats:
    return rows(0)


def fitted(batch: Floats, normal: Floats) -> dict[tuple[str, tuple[int, ...]], FittedDamage]:
    return {(damage.family, damage.columns): damage for damage in fit_damage(batch, normal)}


def test_nothing_is_fitted_to_rows_like_the_normal_ones(normal: Floats) -> None:
    assert fit_damage(rows(1), normal) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_rising_function_of_a_column_is_found_row_by_row(normal: Floats, seed: int) -> None:
    batch = rows(seed)
    batch[:, 1] = 60 * batch[:, 1] + 273.15
    found = fitted(batch, normal)[MAPPED, (1,)].rows
    np.testing.assert_array_equal(found[:, [0, 2, 3]], normal[:, [0, 2, 3]])
    middle = np.argsort(normal[:, 1])[N // 20 : -N // 20]  # the tails are few rows
    np.testing.assert_allclose(found[middle, 1], 60 * normal[middle, 1] + 273.15, rtol=0.1)


def test_a_falling_function_is_told_by_the_other_columns(normal: Floats) -> None:
    batch = rows(1)
    batch[:, 0] = 100 - batch[:, 0]
    found = fitted(batch, normal)[MAPPED, (0,)].rows
    middle = np.argsort(normal[:, 0])[N // 20 : -N // 20]
    np.testing.assert_allclose(found[middle, 0], 100 - normal[middle, 0], atol=3)


def test_values_that_have_nothing_to_do_with_the_row_are_drawn_anew(normal: Floats) -> None:
    batch = rows(1)
    batch[:, 0] = np.random.default_rng(9).normal(70, 1, N)
    found = fitted(batch, normal)[REDRAWN, (0,)].rows
    assert abs(np.corrcoef(found[:, 0], found[:, 1])[0, 1]) < 0.05
    assert np.isin(found[:, 0], batch[:, 0]).all()


def test_a_value_in_the_place_of_some_is_set_in_all(normal: Floats) -> None:
    batch = rows(1)
    batch[::5, 1] = -999
    found = fitted(batch, normal)[SET, (1,)].rows
    assert (found[:, 1] == -999).all()
    np.testing.assert_array_equal(found[:, 0], normal[:, 0])


def test_columns_in_one_anothers_place_are_put_there(normal: Floats) -> None:
    batch = rows(1)[:, [1, 2, 0, 3]]
    found = [damage for damage in fit_damage(batch, normal) if damage.family == PERMUTED]
    assert len(found) == 1
    assert set(found[0].columns) == {0, 1, 2}
    np.testing.assert_array_equal(found[0].rows, normal[:, [1, 2, 0, 3]])


def test_the_column_that_moved_most_comes_first(normal: Floats) -> None:
    batch = rows(1)
    batch[:, 2] *= 1.2
    batch[:, 0] += 30
    assert moved_columns(batch, normal) == (0, 2)


def test_a_constant_column_is_no_trouble(normal: Floats) -> None:
    batch, constant = rows(1), normal.copy()
    batch[:, 3] = constant[:, 3] = 7
    batch[:, 0] += 30
    found = fitted(batch, constant)
    assert (found[MAPPED, (0,)].rows[:, 3] == 7).all()


def test_the_same_rows_give_the_same_damage(normal: Floats) -> None:
    batch = rows(1)
    batch[:, 0] *= 2
    for first, second in zip(fit_damage(batch, normal), fit_damage(batch, normal), strict=True):
        np.testing.assert_array_equal(first.rows, second.rows)
