"""What descriptors say of images whose properties are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from adversarial.descriptors import (
    SIDE,
    descriptor_names,
    image_descriptors,
    is_image,
    thumbnails,
)

Rows = NDArray[np.float32]

GREY_SHAPES = [(28, 28, 1), (64, 64, 1), (96, 96, 1), (3, 300, 1), (224, 150, 1)]


def scene(shape: tuple[int, ...], n: int = 6, seed: int = 0) -> Rows:
    """Return smooth images between .2 and .8."""
    height, width, channels = shape
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width] / max(height, width)
    phase, size = rng.uniform(0, 3, (2, n, 1, 1, channels))
    waves = np.sin(4 * down[None, ..., None] + phase) * np.cos(5 * across[None, ..., None] * size)
    return np.asarray(0.5 + 0.3 * waves, np.float32)


def described(x: Rows) -> dict[str, NDArray[np.float32]]:
    columns = image_descriptors(x).T
    return dict(zip(descriptor_names(x.shape[1:]), columns, strict=True))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((28, 28, 1), True),
        ((3, 3, 3), True),
        ((28, 28, 4), False),
        ((2, 9, 1), False),
        ((28, 28), False),
        ((7,), False),
    ],
)
def test_what_an_image_is(shape: tuple[int, ...], expected: bool) -> None:
    assert is_image(shape) == expected


@pytest.mark.parametrize("shape", GREY_SHAPES)
def test_known_images_have_known_descriptors(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = np.stack(
        [
            np.full(shape, 0.25),
            np.zeros(shape),
            np.ones(shape),
            0.5 + rng.normal(0, 0.05, shape),
        ]
    ).astype(np.float32)
    found = described(x)
    assert found["brightness"][:3] == pytest.approx([0.25, 0, 1])
    assert found["brightness"][3] == pytest.approx(0.5, abs=0.01)
    assert found["contrast"][:3] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["contrast"][3] == pytest.approx(0.05, rel=0.1)
    assert found["noise_level"][:3] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found["noise_level"][3] == pytest.approx(0.05, rel=0.15)
    # The variance of a Laplacian of independent values is 4² + 4 times theirs.
    assert found["sharpness"][3] == pytest.approx(np.sqrt(20) * 0.05, rel=0.2)
    assert found["entropy"][:3] == pytest.approx([0, 0, 0])
    assert found["entropy"][3] > 1
    assert found["black"].tolist() == [0, 1, 0, 0]
    assert found["white"].tolist() == [0, 0, 1, 0]


def test_colours_are_told_apart() -> None:
    x = np.zeros((3, 9, 9, 3), np.float32)
    x[0, ..., 0] = 1
    x[1, ..., 2] = 1
    x[2] = 0.4
    found = described(x)
    assert found["brightness"] == pytest.approx([0.299, 0.114, 0.4], abs=1e-4)
    assert found["colourfulness"] == pytest.approx([1, 1, 0])
    assert found["red_balance"] == pytest.approx([1 - 0.299, -0.114, 0], abs=1e-4)
    assert found["blue_balance"] == pytest.approx([-0.299, 1 - 0.114, 0], abs=1e-4)


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 3), (300, 200, 3)])
def test_each_change_moves_the_descriptor_named_after_it(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x = scene(shape) + rng.normal(0, 0.02, (6, *shape)).astype(np.float32)
    blurred = (x + np.roll(x, 1, 1) + np.roll(x, 1, 2) + np.roll(x, (1, 1), (1, 2))) / 4
    middle = np.median(x[..., :1], axis=(1, 2, 3), keepdims=True)
    before = described(x)
    for changed, name, sign in [
        (x + np.float32(0.1), "brightness", 1),
        ((x - np.float32(0.5)) * np.float32(0.5), "contrast", -1),
        (x + rng.normal(0, 0.05, x.shape).astype(np.float32), "noise_level", 1),
        (blurred, "sharpness", -1),
        (np.where(x[..., :1] < middle, np.float32(0), x), "black", 1),
        (np.where(x[..., :1] > middle, np.float32(1), x), "white", 1),
        (np.round(x * 2) / 2, "entropy", -1),
    ]:
        after = described(np.asarray(changed, np.float32))
        assert (sign * (after[name] - before[name]) > 0).all(), name


@pytest.mark.parametrize("shape", [(28, 28, 1), (96, 80, 3), (300, 40, 1)])
def test_a_row_s_descriptors_do_not_depend_on_the_others(shape: tuple[int, ...]) -> None:
    x = scene(shape, n=20)
    whole = image_descriptors(x)
    apart = np.concatenate([image_descriptors(x[i : i + 3]) for i in range(0, 20, 3)])
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, apart)
    assert image_descriptors(x[:0]).shape == (0, len(descriptor_names(shape)))


def test_a_large_image_is_described_as_a_small_one_of_the_same_scene() -> None:
    large, small = described(scene((512, 512, 3))), described(scene((64, 64, 3)))
    for name in ("brightness", "contrast", "colourfulness", "red_balance", "blue_balance"):
        assert large[name] == pytest.approx(small[name], abs=0.01), name
    assert large["entropy"] == pytest.approx(small["entropy"], abs=0.1)


def test_a_large_image_is_looked_at_in_every_part() -> None:
    x = np.zeros((16, 4 * SIDE, 4 * SIDE, 1), np.float32)
    for part in range(16):
        down, across = (SIDE * at for at in divmod(part, 4))
        rng = np.random.default_rng(part)
        x[part, down : down + SIDE, across : across + SIDE] = rng.random((SIDE, SIDE, 1))
    found = described(x)
    for name in ("brightness", "noise_level", "sharpness", "entropy"):
        assert (found[name] > 0).all(), name
        assert found[name].max() < 1.5 * found[name].min(), name


def test_thumbnails_average_over_a_grid() -> None:
    x = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1)
    blocks = x.reshape(4, 2, 4, 2).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(thumbnails(x)[0], blocks)
    assert thumbnails(x[:, :3, :3])[0].tolist() == [0, 1, 2, 8, 9, 10, 16, 17, 18]
    assert thumbnails(scene((200, 300, 3))).shape == (6, 16)
