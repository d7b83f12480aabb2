import numpy as np
import pytest
from scipy import ndimage

from adversarial.corruptions import corrupt
from adversarial.corruptions.blur import enlarge
from tests.support.shapes import images


@pytest.mark.parametrize(
    "name", ["gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur", "glass_blur"]
)
def test_a_blur_changes_no_even_image_and_softens_edges(name: str) -> None:
    even = np.full((2, 32, 32, 3), 100 / 255, np.float32)
    np.testing.assert_allclose(corrupt(even, name, 5), even, atol=1.01 / 255)
    x = images()
    edges = [np.abs(np.diff(rows, axis=1)).max() for rows in (x, corrupt(x, name, 5))]
    assert edges[1] < edges[0]


def test_a_gaussian_blur_has_its_width() -> None:
    point = np.zeros((1, 33, 33, 1), np.float32)
    point[0, 16, 16] = 1
    found = corrupt(point, "gaussian_blur", 5)[0, :, :, 0]
    bell = np.exp(-(np.arange(-16, 17) ** 2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(found, np.outer(bell, bell), atol=1.01 / 255)


def test_motion_smears_one_way() -> None:
    """Half a Gaussian along the angle: a point leaves a trail on one side of it."""
    point = np.zeros((40, 33, 33, 1), np.float32)
    point[:, 16, 16] = 1
    found = corrupt(point, "motion_blur", 3)
    assert (found[:, 16, 16] > 0.2).all()
    assert found[:, :, 18:].max() == 0
    assert (found[:, :, :16].max(axis=(1, 2, 3)) > 0.1).all()


def test_an_enlargement_is_scipys() -> None:
    x = images(2)
    for factor in (1.0, 1.07, 1.25, 1.75):
        part = int(np.ceil(32 / factor))
        start = (32 - part) // 2
        middle = x[:, start : start + part, start : start + part]
        zoomed = ndimage.zoom(middle, (1, factor, factor, 1), order=1)
        trim = (zoomed.shape[1] - 32) // 2
        expected = zoomed[:, trim : trim + 32, trim : trim + 32]
        np.testing.assert_allclose(enlarge(x, factor), expected, atol=1e-5)
