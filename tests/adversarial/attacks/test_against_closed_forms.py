"""Attackers on models of which it is known what must be found, or that were broken on purpose."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from adversarial.attacks import (
    DDN,
    PGD,
    SLIDE,
    Attack,
    CarliniWagner,
    Criterion,
    CriterionResult,
    RayS,
    SquareAttack,
)

N_FEATURES = 20


def linear(weights: np.ndarray, bias: float = 0.0, sharpness: float = 1.0) -> keras.Model:
    """Two classes, told apart by the sign of w · x + b."""
    model = keras.Sequential(
        [keras.Input((len(weights),)), keras.layers.Dense(2, activation="softmax")]
    )
    kernel = np.stack([-weights / 2, weights / 2], axis=1) * sharpness
    model.set_weights([kernel, np.array([-bias / 2, bias / 2]) * sharpness])
    return model


def problem(n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows far from their bounds, and the weights of a linear classifier."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=N_FEATURES)
    x = rng.normal(0, 0.5, (n, N_FEATURES)).astype(np.float32)
    return x, (x @ weights > 0).astype(np.int64), weights


WIDE = (-20.0, 20.0)
FINE = CarliniWagner(steps=600, learning_rate=0.002, initial_c=1.0, search_steps=8, bounds=WIDE)


@pytest.mark.parametrize(
    ("attack", "norm", "dual"),
    [
        (DDN(steps=200, bounds=WIDE), "l2", 2),
        (replace(FINE, search="plain"), "l2", 2),
        (replace(FINE, search="log"), "l2", 2),
        (SLIDE(0.1, 0.02, percentile=99, search_steps=25, bounds=WIDE), "l1", np.inf),
        (RayS(steps=600, bounds=WIDE), "linf", 1),
    ],
    ids=["ddn", "carlini_wagner", "carlini_wagner_log", "slide", "rays"],
)
def test_the_distance_to_a_plane_is_found(attack: Attack, norm: str, dual: float) -> None:
    """The nearest point of the plane w · x = 0 lies at |w · x| / ‖w‖ in the dual norm."""
    x, y, weights = problem()
    found = attack.run(linear(weights), x, y)
    assert found.success.all()
    distance = np.abs(x @ weights) / np.linalg.norm(weights, dual)
    ratio = getattr(found, norm) / distance
    assert ratio.min() > 1 - 1e-3
    assert np.median(ratio) < 1.02


@pytest.mark.parametrize(
    ("attack", "dual"),
    [
        (PGD(0.05, bounds=WIDE), 1),
        (PGD(0.2, norm="l2", bounds=WIDE), 2),
        (SquareAttack(0.05, steps=400, bounds=WIDE), 1),
    ],
    ids=["pgd", "pgd_l2", "square"],
)
def test_success_is_where_the_ball_reaches_the_plane(attack: Attack, dual: float) -> None:
    x, y, weights = problem(200)
    found = attack.run(linear(weights), x, y)
    reach = attack.epsilon * np.linalg.norm(weights, dual)  # type: ignore[attr-defined]
    distance = np.abs(x @ weights)
    clear = np.abs(distance / reach - 1) > 0.05
    np.testing.assert_array_equal(found.success[clear], (distance < reach)[clear])
    assert 0.1 < found.success.mean() < 0.9


@pytest.mark.parametrize(
    "attack",
    [
        DDN(bounds=WIDE),
        CarliniWagner(steps=200, learning_rate=0.01, initial_c=1.0, search="log", bounds=WIDE),
        PGD(1.0, bounds=WIDE),
        SLIDE(20.0, 5.0, bounds=WIDE),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_a_saturated_softmax_does_not_hide_the_gradient(attack: Attack) -> None:
    """Probabilities are 0 and 1 but for the last bit: they have no gradient, the logits have."""
    x, y, weights = problem()
    model = linear(weights, sharpness=1e6)
    probabilities = model.predict(x, verbose=0)
    np.testing.assert_allclose(probabilities, np.round(probabilities), rtol=0, atol=1e-7)
    assert attack.run(model, x, y).success.all()


def test_what_hides_gradients_is_found_without_them() -> None:
    """A classifier that rounds its input has no gradient at all, and is no more robust for it."""
    x, y, weights = problem()
    x = np.round(x, 1)
    y = (x @ weights > 0).astype(np.int64)
    inputs = keras.Input((N_FEATURES,))
    rounded = keras.ops.round(inputs * 10) / 10
    outputs = linear(weights)(rounded)
    model = keras.Model(inputs, outputs)
    blind = PGD(0.6, bounds=WIDE, restarts=1).run(model, x, y)
    assert blind.success.mean() < 0.1
    for attack in (SquareAttack(0.6, steps=300, bounds=WIDE), RayS(steps=100, bounds=WIDE)):
        assert attack.run(model, x, y).success.all()


class Near(Criterion):
    """Within 1e-3 of a point."""

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> CriterionResult:  # noqa: ARG002  # any class
        distance = tf.abs(x[:, 0] - 0.0468)
        return CriterionResult(-distance, distance - 1e-3, distance <= 1e-3)


def test_steps_that_become_small_meet_what_leaves_little_room() -> None:
    attack = PGD(0.1, steps=40, restarts=1)
    x, y = np.zeros((3, 1), np.float32), np.zeros(3, np.int64)
    assert not attack.run(Near(), x, y).success.any()
    assert replace(attack, schedule="cosine").run(Near(), x, y).success.all()


@pytest.mark.parametrize(
    "attack",
    [PGD(0.1, bounds=WIDE, restarts=3), SquareAttack(0.1, steps=500, bounds=WIDE)],
    ids=lambda attack: type(attack).__name__,
)
def test_a_planted_adversarial_example_is_found(attack: Attack) -> None:
    """The binarization test of Zimmermann et al. (2022).

    Around each row a readout is fitted that tells one point on the boundary of the ball from many
    inside: so an adversarial example is there, and an attack that finds none is at fault.
    """
    rng = np.random.default_rng(0)
    epsilon = 0.1
    found = []
    for _ in range(20):
        x = rng.normal(size=N_FEATURES)
        inside = x + rng.uniform(-0.5, 0.5, (99, N_FEATURES)) * epsilon
        planted = x + epsilon * rng.choice([-1, 1], N_FEATURES)
        readout = LogisticRegression(C=1e6, max_iter=2000).fit(
            np.vstack([inside, planted]), np.arange(100) == 99
        )
        model = linear(readout.coef_[0], float(readout.intercept_[0]))
        row = x[None].astype(np.float32)
        found.append(bool(attack.run(model, row, np.zeros(1, np.int64)).success[0]))
    assert np.mean(found) >= 0.95
