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
from adversarial.calibration.calibration_rows import _attacks, _damages, calibration_rows
from adversarial.calibration.changed_rows import Changed
from adversarial.corruptions import CORRUPTIONS, corrupt
from adversarial.corruptions.flat_faults import Columns, gross_faults, strike_columns
from adversarial.corruptions.image_faults import image_faults
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
    families = set(table["family"].to_pylist())
    # Of grey images there is nothing to saturate, and no channel to swap.
    gross = {family for family, _, _ in image_faults((8, 8, 1))}
    assert families == {*CORRUPTIONS, *ATTACKS, *gross} - {"saturate"}
    assert {"inverted", "not_normalised", "mirrored", "covered", "black"} <= gross
    assert "channels_swapped" in {family for family, _, _ in image_faults((8, 8, 3))}
    assert {"prediction", "reconstruction_prediction", "label"} <= set(table.column_names)
    assert set(table["label"].to_pylist()) <= set(CLASSES)


def test_the_same_seed_makes_the_same_rows_and_another_others(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    def rows(seed: int) -> object:
        families = ("gaussian_noise", "fgsm")
        return calibration_rows(detector, *images, seed=seed, families=families).to_pydict()

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_progress_counts_every_row_and_every_step_of_an_attack(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    told: list[tuple[int, int]] = []
    calibration_rows(
        detector,
        *images,
        families=("gaussian_noise", "ddn"),
        progress=lambda done, total: told.append((done, total)),
    )
    total = 3 * N + 21 * N
    assert told == [(N, total), (2 * N, total), (3 * N, total), (total, total)]


def test_labels_stay_with_their_rows(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    x, y = images
    cells = [
        cell for work in _damages(detector, x, y, 0, ("brightness",)) for cell in work.changed()
    ]
    assert len(cells) == 3
    for changed in cells:
        # Brightening keeps the order of an image's values, so that each can be found again.
        level = int(changed.severity)
        bright = [corrupt(x[[i]], "brightness", level)[0] for i in range(N)]
        for image, label in zip(changed.x, changed.y, strict=True):
            found = [np.allclose(other, image, atol=1e-6) for other in bright]
            assert y[found.index(True)] == label


@pytest.mark.parametrize("family", ["noise", "shift", "swap", "lose"])
def test_flat_rows_change_more_with_severity_and_may_leave_their_range(family: str) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.random((500, 3), np.float32), np.zeros(500, np.int64)
    cells: list[Changed] = [
        cell for work in _damages(flat_detector(), x, y, 0, (family,)) for cell in work.changed()
    ]
    assert len(cells) == {"noise": 7, "shift": 7, "swap": 4, "lose": 4}[family]
    assert all(cell.x.dtype == np.float32 for cell in cells)
    moved = [float(np.abs(np.sort(cell.x, axis=0) - np.sort(x, axis=0)).mean()) for cell in cells]
    if family != "swap":  # which leaves every column as it is
        assert moved == sorted(moved)
        assert moved[0] > 0
    beyond = max(float(cell.x.max()) for cell in cells)
    assert (beyond > 1) == (family in ("noise", "shift"))


def test_flat_rows_are_scored_in_their_own_units() -> None:
    detector = flat_detector()
    x, y = flat_rows()
    table = calibration_rows(detector, x, y)
    families = set(table["family"].to_pylist())
    assert {"noise", "shift", "swap", "lose", *ATTACKS} <= families
    assert {"sentinel-0", "sentinel-some", "unit-1", "unit-all", "imputed_median-2"} <= families
    # With every feature lost, each row is the one of medians.
    lost = table.filter((pc.field("family") == "lose") & (pc.field("severity") == 1))
    expected = detector.predict(np.median(x, axis=0, keepdims=True).astype(np.float32))
    np.testing.assert_allclose(lost["confidence"].to_numpy(), expected.confidence[0], rtol=1e-3)


def test_a_gross_fault_strikes_one_column_some_or_all() -> None:
    x = np.random.default_rng(0).normal(5, 1, (400, 4)).astype(np.float32)
    faults = {(family, severity): fault for family, severity, fault in gross_faults()}
    columns = Columns.of(x)

    def struck(scope: str | int) -> NDArray[np.bool_]:
        rng = np.random.default_rng(1)
        changed: NDArray[np.bool_] = (
            strike_columns(x, faults["sentinel", -999.0], columns, scope, rng) == -999
        )
        return changed

    assert struck("all").all()
    assert (struck(2).mean(axis=0) == [0, 0, 1, 0]).all()
    assert 0.15 < struck("some").mean() < 0.35


def test_a_smaller_fgsm_step_is_the_larger_one_cut_off(
    detector: AdversarialDetector, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    x, y = images
    for cell in next(_attacks(detector, x, y, ("fgsm",))).changed():
        own = FGSM(epsilon=cell.severity).run(detector.classifier, x, y).x_adv
        np.testing.assert_allclose(cell.x, own, atol=1e-6)
