"""Laws that hold for every attack, checked on one table of them."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from adversarial.attacks import (
    PGD,
    SLIDE,
    Attack,
    Criterion,
    CriterionResult,
    Misclassified,
    SquareAttack,
    UniformNoise,
)
from tests.support.attack_cases import ATTACKS, NORMS, SMALLEST, WITHIN, make_rows


class Recorded(Criterion):
    """The plain criterion, which keeps what it was shown."""

    def __init__(self, model: keras.Model) -> None:
        self.plain = Misclassified(model)
        self.seen: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> CriterionResult:
        result = self.plain(x, y)

        def keep(*values: np.ndarray) -> np.bool_:
            self.seen.append(tuple(value.copy() for value in values))  # type: ignore[arg-type]
            return np.bool_(True)

        kept = tf.numpy_function(keep, [x, y, result.margin, result.met], tf.bool)
        with tf.control_dependencies([kept]):
            return CriterionResult(*map(tf.identity, result[:3]))


@pytest.mark.parametrize("name", ATTACKS)
def test_rows_stay_within_the_bounds_and_norms_and_success_are_true(
    name: str, classifier: keras.Model
) -> None:
    x, y = make_rows()
    found = ATTACKS[name].run(classifier, x, y)
    assert found.x_adv.shape == x.shape
    assert found.x_adv.dtype == np.float32
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    delta = (found.x_adv.astype(np.float64) - x).reshape(len(x), -1)
    np.testing.assert_allclose(found.l1, np.linalg.norm(delta, 1, axis=1))
    np.testing.assert_allclose(found.l2, np.linalg.norm(delta, 2, axis=1))
    np.testing.assert_allclose(found.linf, np.linalg.norm(delta, np.inf, axis=1))
    rounded = np.round(found.x_adv * 255) / np.float32(255)
    for rows, success in ((found.x_adv, found.success), (rounded, found.success_rounded)):
        p = np.asarray(classifier(rows))
        first, second = np.sort(p, axis=1)[:, :-3:-1].T
        clear = first - second > 1e-6  # nearer than that the last bit decides
        assert clear.mean() > 0.5
        np.testing.assert_array_equal(success[clear], (p.argmax(axis=1) != y)[clear])
    assert found.success.mean() > 0.3
    assert (found.queries > 0).all()
    assert found.seconds > 0


@pytest.mark.parametrize("name", WITHIN)
def test_the_perturbation_stays_within_its_ball(name: str, classifier: keras.Model) -> None:
    x, y = make_rows()
    attack: Any = WITHIN[name]
    found = attack.run(classifier, x, y)
    radius = attack.epsilon * (x[0].size if name == "slide_mean" else 1)
    assert getattr(found, NORMS[name]).max() <= radius * (1 + 1e-5)
    # Not far below either, where a ball is meant to be filled.
    assert getattr(found, NORMS[name]).max() > 0.3 * radius


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_perturbation_that_was_seen_to_succeed_is_returned(
    name: str, classifier: keras.Model
) -> None:
    x, y = make_rows(12)
    for row in range(len(x)):
        recorded = Recorded(classifier)
        found = SMALLEST[name].run(recorded, x[row : row + 1], y[row : row + 1])
        before_reporting = recorded.seen[:-2]
        order = {"l1": 1, "l2": 2, "linf": np.inf}[NORMS[name]]
        norms = [
            np.linalg.norm((shown[0] - x[row]).ravel(), order)
            for shown, _, _, met in before_reporting
            if met[0]
        ]
        assert found.success[0]
        # A search stops at its tolerance, and SLIDE's looks for the smallest ball.
        slacks: dict[str, float] = {"rays": 2e-3, "slide_searched": 0.05 * float(max(norms))}
        slack = slacks.get(name, 1e-5)
        assert getattr(found, NORMS[name])[0] <= min(norms) + slack


@pytest.mark.parametrize("name", ["pgd", "pgd_l2", "pgd_cosine", "square", "noise"])
def test_of_a_failed_row_the_iterate_that_came_closest_is_returned(
    name: str, classifier: keras.Model
) -> None:
    x, y = make_rows(40)
    attack = replace(WITHIN[name], epsilon=0.02)  # type: ignore[call-arg]
    failed = np.flatnonzero(~attack.run(classifier, x, y).success)[:6]
    assert len(failed) == 6
    for row in failed:
        recorded = Recorded(classifier)
        attack.run(recorded, x[row : row + 1], y[row : row + 1])
        *seen, final, _ = (float(margin[0]) for _, _, margin, _ in recorded.seen)
        assert len(seen) > 10
        assert final == pytest.approx(min(seen), abs=1e-5)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_time_that_a_row_is_shown_to_the_model_counts(
    name: str, classifier: keras.Model
) -> None:
    x, y = make_rows(20)
    recorded = Recorded(classifier)
    found = ATTACKS[name].run(recorded, x, y)
    shown = sum(len(rows) for rows, *_ in recorded.seen[:-2])  # the last two are the report's
    assert found.queries.sum() == shown


@pytest.mark.parametrize("name", ATTACKS)
def test_splitting_the_batch_changes_nothing(name: str, classifier: keras.Model) -> None:
    x, y = make_rows(30)
    whole = ATTACKS[name].run(classifier, x, y)
    split = replace(ATTACKS[name], batch_size=7).run(classifier, x, y)
    np.testing.assert_array_equal(whole.success, split.success)
    # Another batch size rounds differently in the last bit, which a sign can amplify.
    close = np.isclose(whole.l2, split.l2, rtol=1e-2)
    assert close.mean() > 0.95


@pytest.mark.parametrize("name", ATTACKS)
def test_a_run_repeats_and_another_seed_differs_where_there_is_chance(
    name: str, classifier: keras.Model
) -> None:
    x, y = make_rows(20)
    by_chance = name in {"pgd", "pgd_l2", "pgd_cosine", "square", "noise"}
    # So small that no start succeeds at once.
    attack = replace(ATTACKS[name], epsilon=0.03) if by_chance else ATTACKS[name]  # type: ignore[call-arg]
    first, again = attack.run(classifier, x, y), attack.run(classifier, x, y)
    np.testing.assert_array_equal(first.x_adv, again.x_adv)
    other = replace(attack, seed=1).run(classifier, x, y)
    assert np.array_equal(first.x_adv, other.x_adv) == (not by_chance)


@pytest.mark.parametrize(
    "attacks",
    [
        [PGD(epsilon) for epsilon in (0.02, 0.06, 0.12, 0.5)],
        [PGD(epsilon, norm="l2") for epsilon in (0.1, 0.3, 0.6, 4.0)],
        [SLIDE(epsilon, epsilon / 4) for epsilon in (0.5, 2.0, 4.0, 30.0)],
        [SquareAttack(epsilon, steps=300) for epsilon in (0.02, 0.06, 0.12, 0.6)],
        [UniformNoise(epsilon, draws=300) for epsilon in (0.02, 0.2, 0.4, 1.0)],
    ],
    ids=["pgd", "pgd_l2", "slide", "square", "noise"],
)
def test_success_rises_with_epsilon_and_reaches_everything(
    attacks: list[Attack], classifier: keras.Model
) -> None:
    x, y = make_rows(60)
    success = [float(attack.run(classifier, x, y).success.mean()) for attack in attacks]
    assert success == sorted(success)
    assert success[0] < 0.5
    assert success[-1] == 1.0
