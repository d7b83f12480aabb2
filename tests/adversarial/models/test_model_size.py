"""Models that would exhaust memory are refused by what their files say, before it is taken."""

import json
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.models.classifiers import load_model
from adversarial.models.model_size import check_size

MILLIONS = 2_000_000


@pytest.fixture
def model() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])


def edited(path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Change the configuration in a saved model, and leave its weights."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            edit(config)
            file.attrs["model_config"] = json.dumps(config)
        return path
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    edit(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def dense(config: dict[str, Any]) -> dict[str, Any]:
    layers = config["config"]["layers"]
    [found] = [layer["config"] for layer in layers if layer["class_name"] == "Dense"]
    settings: dict[str, Any] = found
    return settings


def millions_of_units(config: dict[str, Any]) -> None:
    dense(config)["units"] = MILLIONS


def endless_rows(config: dict[str, Any]) -> None:
    layer = config["config"]["layers"][0]["config"]
    layer[next(name for name in layer if name.startswith("batch"))] = [None, 10**7, 10**6]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (millions_of_units, "a layer has units 2,000,000, but no weight of that size is stored"),
        (endless_rows, "a row of its input takes 40,000,000,000,000 bytes, more than the"),
    ],
)
def test_a_layer_beyond_what_is_stored_is_refused(
    model: keras.Model,
    edit: Callable[[dict[str, Any]], None],
    message: str,
    suffix: str,
    tmp_path: Path,
) -> None:
    model.save(tmp_path / f"m{suffix}")
    path = edited(tmp_path / f"m{suffix}", edit)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=message):
        load_model(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_weights_beyond_the_limit_are_refused(
    model: keras.Model, suffix: str, tmp_path: Path
) -> None:
    model.save(path := tmp_path / f"m{suffix}")
    check_size(path, limit=1 << 20)
    with pytest.raises(ModelError, match=r"take [\d,]+ bytes, more than the 10 that a model may"):
        check_size(path, limit=10)


def test_weights_that_are_declared_and_not_stored_count(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file.create_dataset("kernel", (10**6, 10**6), np.float32, chunks=(1, 10))
    assert (tmp_path / "m.h5").stat().st_size < 100_000
    with pytest.raises(ModelError, match="its weights take 4,000,000,000,000 bytes"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"[" * 10_000])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_what_is_no_model_is_named(content: bytes, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"m{suffix}").write_bytes(content)
    with pytest.raises(ModelError, match=rf"m\{suffix}"):
        load_model(tmp_path / f"m{suffix}")


def test_a_deeply_nested_configuration_is_named(model: keras.Model, tmp_path: Path) -> None:
    model.save(path := tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = b'{"config":' * 100_000
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=r"m\.keras"):
        load_model(path)


def test_a_large_layer_that_is_stored_is_loaded(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(70_000)])
    model.save(path := tmp_path / "m.keras")
    assert load_model(path).output_shape == (None, 70_000)
