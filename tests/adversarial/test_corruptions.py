from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from adversarial.corruptions import CORRUPTIONS, EXTRA, corrupt, name_corruptions, read_cifar10_c
from adversarial.errors import ModelError

NOISE = ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"]
BY_CHANCE = {
    *NOISE,
    "glass_blur",
    "motion_blur",
    "snow",
    "frost",
    "fog",
    "elastic_transform",
    "spatter",
}


def images(n: int = 6, side: int = 32, channels: int = 3) -> NDArray[np.float32]:
    """Smooth coloured shapes with edges, on 8-bit levels."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / side
    found = []
    for _ in range(n):
        a, b, c = rng.uniform(0.2, 0.8, 3)
        disk = (rows - a) ** 2 + (columns - b) ** 2 < 0.06
        layers = [0.2 + 0.3 * rows, 0.6 - 0.3 * columns, c * np.ones_like(rows)]
        layers = [np.where(disk, 0.9 - layer, layer) for layer in layers]
        found.append(np.stack(layers[:channels], axis=-1))
    return (np.round(np.array(found) * 255) / 255).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_image_is_an_8_bit_image_of_the_same_shape(name: str, channels: int) -> None:
    for side in (28, 32):
        x = images(3, side, channels)
        before = x.copy()
        found = corrupt(x, name, 5)
        np.testing.assert_array_equal(x, before)
        assert found.shape == x.shape
        assert found.dtype == np.float32
        levels = found * 255
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
        assert found.min() >= 0
        assert found.max() <= 1
        changed = np.abs(found - x).mean()
        assert (changed > 0.003) != (name == "saturate" and channels == 1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_are_the_same_over_runs_and_however_they_are_split(name: str) -> None:
    x = images(6)
    whole = corrupt(x, name, 3)
    np.testing.assert_array_equal(whole, corrupt(x, name, 3))
    parts = [corrupt(x[:2], name, 3), corrupt(x[2:], name, 3, first=2)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    other = corrupt(x, name, 3, seed=1)
    assert np.array_equal(whole, other) == (name not in BY_CHANCE)


UNORDERED = {"saturate", "glass_blur", "spatter", "elastic_transform"}
"""Where the benchmark's constants grow in another sense, as from shear to local stretching."""


@pytest.mark.parametrize("name", sorted(CORRUPTIONS.keys() - UNORDERED))
def test_severity_five_changes_more_than_severity_one(name: str) -> None:
    x = images(20)
    least, most = (np.abs(corrupt(x, name, severity) - x).mean() for severity in (1, 5))
    assert most > least


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gaussian_noise", [0.04, 0.06, 0.08, 0.09, 0.10]),
        ("shot_noise", [np.sqrt(0.5 / photons) for photons in (500, 250, 100, 75, 50)]),
        ("speckle_noise", [0.5 * c for c in (0.06, 0.1, 0.12, 0.16, 0.2)]),
    ],
)
def test_noise_has_the_deviation_of_the_benchmark(name: str, expected: list[float]) -> None:
    grey = np.full((30, 32, 32, 3), 0.5, np.float32)
    for severity, deviation in enumerate(expected, 1):
        assert corrupt(grey, name, severity).std() == pytest.approx(deviation, rel=0.03)


def test_impulses_replace_the_benchmarks_share() -> None:
    grey = np.full((30, 32, 32, 3), 100 / 255, np.float32)
    for severity, share in enumerate((0.01, 0.02, 0.03, 0.05, 0.07), 1):
        found = corrupt(grey, "impulse_noise", severity)
        assert (found == 0).mean() == pytest.approx(share / 2, rel=0.12)
        assert (found == 1).mean() == pytest.approx(share / 2, rel=0.12)


def test_contrast_shrinks_differences_and_keeps_the_mean() -> None:
    x = images()
    found = corrupt(x, "contrast", 5)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), x.mean(axis=(1, 2)), atol=0.005)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 0.15 * x.std(axis=(1, 2)), atol=0.003)


def test_brightness_raises_the_value_and_keeps_hue_and_saturation() -> None:
    from matplotlib.colors import rgb_to_hsv

    x = images() * np.float32(0.6) + np.float32(0.05)
    before, after = rgb_to_hsv(x), rgb_to_hsv(corrupt(x, "brightness", 5))
    np.testing.assert_allclose(after[..., 2], before[..., 2] + 0.3, atol=0.005)
    np.testing.assert_allclose(after[..., 1], before[..., 1], atol=0.03)
    hue = np.abs(after[..., 0] - before[..., 0])
    assert np.quantile(np.minimum(hue, 1 - hue), 0.95) < 0.03


def test_saturation_follows_the_conversion_through_hsv() -> None:
    from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

    x = images()
    x[:, :4] = 0.5  # grey: no hue
    for severity, (factor, added) in enumerate(CORRUPTIONS["saturate"][1], 1):
        hsv = rgb_to_hsv(x)
        hsv[..., 1] = np.clip(hsv[..., 1] * factor + added, 0, 1)
        expected = np.floor(hsv_to_rgb(hsv) * 255 + 1e-4) / 255
        found = corrupt(x, "saturate", severity)
        np.testing.assert_allclose(found, expected, atol=1.01 / 255)
        assert np.mean(np.abs(found - expected) < 1e-3) > 0.99


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
    from scipy import ndimage

    from adversarial.corruptions import _enlarged

    x = images(2)
    for factor in (1.0, 1.07, 1.25, 1.75):
        part = int(np.ceil(32 / factor))
        start = (32 - part) // 2
        middle = x[:, start : start + part, start : start + part]
        zoomed = ndimage.zoom(middle, (1, factor, factor, 1), order=1)
        trim = (zoomed.shape[1] - 32) // 2
        expected = zoomed[:, trim : trim + 32, trim : trim + 32]
        np.testing.assert_allclose(_enlarged(x, factor), expected, atol=1e-5)


def test_snow_and_fog_brighten() -> None:
    x = images(10) * np.float32(0.5)
    for name in ("snow", "frost"):
        assert corrupt(x, name, 5).mean() > x.mean()
    assert corrupt(x, "fog", 5).std(axis=(1, 2)).mean() < x.std(axis=(1, 2)).mean()


def test_elastic_images_are_resampled_not_redrawn() -> None:
    x = images(10)
    found = corrupt(x, "elastic_transform", 1)
    for image, moved in zip(x, found, strict=True):
        assert moved.min() >= image.min() - 1.01 / 255
        assert moved.max() <= image.max() + 1.01 / 255
        assert abs(moved.mean() - image.mean()) < 0.08


def test_jpeg_and_pixels_are_those_of_the_files() -> None:
    import io

    from PIL import Image

    x = images(1)
    image = Image.fromarray(np.round(x[0] * 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    stored = np.asarray(Image.open(buffer))
    np.testing.assert_allclose(corrupt(x, "jpeg_compression", 5)[0] * 255, stored, atol=1e-3)
    small = image.resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    np.testing.assert_allclose(corrupt(x, "pixelate", 5)[0] * 255, np.asarray(small), atol=1e-3)


def test_the_list_is_that_of_the_benchmark() -> None:
    assert len(CORRUPTIONS) == 19
    assert set(EXTRA) < CORRUPTIONS.keys()
    assert all(len(constants) == 5 for _, constants in CORRUPTIONS.values())


def test_what_cannot_be_corrupted_is_refused() -> None:
    x = images(1)
    with pytest.raises(ModelError, match="no corruption 'rain': expected one of gaussian_noise"):
        corrupt(x, "rain", 1)
    with pytest.raises(ModelError, match="severity is 6"):
        corrupt(x, "fog", 6)
    with pytest.raises(ModelError, match=r"shape \(4,\)"):
        corrupt(np.zeros((3, 4), np.float32), "fog", 1)


def test_the_published_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adversarial import corruptions

    monkeypatch.setattr(corruptions, "N_TEST", 4)
    x = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((32, 32, 3), np.uint8)
    np.save(tmp_path / "fog.npy", x)
    with pytest.raises(ModelError, match=r"labels.npy is not there"):
        read_cifar10_c(tmp_path, "fog", 1)
    np.save(tmp_path / "labels.npy", np.arange(20, dtype=np.uint8))
    found, labels = read_cifar10_c(tmp_path, "fog", 2)
    np.testing.assert_array_equal(found, x[4:8])
    np.testing.assert_array_equal(labels, [4, 5, 6, 7])
    np.save(tmp_path / "fog.npy", x[:7])
    with pytest.raises(ModelError, match=r"fog.npy has shape \(7, 32, 32, 3\)"):
        read_cifar10_c(tmp_path, "fog", 1)


def test_all_stands_for_every_one() -> None:
    assert name_corruptions(["fog"]) == ("fog",)
    assert name_corruptions(["fog", "all", "rain"]) == (*CORRUPTIONS, "rain")
