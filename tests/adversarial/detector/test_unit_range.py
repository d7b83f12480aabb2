"""Detectors of rows in units of their own, attacked in [0, 1]."""

import keras
import numpy as np
import pytest

from adversarial import AdversarialDetector, InputSpec
from adversarial.attacks import FGSM
from adversarial.bundle.calibration import Calibration
from adversarial.detector.unit_range import UnitRange
from adversarial.evaluation.threat_models import grey_box

LOW = np.array([-5, 100, 7], np.float32)
HIGH = np.array([5, 900, 7], np.float32)


@pytest.fixture(scope="module")
def detector() -> AdversarialDetector:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    hidden = keras.layers.Rescaling(np.array([0.1, 0.002, 0.1]))(inputs)
    classifier = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    inputs = keras.Input((3,))
    autoencoder = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    return AdversarialDetector(
        classifier, autoencoder, input_spec=InputSpec(shape=(3,)), calibration=Calibration(0.1)
    )


def rows(n: int = 50) -> np.ndarray:
    x = np.random.default_rng(0).uniform(LOW, HIGH, (n, 3)).astype(np.float32)
    return np.concatenate([x, [LOW, HIGH]]).astype(np.float32)


def test_the_wrapped_detector_says_the_same_of_scaled_rows(detector: AdversarialDetector) -> None:
    units, x = UnitRange(LOW, HIGH), rows()
    scaled = units.scale(x)
    assert scaled.min() == 0
    assert scaled.max() == 1
    expected, found = detector.predict(x), units.wrap(detector).predict(scaled)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(found.prediction, expected.prediction)
    np.testing.assert_array_equal(
        found.reconstruction_prediction, expected.reconstruction_prediction
    )
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-3)


def test_an_attack_moves_each_feature_within_its_range_and_a_constant_one_not(
    detector: AdversarialDetector,
) -> None:
    units, x = UnitRange(LOW, HIGH), rows()
    # Away from each class, so that each feature is pushed both ways.
    x, y = np.repeat(x, 2, axis=0), np.tile([0, 1], len(x))
    found = FGSM(0.1).run(grey_box(units.wrap(detector)), units.scale(x), y)
    moved = units.low + units.span * found.x_adv - x
    assert np.abs(moved[:, 0]).max() == pytest.approx(1, rel=1e-3)  # a tenth of −5 to 5
    assert np.abs(moved[:, 1]).max() == pytest.approx(80, rel=1e-3)
    assert np.abs(moved[:, 2]).max() < 1e-5


def test_rows_in_the_unit_range_already_leave_the_detector_as_it_is(
    detector: AdversarialDetector,
) -> None:
    assert UnitRange(0.0, 1.0).wrap(detector) is detector
