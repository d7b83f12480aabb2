from pathlib import Path

import keras
import numpy as np
import pytest

from adversarial.attacks.fgsm import FGSM
from tests.animals import make_images


@pytest.fixture(scope="module")
def classifier(classifier_file: Path) -> keras.Model:
    return keras.saving.load_model(classifier_file)


def data(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    images, labels = make_images(n, seed=3)
    return images[..., None] / np.float32(255), labels


def test_the_perturbation_stays_within_epsilon_and_bounds(classifier: keras.Model) -> None:
    x, y = data()
    attacked = FGSM(0.2).run(classifier, x, y)
    assert np.abs(attacked - x).max() <= 0.2 + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1


def test_accuracy_falls_as_epsilon_grows(classifier: keras.Model) -> None:
    x, y = data()

    def accuracy(epsilon: float) -> float:
        attacked = FGSM(epsilon).run(classifier, x, y)
        return float(np.mean(np.asarray(classifier(attacked)).argmax(axis=1) == y))

    assert accuracy(0.0) > 0.95
    assert accuracy(0.0) > accuracy(0.15) > accuracy(0.5)
    assert accuracy(0.5) < 0.3


def test_the_step_follows_the_sign_of_the_gradient(classifier: keras.Model) -> None:
    """Against a finite difference of the loss at single pixels."""
    x, y = data(4)
    x = x * np.float32(0.8) + np.float32(0.1)
    step = FGSM(0.01).run(classifier, x, y) - x

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
