"""Which mixture of calibration rows a batch looks like."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from adversarial.support.learner import compare
from adversarial.support.mixture import Explainer

N = 3000
FAULTS = ("first times 10", "second is 9", "noise")


class Known(NamedTuple):
    """Normal rows of two classes, and rows of three kinds of damage."""

    rows: NDArray[np.float32]
    cells: NDArray[np.int64]


def normal(n: int, seed: int, share: float = 0.5) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Four columns that hang together, and their classes, of which `share` are the second."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(np.int64)
    first = rng.normal(2 * y, 1)
    x = np.stack([first, rng.normal(-y, 1), first + rng.normal(0, 0.3, n), rng.normal(0, 1, n)], 1)
    return x.astype(np.float32), y


def damaged(x: NDArray[np.float32], fault: str) -> NDArray[np.float32]:
    x = x.copy()
    if fault == "first times 10":
        x[:, 0] *= 10
    elif fault == "second is 9":
        x[:, 1] = 9
    elif fault == "noise":
        x += np.random.default_rng(0).normal(0, 1, x.shape).astype(np.float32)
    elif fault == "third shuffled":
        x[:, 2] = np.random.default_rng(0).permutation(x[:, 2])
    elif fault == "fourth is -9":
        x[:, 3] = -9
    return x


@pytest.fixture(scope="module")
def known() -> Known:
    x, y = normal(N, seed=1)
    parts, cells = [x], [y]
    for number, fault in enumerate(FAULTS):
        parts.append(damaged(normal(300, seed=10 + number)[0], fault))
        cells.append(np.full(300, 2 + number))
    return Known(np.concatenate(parts), np.concatenate(cells))


def shares(weights: NDArray[np.float64], known: Known) -> NDArray[np.float64]:
    return np.bincount(known.cells, weights, 2 + len(FAULTS)).astype(np.float64)


def explainer(batch: NDArray[np.float32], known: Known) -> Explainer:
    return Explainer(batch, *known, n_normal=2)


@pytest.mark.parametrize("seed", range(2, 6))
def test_a_normal_batch_is_explained_by_the_normal_rows_as_they_are(
    known: Known, seed: int
) -> None:
    found = explainer(normal(N, seed)[0], known).as_normal()
    assert found.name == "normal"
    assert found.unexplained == 0
    assert found.distance < 0.06
    assert found.weights.sum() == pytest.approx(1)
    assert not found.weights[known.cells >= 2].any()


def test_classes_in_other_shares_are_told_and_weighted(known: Known) -> None:
    asked = explainer(normal(N, 7, share=0.9)[0], known)
    before = asked.as_normal()
    assert before.distance > 0.2
    found = asked.classes(before)
    assert found.name == "classes"
    assert found.unexplained < 0.02
    assert shares(found.weights, known)[1] == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_batch_with_a_known_fault_is_likened_to_the_rows_that_have_it(
    known: Known, number: int
) -> None:
    asked = explainer(damaged(normal(N, 8)[0], FAULTS[number]), known)
    found = asked.damaged()[0]
    assert found.name == "damage"
    assert found.unexplained < 0.1
    assert shares(found.weights, known)[2 + number] > 0.8
    assert 2 + number in asked.likely_kinds()


def test_a_fault_in_a_part_of_the_rows_is_told_in_that_part(known: Known) -> None:
    x = normal(N, 9)[0]
    x[: N // 5] = damaged(x[: N // 5], "second is 9")
    found = explainer(x, known).damaged()[0]
    assert shares(found.weights, known)[3] == pytest.approx(0.2, abs=0.05)
    assert found.unexplained < 0.1


def test_two_faults_in_parts_of_the_rows_are_told_apart(known: Known) -> None:
    x = normal(N, 10)[0]
    x[: N // 4] = damaged(x[: N // 4], "second is 9")
    x[N // 2 :] = damaged(x[N // 2 :], "first times 10")
    found = shares(explainer(x, known).damaged()[0].weights, known)
    assert found[3] == pytest.approx(0.25, abs=0.05)
    assert found[2] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("fault", "least"), [("fourth is -9", 0.9), ("third shuffled", 0.2)])
def test_what_no_calibration_row_shows_stays_unexplained(
    known: Known, fault: str, least: float
) -> None:
    """A shuffled column is like the reference's in itself, and tells by the other columns."""
    asked = explainer(damaged(normal(N, 11)[0], fault), known)
    assert asked.classes(asked.as_normal()).unexplained > least
    assert asked.damaged()[0].unexplained > least


def test_normal_rows_selected_by_a_column_are_told_and_weighted(known: Known) -> None:
    x = normal(3 * N, 14)[0]
    found = explainer(x[x[:, 3] > 0.5][:N], known).selected()
    assert found is not None
    assert found.unexplained < 0.05
    assert found.weights @ (known.rows[:, 3] > 0.5) > 0.95


def test_no_selection_of_normal_rows_has_a_value_that_none_of_them_has(known: Known) -> None:
    assert explainer(damaged(normal(N, 15)[0], "fourth is -9"), known).selected() is None


def test_only_the_numbers_that_differ_are_looked_at_where_there_are_very_many() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 300)).astype(np.float32)
    batch = rng.normal(size=(600, 300)).astype(np.float32)
    batch[:, 123] += 5
    found = Explainer(batch, rows, np.zeros(900, np.int64), n_normal=1).as_normal()
    assert found.distance > 0.9


def test_the_same_rows_give_the_same_explanation(known: Known) -> None:
    x = damaged(normal(800, 12)[0], "noise")
    first, second = (explainer(x, known).damaged()[0] for _ in range(2))
    assert first.unexplained == second.unexplained
    np.testing.assert_array_equal(first.weights, second.weights)


def test_rows_without_weight_do_not_count(known: Known) -> None:
    weights = np.where(known.cells < 2, 1.0, 0.0)
    found = compare(normal(N, 13)[0], known.rows, weights / weights.sum())
    assert found.distance < 0.06
    assert not found.scores[known.cells >= 2].any()
