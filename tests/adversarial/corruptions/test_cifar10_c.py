from pathlib import Path

import numpy as np
import pytest

from adversarial.corruptions import (
    BENCHMARK,
    CORRUPTIONS,
    EXTRA,
    corrupt,
    name_corruptions,
    read_cifar10_c,
)
from adversarial.errors import ModelError
from tests.support.shapes import images

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


def test_the_list_is_that_of_the_benchmark() -> None:
    assert len(CORRUPTIONS) == 19
    assert (len(BENCHMARK), {*BENCHMARK, *EXTRA}) == (15, set(CORRUPTIONS))
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
    monkeypatch.setattr("adversarial.corruptions.cifar10_c.N_TEST", 4)
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
