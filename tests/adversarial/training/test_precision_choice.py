"""Which precision a training takes: that of the settings, or by what the hardware is fast in."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial.models.autoencoders import make_autoencoder
from adversarial.training import fit as training_module
from adversarial.training.checkpoints import Checkpoints
from adversarial.training.fit import Training, fit_autoencoder
from adversarial.training.mixed_precision import mixed_copy
from adversarial.training.settings import TrainingSettings
from tests.support.animals import make_inputs
from tests.support.models.autoencoders import mean_kl, restless_autoencoder, small_autoencoder


def test_mixed_precision_trains_and_leaves_a_float32_autoencoder(classifier: keras.Model) -> None:
    x = make_inputs(256, seed=5)
    autoencoder = small_autoencoder()
    before = mean_kl(classifier, autoencoder, x)
    training = fit_autoencoder(
        classifier, autoencoder, x, TrainingSettings(epochs=15, precision="bfloat16"), verbose=0
    )
    assert training.precision == "bfloat16"
    assert mean_kl(classifier, autoencoder, x) < 0.7 * before
    assert {v.dtype for v in autoencoder.variables} == {"float32"}
    assert {layer.compute_dtype for layer in autoencoder.layers} == {"float32"}


@pytest.mark.parametrize(
    ("fast", "disagreement", "precision"),
    [
        (False, None, "float32"),
        (True, None, "bfloat16"),
        (True, "the threshold is off", "float32"),
    ],
)
def test_bfloat16_is_taken_where_it_is_fast_and_does_no_harm(
    classifier: keras.Model,
    monkeypatch: pytest.MonkeyPatch,
    fast: bool,
    disagreement: str | None,
    precision: str,
) -> None:
    monkeypatch.setattr(training_module, "bfloat16_is_fast", lambda: fast)
    if disagreement:
        monkeypatch.setattr(training_module, "find_disagreement", lambda *_: disagreement)
    x = make_inputs(256, seed=5)

    def train() -> tuple[Training, list[np.ndarray]]:
        autoencoder = restless_autoencoder()
        settings = TrainingSettings(epochs=1)
        training = fit_autoencoder(classifier, autoencoder, x, settings, verbose=0)
        return training, autoencoder.get_weights()

    if disagreement:
        with pytest.warns(UserWarning, match="again in float32: the threshold is off"):
            training, weights = train()
        monkeypatch.setattr(training_module, "bfloat16_is_fast", lambda: False)
        for a, b in zip(weights, train()[1], strict=True):
            np.testing.assert_array_equal(a, b)
    else:
        training, _ = train()
    assert training.precision == precision


def with_features(n: int = 300) -> tuple[np.ndarray, keras.Model]:
    """Rows of large features, and a classifier that scales them by an adapted layer."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(500, 100, (n, 6)).astype(np.float32)
    scaling = keras.layers.Normalization()
    scaling.adapt(x)
    layers = [keras.Input((6,)), scaling, keras.layers.Dense(8, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])
    return x, model


def test_a_mixed_copy_scales_as_the_model_does() -> None:
    x, model = with_features()
    nested = keras.Sequential([keras.Input((6,)), model, keras.layers.Dense(2)])
    for found in (model, nested):
        mixed = mixed_copy(found)
        expected = found.predict(x, verbose=0)
        assert np.ptp(expected) > 0.3
        np.testing.assert_allclose(mixed.predict(x, verbose=0), expected, atol=0.05)


def test_a_killed_repetition_in_float32_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16 was tried and found wanting; the same command goes on with float32."""
    x, classifier = with_features()
    monkeypatch.setattr(training_module, "bfloat16_is_fast", lambda: True)
    monkeypatch.setattr(training_module, "find_disagreement", lambda *_: "far apart")
    settings, killed_run = TrainingSettings(epochs=4), tmp_path / "killed"

    def make() -> keras.Model:
        keras.utils.set_random_seed(1)
        return make_autoencoder("dense", x)

    whole = make()
    with pytest.warns(UserWarning, match="training again in float32"):
        fit_autoencoder(
            classifier, whole, x, settings, checkpoint_dir=tmp_path / "whole", verbose=0
        )

    save, precisions = Checkpoints.save, []

    def killed(self: Checkpoints, *arguments: Any) -> None:
        save(self, *arguments)
        precisions.append(self.settings["precision"])
        if precisions.count("float32") == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", killed)
        with (
            pytest.warns(UserWarning, match="training again in float32"),
            pytest.raises(KeyboardInterrupt),
        ):
            fit_autoencoder(classifier, make(), x, settings, checkpoint_dir=killed_run, verbose=0)
    assert precisions == ["bfloat16"] * 4 + ["float32"] * 2
    resumed = make()
    found = fit_autoencoder(
        classifier, resumed, x, settings, checkpoint_dir=killed_run, resume=True, verbose=0
    )
    assert found.precision == "float32"
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
