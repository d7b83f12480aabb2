from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.models.autoencoders import make_autoencoder
from adversarial.training.members import train_members
from adversarial.training.settings import Plan, TrainingSettings
from adversarial.training.temperature import choose_temperature
from tests.support.animals import make_inputs
from tests.support.models.autoencoders import NO_STEP, float32


def test_architectures_and_snapshots_make_an_ensemble(
    classifier: keras.Model, tmp_path: Path
) -> None:
    own = tmp_path / "own.keras"
    make_autoencoder("dense", make_inputs(128, seed=5), latent_dim=2).save(own)
    plan = Plan(autoencoders=("dense", str(own)), training=float32(snapshots=2, epochs=3))
    found = train_members(classifier, make_inputs(128, seed=5), plan, tmp_path / "runs", verbose=0)
    assert len(found.autoencoders) == 4
    latents = [member.get_layer("latent").units for member in found.autoencoders]
    assert latents == [40, 40, 2, 2]
    newest, older = (member.get_weights() for member in found.autoencoders[:2])
    assert not np.array_equal(newest[0], older[0])
    assert [run["autoencoder"] for run in found.summary["runs"]] == ["dense", "own.keras"]
    assert len(found.summary["runs"][1]["val_loss"]) == 3


def test_the_same_plan_trains_the_same_members(classifier: keras.Model, tmp_path: Path) -> None:
    plan = Plan(autoencoders=("dense",), training=float32(epochs=1, seed=3))
    first, second = (
        train_members(
            classifier, make_inputs(128, seed=5), plan, tmp_path / name, verbose=0
        ).autoencoders[0]
        for name in ("a", "b")
    )
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"autoencoders": ()}, "at least one autoencoder"),
        ({"weights": (0.5, 0.5)}, "expected 1, one per autoencoder"),
        ({"autoencoders": ("dense", "image"), "weights": (0.9, 0.9)}, "their sum at most 1"),
        ({"weights": (0.5,), "training": TrainingSettings(snapshots=2)}, "expected 2, one per"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Plan(**plan)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("conv", (8, 8, 1), "no autoencoder 'conv': expected auto, image"),
        ("cifar10", (8, 8, 1), r"'cifar10' is not for rows of shape \(8, 8, 1\)"),
        ("image", (5,), r"'image' is not for rows of shape \(5,\)"),
    ],
)
def test_an_autoencoder_that_does_not_fit_is_refused(
    name: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        make_autoencoder(name, np.zeros((3, *shape), np.float32))


def test_the_last_autoencoder_is_looked_at_before_the_first_is_trained(
    classifier: keras.Model, tmp_path: Path
) -> None:
    plan = Plan(autoencoders=("dense", "missing.keras"), training=float32(epochs=1))
    with pytest.raises(ModelError, match=r"missing\.keras not found"):
        train_members(classifier, make_inputs(128, seed=5), plan, tmp_path / "runs", verbose=0)
    assert not (tmp_path / "runs").exists()


def test_a_dense_autoencoder_of_images_stays_within_their_range() -> None:
    x = make_inputs(20, seed=5) * 2 - 1
    model = make_autoencoder("dense", x, value_range=(-1.0, 1.0))
    found = np.asarray(model(x))
    assert found.shape == x.shape
    assert -1 <= found.min() < 0 < found.max() <= 1


def test_the_temperature_that_corrects_best_is_chosen(
    classifier: keras.Model, tmp_path: Path
) -> None:
    x = make_inputs(400, seed=5)
    plan = Plan(autoencoders=("dense",), choose_temperature=True, training=float32(epochs=1))
    found = train_members(classifier, x, plan, tmp_path / "runs", verbose=0)
    corrected = found.summary["corrected_by_temperature"]
    assert set(corrected) == {"0.2", "0.5", "1"}
    assert corrected[f"{found.temperature:g}"] == max(corrected.values())


def test_equal_temperatures_leave_the_target_as_it_is(classifier: keras.Model) -> None:
    """An autoencoder that learns nothing corrects alike at every temperature."""
    x = make_inputs(64, seed=5)
    temperature, corrected = choose_temperature(
        classifier,
        lambda: make_autoencoder("dense", x),
        x,
        x,
        float32(learning_rate=NO_STEP),
        epochs=1,
        verbose=0,
    )
    assert len(set(corrected.values())) == 1
    assert temperature == 1.0
