from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial.training.augmentation import Augmentation
from adversarial.training.checkpoints import Batches, CheckpointError
from adversarial.training.fit import Training, fit_autoencoder
from adversarial.training.objective import HiddenLayer, Objective
from tests.support.animals import make_inputs
from tests.support.models.autoencoders import (
    float32,
    mean_kl,
    restless_autoencoder,
    small_autoencoder,
    watch_learning_rate,
)


class KilledError(Exception):
    pass


def kill_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the next training run in the middle of an epoch, with nothing tidied up."""
    from_epoch = Batches.from_epoch

    def until_killed(self: Batches, first: int) -> Iterator[Any]:
        for step, batch in enumerate(from_epoch(self, first)):
            if step > epochs * self.steps:
                raise KilledError
            yield batch

    monkeypatch.setattr(Batches, "from_epoch", until_killed)


@pytest.mark.parametrize("augmentation", [None, Augmentation(1, flip=True)])
def test_a_killed_run_resumes_and_ends_with_the_weights_of_an_unkilled_one(
    classifier: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    augmentation: Augmentation | None,
) -> None:
    x = make_inputs(300, seed=5)

    def train(directory: Path, resume: bool = False) -> tuple[list[np.ndarray], Training]:
        autoencoder = restless_autoencoder()
        training = fit_autoencoder(
            classifier,
            autoencoder,
            x,
            float32(
                objective=Objective(hidden=[HiddenLayer("hidden", 4)], projection="trained"),
                augmentation=augmentation,
                epochs=4,
                batch_size=32,
                snapshots=2,
            ),
            checkpoint_dir=directory,
            resume=resume,
            verbose=0,
        )
        return autoencoder.get_weights(), training

    whole, whole_training = train(tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_after(2, patch)
        with pytest.raises(Exception, match="KilledError"):
            train(tmp_path / "killed")
    resumed, training = train(tmp_path / "killed", resume=True)
    for a, b in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(a, b)
    assert training.history["loss"] == whole_training.history["loss"]
    assert len(training.snapshots) == 2
    for a, b in zip(whole_training.snapshots[1], training.snapshots[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_snapshots_are_the_last_epochs_newest_first(
    classifier: keras.Model, tmp_path: Path
) -> None:
    x = make_inputs(64, seed=5)
    autoencoder = restless_autoencoder()
    one, two = (float32(validation_split=0, epochs=n, snapshots=n) for n in (1, 2))
    options: dict[str, Any] = {"checkpoint_dir": tmp_path, "verbose": 0}
    first = fit_autoencoder(classifier, autoencoder, x, one, **options).snapshots[0]
    again = restless_autoencoder()
    both = fit_autoencoder(classifier, again, x, two, **options).snapshots
    np.testing.assert_array_equal(both[1][0], first[0])
    np.testing.assert_array_equal(both[0][0], again.get_weights()[0])
    assert not np.array_equal(both[0][0], both[1][0])


def test_a_cosine_schedule_ends_at_no_learning_rate_and_belongs_to_the_run(
    classifier: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = watch_learning_rate(monkeypatch)
    x = make_inputs(256, seed=5)
    settings = float32(
        epochs=3, schedule="cosine", learning_rate=0.01, batch_size=64, validation_split=0
    )
    options: dict[str, Any] = {"checkpoint_dir": tmp_path, "verbose": 0}
    fit_autoencoder(classifier, small_autoencoder(), x, settings, **options)
    assert len(rates) == 12
    assert rates == sorted(rates, reverse=True)
    assert rates[5] == pytest.approx(0.005, rel=1e-3)
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    with pytest.raises(CheckpointError, match="cosine over 3 epochs"):
        fit_autoencoder(
            classifier, small_autoencoder(), x, replace(settings, epochs=4), resume=True, **options
        )


def test_early_stopping_keeps_the_best_epoch(classifier: keras.Model, tmp_path: Path) -> None:
    x = make_inputs(128, seed=5)
    autoencoder = restless_autoencoder()
    training = fit_autoencoder(
        classifier,
        autoencoder,
        x,
        float32(epochs=50, learning_rate=0.5, patience=2),  # far too much: it soon gets worse
        checkpoint_dir=tmp_path,
        verbose=0,
    )
    losses = training.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 50
    held_out = x[np.random.default_rng(0).permutation(128)[:6]]
    found = mean_kl(classifier, autoencoder, held_out) + float(autoencoder.losses[0])
    assert found == pytest.approx(losses[best], rel=1e-3)


def test_a_checkpoint_of_other_settings_is_not_resumed(
    classifier: keras.Model, tmp_path: Path
) -> None:
    x = make_inputs(64, seed=5)
    options: dict[str, Any] = {"checkpoint_dir": tmp_path, "verbose": 0}
    settings = float32(epochs=1)
    fit_autoencoder(classifier, restless_autoencoder(), x, settings, **options)

    def resume(x: np.ndarray, **changed: Any) -> None:
        changed_settings = replace(settings, **changed)
        fit_autoencoder(
            classifier, restless_autoencoder(), x, changed_settings, resume=True, **options
        )

    with pytest.raises(CheckpointError, match=r"batch_size 128, now 32"):
        resume(x, batch_size=32)
    with pytest.raises(CheckpointError, match=r"augmentation None, now .*'flip': True"):
        resume(x, augmentation=Augmentation(flip=True))
    with pytest.raises(CheckpointError, match="rows and classifier"):
        resume(x[:50])
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"state\.json cannot be read"):
        resume(x)


def test_a_run_that_is_not_resumed_starts_anew_over_old_checkpoints(
    classifier: keras.Model, tmp_path: Path
) -> None:
    x = make_inputs(64, seed=5)
    for _ in range(2):
        training = fit_autoencoder(
            classifier,
            restless_autoencoder(),
            x,
            float32(epochs=2),
            checkpoint_dir=tmp_path,
            verbose=0,
        )
        assert len(training.history["loss"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-0002.weights.h5",
        "state.json",
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"snapshots": 3, "epochs": 4}, "snapshots 1, now 3"),
        ({"patience": 2, "epochs": 4}, "best by None, now 'val_loss'"),
        ({"epochs": 2}, "has 3 epochs behind it, more than the 2 asked for"),
    ],
)
def test_what_checkpoints_cannot_give_any_more_is_refused(
    changed: dict[str, Any], message: str, classifier: keras.Model, tmp_path: Path
) -> None:
    x, settings = make_inputs(256, seed=5), float32(epochs=3)
    options: dict[str, Any] = {"checkpoint_dir": tmp_path, "verbose": 0}
    fit_autoencoder(classifier, small_autoencoder(), x, settings, **options)
    other = replace(settings, **changed)
    with pytest.raises(CheckpointError, match=message):
        fit_autoencoder(classifier, small_autoencoder(), x, other, resume=True, **options)


@pytest.mark.parametrize(
    "text", ['{"settings": [], "history": {}}', '{"settings": {}, "history": {"loss": 5}}', "[]"]
)
def test_a_state_of_another_form_is_named(
    text: str, classifier: keras.Model, tmp_path: Path
) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"state.json|other settings"):
        fit_autoencoder(
            classifier,
            small_autoencoder(),
            make_inputs(256, seed=5),
            float32(epochs=1),
            resume=True,
            checkpoint_dir=tmp_path,
            verbose=0,
        )
