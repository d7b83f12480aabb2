"""The normal row beside an example: of the same class, and alike."""

import numpy as np
import pytest

from adversarial.bundle.runtime_sample import RuntimeSample
from drift_monitor.scoring.normal_rows import nearest_normal_row

X = np.array([[0, 0], [1, 10], [2, 20], [3, 30]], np.float32)


def sample(*predictions: int) -> RuntimeSample:
    says = np.eye(2, dtype=np.float32)[list(predictions)]
    return RuntimeSample(X, says, says[:, None])


@pytest.mark.parametrize(("predictions", "nearest"), [((0, 0, 1, 1), 1), ((0, 0, 0, 0), 2)])
def test_it_is_the_nearest_of_the_same_prediction(
    predictions: tuple[int, ...], nearest: int
) -> None:
    found = nearest_normal_row(np.array([1.7, 19], np.float32), 0, sample(*predictions))
    assert found is not None
    assert found.tolist() == X[nearest].tolist()


def test_a_column_in_another_unit_does_not_choose_the_row() -> None:
    """Row 2 is as far as the others in the column that is wrong, and next in the other."""
    row = np.array([2.1, -99_900], np.float32)
    found = nearest_normal_row(row, 0, sample(0, 0, 0, 0))
    assert found is not None
    assert found.tolist() == [2, 20]


def test_images_are_compared_pixel_by_pixel() -> None:
    images = np.ones((5, 4, 4, 3), np.float32)
    images *= np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None]
    says = np.eye(2, dtype=np.float32)[[0, 0, 0, 0, 1]]
    found = nearest_normal_row(images[4] * 0.9, 0, RuntimeSample(images, says, says[:, None]))
    assert found is not None
    assert np.array_equal(found, images[3])


def test_there_is_none_where_the_detector_keeps_none_of_that_class() -> None:
    assert nearest_normal_row(X[0], 1, sample(0, 0, 0, 0)) is None
    assert nearest_normal_row(X[0], 0, None) is None
