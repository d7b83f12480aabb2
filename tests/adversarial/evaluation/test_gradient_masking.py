import keras
import numpy as np

from adversarial.attacks import PGD, Misclassified
from adversarial.evaluation.gradient_masking import gradient_masking_checks


def rows(n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=20)
    x = rng.random((n, 20)).astype(np.float32).round(1)
    return x, ((x - 0.5) @ weights > 0).astype(np.int64), weights


def plane(weights: np.ndarray) -> keras.Model:
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(2, activation="softmax")])
    model.set_weights(
        [np.stack([-weights, weights], axis=1), np.array([1.0, -1.0]) * sum(weights) / 2]
    )
    return model


def check(model: keras.Model, attack: PGD) -> dict[str, bool]:
    x, y, _ = rows()
    success = attack.run(model, x, y).success
    found = gradient_masking_checks(attack, success, Misclassified(model), x, y)
    return {check.name: check.passed for check in found}


def test_an_attack_that_sees_passes() -> None:
    _, _, weights = rows()
    model = plane(weights)
    assert check(model, PGD(0.1)) == {
        "unbounded": True,
        "doubled_steps": True,
        "noise": True,
        "gradient_free": True,
    }
    assert check(model, PGD(0.3, norm="l2")) == {"unbounded": True, "doubled_steps": True}


def test_hidden_gradients_are_noticed() -> None:
    """A classifier that rounds its input has none, and is no more robust for it."""
    _, _, weights = rows()
    inputs = keras.Input((20,))
    model = keras.Model(inputs, plane(weights)(keras.ops.round(inputs * 10) / 10))
    found = check(model, PGD(0.15, restarts=1))
    assert not found["unbounded"]
    assert not found["gradient_free"]
    assert not found["noise"]


def test_too_few_steps_are_noticed() -> None:
    _, _, weights = rows()
    assert not check(plane(weights), PGD(0.2, steps=2, step_size=0.02, restarts=1))["doubled_steps"]
