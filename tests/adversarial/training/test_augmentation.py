"""Images that are moved and mirrored."""

import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.training.augmentation import Augmentation


def test_images_are_moved_and_mirrored() -> None:
    image = np.zeros((1, 9, 9, 1), np.uint8)
    image[0, 4, 6] = 255
    found = Augmentation(shift=2, flip=True)(
        np.repeat(image, 500, axis=0), np.random.default_rng(0)
    )
    rows, columns = np.nonzero(found[..., 0])[1:]
    assert len(rows) == 500
    assert set(rows.tolist()) == set(range(2, 7))
    assert set(columns.tolist()) == set(range(9))
    assert found.dtype == np.uint8
    columns = np.nonzero(
        Augmentation(flip=True)(np.repeat(image, 50, 0), np.random.default_rng(0))
    )[2]
    assert set(columns.tolist()) == {2, 6}


def test_what_comes_in_at_an_edge_is_black() -> None:
    images = np.ones((50, 3, 3, 1), np.float32)
    found = Augmentation(shift=1, fill=-1.0)(images, np.random.default_rng(0))
    assert found.dtype == np.float32
    assert set(np.unique(found).tolist()) == {-1, 1}


def test_nothing_but_images_is_augmented() -> None:
    with pytest.raises(ModelError, match=r"rows of shape \(5,\) cannot be moved"):
        Augmentation(flip=True)(np.zeros((2, 5)), np.random.default_rng(0))
    with pytest.raises(ModelError, match="shift is -1: expected 0 pixels or more"):
        Augmentation(shift=-1)
