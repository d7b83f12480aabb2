from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from adversarial.attacks import FGSM, PGD, RayS, SquareAttack
from adversarial.attacks.core.criteria import CriterionResult
from adversarial.attacks.core.victim import Rows, Victim
from tests.support.attack_cases import make_rows


def test_many_steps_are_at_least_as_strong_as_one(classifier: keras.Model) -> None:
    x, y = make_rows(200)
    for epsilon in (0.08, 0.12):
        one = FGSM(epsilon).run(classifier, x, y).success
        many = PGD(epsilon).run(classifier, x, y).success
        assert many.mean() >= one.mean()
        assert 0 < one.mean() < 1


def test_the_smallest_step_of_fgsm_succeeds_where_the_full_one_does_and_is_smaller(
    classifier: keras.Model,
) -> None:
    x, y = make_rows(200)
    full = FGSM(0.12).run(classifier, x, y)
    smallest = FGSM(0.12, steps=40).run(classifier, x, y)
    assert smallest.success[full.success].all()
    assert smallest.linf[smallest.success].mean() < 0.85 * full.linf[smallest.success].mean()
    assert (smallest.linf <= full.linf + 1e-6).all()


def test_the_step_of_fgsm_follows_the_gradient(classifier: keras.Model) -> None:
    """Against a finite difference of the loss at single pixels."""
    x, y = make_rows(4)
    x = x * np.float32(0.8) + np.float32(0.1)
    step = FGSM(0.01).run(classifier, x, y).x_adv - x

    def loss(rows: np.ndarray) -> np.ndarray:
        p = np.asarray(classifier(rows, training=False), np.float64)
        return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-7)))

    for pixel in ((0, 0), (3, 4), (7, 7)):
        moved = x.copy()
        moved[:, pixel[0], pixel[1], 0] += 1e-2
        slope = loss(moved) - loss(x)
        clear = np.abs(slope) > 1e-4
        np.testing.assert_array_equal(
            np.sign(slope[clear]), np.sign(step[:, pixel[0], pixel[1], 0][clear])
        )


def test_a_step_of_no_length_is_taken_as_such(classifier: keras.Model) -> None:
    x, y = make_rows(10)
    found = PGD(0.1, step_size=0.0, restarts=1).run(classifier, x, y)
    np.testing.assert_array_equal(found.x_adv, x)


def test_flat_rows_have_bounds_and_steps_of_their_own() -> None:
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    scale = np.array([1, 10, 100, 1000], np.float32)
    x = np.random.default_rng(0).random((50, 4)).astype(np.float32) * scale
    y = np.asarray(classifier(x)).argmax(axis=1)
    found = FGSM(0.1 * scale, bounds=(np.zeros(4), scale)).run(classifier, x, y)
    assert (np.abs(found.x_adv - x) <= 0.1 * scale * (1 + 1e-5)).all()
    assert (found.x_adv <= scale).all()
    for attack in (RayS(steps=20), SquareAttack(50.0, steps=50)):
        found = replace(attack, bounds=(0.0, 1000.0)).run(classifier, x, y)
        assert found.success.any()


def test_a_single_step_on_few_rows_is_done_without_compiling(
    classifier: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = make_rows(60)
    compiled = FGSM(0.1, batch_size=10).run(classifier, x, y)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(tf, "function", refuse)
    found = FGSM(0.1, batch_size=30).run(classifier, x, y)
    np.testing.assert_allclose(found.x_adv, compiled.x_adv, atol=1e-6)
    np.testing.assert_array_equal(found.success, compiled.success)
    for repeated in (FGSM(0.1, steps=2), FGSM(0.1, batch_size=10), PGD(0.1)):
        with pytest.raises(AssertionError, match="compiled"):
            repeated.run(classifier, x, y)


def test_rows_that_are_8_bit_images_already_are_not_classified_again(
    classifier: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = make_rows(40)
    x = np.round(x * 255).astype(np.float32) / np.float32(255)
    shown: list[int] = []
    evaluate = Victim.evaluate

    def counting(self: Victim, x: Rows, *more: Any) -> CriterionResult:
        shown.append(len(x))
        return evaluate(self, x, *more)

    monkeypatch.setattr(Victim, "evaluate", counting)
    found = FGSM(51 / 255).run(classifier, x, y)
    np.testing.assert_array_equal(found.success_rounded, found.success)
    assert shown == [40]
    FGSM(51.5 / 255).run(classifier, x, y)
    assert shown == [40, 40, 40]
