"""The rows that an accuracy estimator is fitted on."""

from pathlib import Path

import keras
import numpy as np
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray

from adversarial import AdversarialDetector, InputSpec
from adversarial.attacks import FGSM
from adversarial.bundle.accuracy_estimator import ATTACKS
from adversarial.corruptions import CORRUPTIONS, corrupt
from adversarial.training.accuracy_rows import (
    FGSM_RADII,
    Changed,
    _attacked,
    _corrupted,
    calibration_rows,
)
from tests.support.animals import CLASSES, make_images

N = 30


@pytest.fixture(scope="module")
def images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    x, y = make_images(N, seed=5)
    return (x[..., None] / np.float32(255)).astype(np.float32), y


@pytest.fixture(scope="module")
def detector(bundle: Path) -> AdversarialDetector:
    return AdversarialDetector.load(bundle)


def flat_detector() -> AdversarialDetector:
    """Two classes of rows of three features, in units of their own."""
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    autoencoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    return AdversarialDetector(classifier, autoencoder, input_spec=InputSpec(shape=(3,)))


def flat_rows(n: int = N) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    x = rng.normal([0, 50, -900], [1, 10, 0], (n, 3)).astype(np.float32)
    return x, rng.integers(0, 2, n)


def test_every_way_to_change_an_image_is_in_the_table(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    table = calibration_rows(detector, *images)
    expected = {*CORRUPTIONS, *ATTACKS} - {
        "saturate"
    }  # of grey images there is nothing to saturate
    assert set(table["family"].to_pylist()) == expected
    assert {"prediction", "reconstruction_prediction", "label"} <= set(table.column_names)
    assert set(table["label"].to_pylist()) <= set(CLASSES)
    assert len(table) == N * (3 * (len(CORRUPTIONS) - 1) + len(FGSM_RADII) + 2 + 1)


def test_the_same_seed_makes_the_same_rows_and_another_others(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    def rows(seed: int) -> object:
        families = ("gaussian_noise", "fgsm")
        return calibration_rows(detector, *images, seed=seed, families=families).to_pydict()

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_labels_stay_with_their_rows(
    images: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    x, y = images
    for changed in _corrupted(x, y, 0, ("brightness",)):
        # Brightening keeps the order of an image's values, so that each can be found again.
        level = int(changed.severity)
        for image, label in zip(changed.x, changed.y, strict=True):
            found = [
                np.array_equal(corrupt(x[[i]], "brightness", level)[0], image) for i in range(N)
            ]
            assert y[found.index(True)] == label


@pytest.mark.parametrize("family", ["noise", "shift", "swap", "lose"])
def test_flat_rows_stay_within_their_features_and_change_more_with_severity(family: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.random((400, 3), np.float32)
    cells: list[Changed] = list(_corrupted(x, np.zeros(400, np.int64), 0, (family,)))
    assert len(cells) == 4
    moved = []
    for number, cell in enumerate(cells):
        assert cell.x.dtype == np.float32
        assert ((cell.x >= 0) & (cell.x <= 1)).all()
        offset = {"noise": 0, "shift": 4, "swap": 8, "lose": 12}[family]
        drawn = np.random.default_rng([0, offset + number]).permutation(400)
        moved.append(np.abs(cell.x - x[drawn]).mean())
    assert moved == sorted(moved)
    assert moved[0] > 0


def test_flat_rows_are_scored_in_their_own_units() -> None:
    detector = flat_detector()
    x, y = flat_rows()
    table = calibration_rows(detector, x, y)
    assert set(table["family"].to_pylist()) == {"noise", "shift", "swap", "lose", *ATTACKS}
    # With every feature lost, each row is the one of medians.
    lost = table.filter((pc.field("family") == "lose") & (pc.field("severity") == 1))
    expected = detector.predict(np.median(x, axis=0, keepdims=True).astype(np.float32))
    np.testing.assert_allclose(lost["confidence"].to_numpy(), expected.confidence[0], rtol=1e-3)


def test_a_smaller_fgsm_step_is_the_larger_one_cut_off(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    x, y = images
    for cell in _attacked(detector, x, y, ("fgsm",)):
        own = FGSM(epsilon=cell.severity).run(detector.classifier, x, y).x_adv
        np.testing.assert_allclose(cell.x, own, atol=1e-6)
