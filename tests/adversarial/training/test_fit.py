import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.losses import kl_divergence
from adversarial.models.autoencoders import (
    dense_autoencoder,
    image_autoencoder,
    image_standardization,
    make_autoencoder,
)
from adversarial.training import fit as training_module
from adversarial.training.augmentation import Augmentation
from adversarial.training.checkpoints import CheckpointError, Checkpoints, TrainingError
from adversarial.training.fit import Training, fit_autoencoder
from adversarial.training.mixed_precision import mixed_copy
from adversarial.training.objective import HiddenLayer, Objective
from tests.support.animals import make_images


@pytest.fixture
def classifier(classifier_file: Path) -> keras.Model:
    return keras.saving.load_model(classifier_file)


def rows(n: int = 256) -> np.ndarray:
    return np.asarray(make_images(n, seed=5)[0][..., None] / np.float32(255))


def small_autoencoder(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
            layers.Reshape((8, 8, 1)),
        ]
    )


def restless_autoencoder(seed: int = 0) -> keras.Model:
    """An autoencoder with a random state, moving averages and a penalty of its own."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu", kernel_regularizer="l1"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="sigmoid"),
            layers.Reshape((8, 8, 1)),
        ]
    )


def mean_kl(classifier: keras.Model, autoencoder: keras.Model, x: np.ndarray) -> float:
    p = classifier(x, training=False)
    q = classifier(autoencoder(x, training=False), training=False)
    return float(np.mean(kl_divergence(p, q)))


def test_training_brings_the_predictions_on_reconstructions_closer(
    classifier: keras.Model,
) -> None:
    x = rows()
    keras.utils.set_random_seed(0)
    autoencoder = make_autoencoder("auto", x)
    before = mean_kl(classifier, autoencoder, x)
    history = fit_autoencoder(classifier, autoencoder, x, epochs=6, verbose=0).history
    assert mean_kl(classifier, autoencoder, x) < 0.7 * before
    assert len(history["loss"]) == len(history["val_loss"]) == 6


def test_the_reported_loss_is_the_mean_divergence(classifier: keras.Model) -> None:
    x = rows(100)
    autoencoder = small_autoencoder()
    history = fit_autoencoder(
        classifier, autoencoder, x, epochs=1, learning_rate=0.0, validation_split=0.2, verbose=0
    ).history
    order = np.random.default_rng(0).permutation(100)
    expected = mean_kl(classifier, autoencoder, x[order[:20]])
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_classifier_with_batch_norm_and_dropout_keeps_every_weight_and_flag(
    precision: Literal["float32", "bfloat16"],
) -> None:
    layers = keras.layers
    classifier = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(8, name="hidden"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    classifier.layers[0].trainable = False
    classifier.compile("adam", "sparse_categorical_crossentropy")
    x, y = rows(64), make_images(64, seed=5)[1]
    classifier.fit(x, y, verbose=0)
    before = [(v.path, v.trainable, v.numpy()) for v in classifier.variables]
    flags = [layer.trainable for layer in classifier.layers]

    fit_autoencoder(
        classifier,
        small_autoencoder(),
        x,
        objective=Objective(hidden=[HiddenLayer("hidden", 4)]),
        epochs=2,
        precision=precision,
        verbose=0,
    )
    for (path, trainable, value), variable in zip(before, classifier.variables, strict=True):
        assert (path, trainable) == (variable.path, variable.trainable)
        np.testing.assert_array_equal(value, variable.numpy())
    assert flags == [layer.trainable for layer in classifier.layers]
    assert classifier.trainable
    assert classifier.optimizer is not None


def test_the_autoencoders_own_batch_norm_and_dropout_train(classifier: keras.Model) -> None:
    x = rows(64)
    autoencoder = restless_autoencoder()
    moving = [v.numpy() for v in autoencoder.non_trainable_variables]
    fit_autoencoder(classifier, autoencoder, x, epochs=1, verbose=0)
    after = [v.numpy() for v in autoencoder.non_trainable_variables]
    assert any(not np.array_equal(a, b) for a, b in zip(moving, after, strict=True))


def test_a_penalty_of_the_autoencoder_is_part_of_the_loss(classifier: keras.Model) -> None:
    x = rows(64)
    autoencoder = restless_autoencoder()
    training = fit_autoencoder(
        classifier, autoencoder, x, epochs=1, learning_rate=0.0, validation_split=0.5, verbose=0
    )
    held_out = x[np.random.default_rng(0).permutation(64)[:32]]
    penalty = float(autoencoder.losses[0])
    assert penalty > 0.1
    expected = mean_kl(classifier, autoencoder, held_out) + penalty
    assert training.history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_the_terms_of_an_objective_add_up_by_their_weights(classifier: keras.Model) -> None:
    x = rows(64)
    training = fit_autoencoder(
        classifier,
        small_autoencoder(),
        x,
        objective=Objective(
            kl=2.0, mse=3.0, hidden=[HiddenLayer("hidden", 4, 0.5)], projection="fixed"
        ),
        epochs=2,
        verbose=0,
    )
    history = training.history
    for split in ("", "val_"):
        kl, mse, hidden, loss = (
            np.array(history[f"{split}{name}"]) for name in ("kl", "mse", "hidden", "loss")
        )
        np.testing.assert_allclose(2 * kl + 3 * mse + 0.5 * hidden, loss, rtol=1e-4)
        assert (hidden > 0).all()


def test_the_baseline_learns_to_reconstruct(classifier: keras.Model) -> None:
    x = rows(256)

    def error(objective: Objective) -> float:
        autoencoder = small_autoencoder()
        fit_autoencoder(classifier, autoencoder, x, objective=objective, epochs=20, verbose=0)
        return float(np.mean((np.asarray(autoencoder(x)) - x) ** 2))

    assert error(Objective(kl=0, mse=1)) < 0.7 * error(Objective())


@pytest.mark.parametrize("standardizes", [False, True])
def test_an_autoencoder_that_standardises_is_compared_with_standardised_images(
    classifier: keras.Model, standardizes: bool
) -> None:
    x = rows(64)
    autoencoder = small_autoencoder()
    if standardizes:
        autoencoder = keras.Sequential(
            [keras.Input((8, 8, 1)), image_standardization(), *autoencoder.layers]
        )
    training = fit_autoencoder(
        classifier,
        autoencoder,
        x,
        objective=Objective(kl=0, mse=1),
        epochs=1,
        learning_rate=0.0,
        validation_split=0.5,
        verbose=0,
    )
    target = held_out = x[np.random.default_rng(0).permutation(64)[:32]]
    if standardizes:
        mean = held_out.mean(axis=(1, 2, 3), keepdims=True)
        target = (held_out - mean) / held_out.std(axis=(1, 2, 3), keepdims=True)
    expected = np.mean((np.asarray(autoencoder(held_out)) - target) ** 2)
    assert training.history["val_loss"][0] == pytest.approx(expected, rel=1e-3)


def test_a_hidden_target_is_the_softmax_of_the_projected_features(classifier: keras.Model) -> None:
    """An autoencoder that changes nothing has no divergence in any hidden layer."""
    x = rows(32)
    identity = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Dense(1, use_bias=False)])
    identity.layers[0].kernel.assign([[1.0]])
    for projection in ("fixed", "trained"):
        objective = Objective(hidden=[HiddenLayer("hidden", 5)], projection=projection)
        history = fit_autoencoder(
            classifier, identity, x, objective=objective, epochs=1, learning_rate=0.0, verbose=0
        ).history
        assert history["hidden"][0] == pytest.approx(0, abs=1e-5)


def test_a_trained_projection_moves_and_a_fixed_one_does_not(classifier: keras.Model) -> None:
    x = rows(128)

    def hidden_loss(projection: str) -> list[float]:
        objective = Objective(kl=0, hidden=[HiddenLayer("hidden", 5)], projection=projection)  # type: ignore[arg-type]
        frozen = small_autoencoder()
        frozen.trainable = False
        return fit_autoencoder(
            classifier, frozen, x, objective=objective, epochs=3, verbose=0
        ).history["val_loss"]

    fixed, trained = hidden_loss("fixed"), hidden_loss("trained")
    assert fixed == pytest.approx([fixed[0]] * 3, rel=1e-5)
    assert trained[2] < trained[0]  # it goes where x and AE(x) look alike: the collapse


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"kl": 0.0}, "one above 0"),
        ({"kl": -1.0, "mse": 1.0}, "none below"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_an_objective_without_a_sense_is_refused(objective: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Objective(**objective)  # type: ignore[arg-type]


def test_a_hidden_layer_that_is_not_there_is_named(classifier: keras.Model) -> None:
    x = rows(16)
    with pytest.raises(ModelError, match=r"no layer 'conv9'.*hidden"):
        fit_autoencoder(
            classifier,
            small_autoencoder(),
            x,
            objective=Objective(hidden=[HiddenLayer("conv9")]),
            verbose=0,
        )


class KilledError(Exception):
    pass


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_target_of_a_mirrored_image_is_its_own(
    precision: Literal["float32", "bfloat16"],
) -> None:
    x = np.zeros((64, 4, 4, 1), np.float32)
    x[:, :, :2] = 1
    layers = keras.layers
    left_or_right = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2, "softmax", use_bias=False)]
    )
    kernel = np.tile([1, 1, -1, -1], 4)[:, None] * np.array([1, -1])
    left_or_right.set_weights([kernel.astype(np.float32)])
    unchanged = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(1, 1, kernel_initializer="ones")]
    )
    training = fit_autoencoder(
        left_or_right,
        unchanged,
        x,
        augmentation=Augmentation(flip=True),
        learning_rate=1e-9,
        epochs=2,
        precision=precision,
        verbose=0,
    )
    assert max(training.history["loss"]) < 1e-3


def kill_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the next training run in the middle of an epoch, with nothing tidied up."""
    from adversarial.training import checkpoints

    batches = checkpoints._batches

    def until_killed(x: Any, y: Any, batch_size: int, *rest: Any) -> Iterator[Any]:
        steps = math.ceil(len(x) / batch_size)
        for step, batch in enumerate(batches(x, y, batch_size, *rest)):
            if step > epochs * steps:
                raise KilledError
            yield batch

    monkeypatch.setattr(checkpoints, "_batches", until_killed)


@pytest.mark.parametrize("augmentation", [None, Augmentation(1, flip=True)])
def test_a_killed_run_resumes_and_ends_with_the_weights_of_an_unkilled_one(
    classifier: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    augmentation: Augmentation | None,
) -> None:
    x = rows(300)

    def train(directory: Path, resume: bool = False) -> tuple[list[np.ndarray], Training]:
        autoencoder = restless_autoencoder()
        training = fit_autoencoder(
            classifier,
            autoencoder,
            x,
            objective=Objective(hidden=[HiddenLayer("hidden", 4)], projection="trained"),
            augmentation=augmentation,
            epochs=4,
            batch_size=32,
            precision="float32",
            snapshots=2,
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
    x = rows(64)
    autoencoder = restless_autoencoder()
    options: dict[str, Any] = {"validation_split": 0, "checkpoint_dir": tmp_path, "verbose": 0}
    first = fit_autoencoder(classifier, autoencoder, x, epochs=1, **options).snapshots[0]
    again = restless_autoencoder()
    both = fit_autoencoder(classifier, again, x, epochs=2, snapshots=2, **options).snapshots
    np.testing.assert_array_equal(both[1][0], first[0])
    np.testing.assert_array_equal(both[0][0], again.get_weights()[0])
    assert not np.array_equal(both[0][0], both[1][0])


def test_a_cosine_schedule_ends_at_no_learning_rate_and_belongs_to_the_run(
    classifier: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002
            rates.append(float(self.model.optimizer.learning_rate))

    fit = keras.Model.fit

    def watched(self: keras.Model, *args: Any, callbacks: list[Any], **rest: Any) -> Any:
        return fit(self, *args, callbacks=[*callbacks, Watch()], **rest)

    monkeypatch.setattr(keras.Model, "fit", watched)
    options: dict[str, Any] = {"learning_rate": 0.01, "batch_size": 64, "verbose": 0}
    options |= {"checkpoint_dir": tmp_path, "validation_split": 0}
    autoencoder = small_autoencoder()
    fit_autoencoder(classifier, autoencoder, rows(), epochs=3, schedule="cosine", **options)
    assert len(rates) == 12
    assert rates == sorted(rates, reverse=True)
    assert rates[5] == pytest.approx(0.005, rel=1e-3)
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    with pytest.raises(CheckpointError, match="cosine over 3 epochs"):
        fit_autoencoder(
            classifier,
            small_autoencoder(),
            rows(),
            epochs=4,
            schedule="cosine",
            resume=True,
            **options,
        )


def test_early_stopping_keeps_the_best_epoch(classifier: keras.Model, tmp_path: Path) -> None:
    x = rows(128)
    autoencoder = restless_autoencoder()
    training = fit_autoencoder(
        classifier,
        autoencoder,
        x,
        epochs=50,
        learning_rate=0.5,  # far too much: it gets worse soon
        patience=2,
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
    x = rows(64)
    options: dict[str, Any] = {"checkpoint_dir": tmp_path, "epochs": 1, "verbose": 0}
    fit_autoencoder(classifier, restless_autoencoder(), x, **options)
    with pytest.raises(CheckpointError, match=r"batch_size 128, now 32"):
        fit_autoencoder(
            classifier, restless_autoencoder(), x, batch_size=32, resume=True, **options
        )
    with pytest.raises(CheckpointError, match=r"augmentation None, now .*'flip': True"):
        fit_autoencoder(
            classifier,
            restless_autoencoder(),
            x,
            augmentation=Augmentation(flip=True),
            resume=True,
            **options,
        )
    with pytest.raises(CheckpointError, match="rows and classifier"):
        fit_autoencoder(classifier, restless_autoencoder(), x[:50], resume=True, **options)
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"state\.json cannot be read"):
        fit_autoencoder(classifier, restless_autoencoder(), x, resume=True, **options)


def test_a_run_that_is_not_resumed_starts_anew_over_old_checkpoints(
    classifier: keras.Model, tmp_path: Path
) -> None:
    x = rows(64)
    for _ in range(2):
        training = fit_autoencoder(
            classifier, restless_autoencoder(), x, epochs=2, checkpoint_dir=tmp_path, verbose=0
        )
        assert len(training.history["loss"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-0002.weights.h5",
        "state.json",
    ]


def test_mixed_precision_trains_and_leaves_a_float32_autoencoder(classifier: keras.Model) -> None:
    x = rows(256)
    autoencoder = small_autoencoder()
    before = mean_kl(classifier, autoencoder, x)
    training = fit_autoencoder(
        classifier, autoencoder, x, epochs=15, precision="bfloat16", verbose=0
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
    from adversarial.training import fit as module

    monkeypatch.setattr(module, "bfloat16_is_fast", lambda: fast)
    if disagreement:
        monkeypatch.setattr(module, "find_disagreement", lambda *_: disagreement)
    x = rows(256)

    def train() -> tuple[Training, list[np.ndarray]]:
        autoencoder = restless_autoencoder()
        training = fit_autoencoder(classifier, autoencoder, x, epochs=1, verbose=0)
        return training, autoencoder.get_weights()

    if disagreement:
        with pytest.warns(UserWarning, match="again in float32: the threshold is off"):
            training, weights = train()
        monkeypatch.setattr(module, "bfloat16_is_fast", lambda: False)
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
    options: dict[str, Any] = {"epochs": 4, "checkpoint_dir": tmp_path, "verbose": 0}

    def make() -> keras.Model:
        keras.utils.set_random_seed(1)
        return make_autoencoder("dense", x)

    whole = make()
    with pytest.warns(UserWarning, match="training again in float32"):
        fit_autoencoder(classifier, whole, x, **options | {"checkpoint_dir": tmp_path / "whole"})

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
            fit_autoencoder(classifier, make(), x, **options)
    assert precisions == ["bfloat16"] * 4 + ["float32"] * 2
    resumed = make()
    found = fit_autoencoder(classifier, resumed, x, resume=True, **options)
    assert found.precision == "float32"
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_diverges_is_an_error(classifier: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss.* of epoch 1 is not finite.*learning rate"):
        fit_autoencoder(
            classifier,
            small_autoencoder(),
            rows(),
            objective=Objective(mse=1e38, temperature=1.0),
            learning_rate=1e30,
            epochs=2,
            precision="float32",
            checkpoint_dir=tmp_path,
            verbose=0,
        )
    assert not list(tmp_path.glob("epoch-*"))


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
    options: dict[str, Any] = {"checkpoint_dir": tmp_path, "precision": "float32", "verbose": 0}
    fit_autoencoder(classifier, small_autoencoder(), rows(), epochs=3, **options)
    with pytest.raises(CheckpointError, match=message):
        fit_autoencoder(classifier, small_autoencoder(), rows(), resume=True, **options | changed)


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
            rows(),
            epochs=1,
            resume=True,
            checkpoint_dir=tmp_path,
            verbose=0,
        )


def test_rows_that_cannot_be_trained_on_are_refused(classifier: keras.Model) -> None:
    x = rows(20)
    x[7, 2] = np.nan
    with pytest.raises(ModelError, match="row 7 has a value that is not finite"):
        fit_autoencoder(classifier, small_autoencoder(), x, epochs=1, verbose=0)
    with pytest.raises(ModelError, match="no rows"):
        fit_autoencoder(classifier, small_autoencoder(), x[:0], epochs=1, verbose=0)
    layers = keras.layers
    of_columns, same = (
        keras.Sequential([keras.Input((3,)), layers.Dense(3, activation)])
        for activation in ("softmax", None)
    )
    large = np.ones((4, 3), np.float32)
    with pytest.raises(ModelError, match=r"rows of shape \(3,\) cannot be moved and mirrored"):
        fit_autoencoder(of_columns, same, large, augmentation=Augmentation(flip=True), verbose=0)
    large[0, 1] = 1e38
    with pytest.raises(ModelError, match=r"feature 1 .*1e\+38"):
        make_autoencoder("dense", large)


def test_the_same_seed_trains_the_same_autoencoder(classifier: keras.Model) -> None:
    x = rows(128)

    def train(seed: int) -> np.ndarray:
        autoencoder = small_autoencoder(seed)
        fit_autoencoder(classifier, autoencoder, x, epochs=1, seed=seed, verbose=0)
        return np.asarray(autoencoder(x[:8]))

    first = train(1)
    np.testing.assert_array_equal(first, train(1))
    assert not np.allclose(first, train(2))


def test_the_target_is_predicted_once_per_row_not_once_per_epoch(
    classifier: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = []
    predict = keras.Model.predict_on_batch

    def counting(self: keras.Model, x: np.ndarray) -> object:
        predicted.append(len(x))
        return predict(self, x)

    monkeypatch.setattr(keras.Model, "predict_on_batch", counting)
    x = rows(64)
    fit_autoencoder(classifier, small_autoencoder(), x, epochs=3, verbose=0)
    assert predicted == [61, 3]  # those trained on, and those held out


def test_temperature_changes_what_is_learned(classifier: keras.Model) -> None:
    x = rows(128)

    def loss(temperature: float) -> float:
        history = fit_autoencoder(
            classifier,
            small_autoencoder(),
            x,
            objective=Objective(temperature=temperature),
            epochs=1,
            verbose=0,
        ).history
        return history["loss"][0]

    assert loss(1.0) != pytest.approx(loss(4.0), rel=1e-3)


@pytest.mark.parametrize("objective", [Objective(), Objective(kl=0, mse=1)], ids=["kl", "mse"])
def test_a_classifier_that_gives_logits_is_refused(objective: Objective) -> None:
    x = rows(16)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(ModelError, match="softmax"):
        fit_autoencoder(model, small_autoencoder(), x, objective=objective, epochs=1, verbose=0)


def test_rows_of_another_shape_than_the_autoencoders_are_refused(classifier: keras.Model) -> None:
    with pytest.raises(ModelError, match=r"\(4, 4, 1\).*\(8, 8, 1\)"):
        fit_autoencoder(classifier, image_autoencoder((4, 4, 1)), rows(16), verbose=0)


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1), (9, 13, 3), (32, 32, 3)])
def test_an_image_autoencoder_keeps_shape_and_range(shape: tuple[int, ...]) -> None:
    model = image_autoencoder(shape, latent_dim=4, value_range=(-1.0, 1.0))
    x = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
    y = np.asarray(model(x))
    assert y.shape == x.shape
    assert y.min() >= -1
    assert y.max() <= 1
    assert model.get_layer("latent").units == 4


def test_the_fashion_mnist_autoencoder_is_the_papers() -> None:
    model = image_autoencoder((28, 28, 1))
    convolutions = [
        (layer.filters, layer.kernel_size, layer.strides)
        for layer in model.layers
        if hasattr(layer, "filters")
    ]
    assert convolutions == [
        (64, (4, 4), (2, 2)),
        (128, (4, 4), (2, 2)),
        (512, (4, 4), (2, 2)),
        (64, (3, 3), (2, 2)),
        (32, (3, 3), (2, 2)),
        (1, (3, 3), (1, 1)),
    ]
    dense = [layer.units for layer in model.layers if hasattr(layer, "units")]
    assert dense == [10, 1568]


def test_a_dense_autoencoder_scales_features_by_the_training_rows() -> None:
    x = np.random.default_rng(0).normal([0, 1e4], [1, 1e3], (500, 2)).astype(np.float32)
    model = dense_autoencoder(x, latent_dim=2)
    scaled = np.asarray(model.layers[0](x))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-3)
    assert model(x[:3]).shape == (3, 2)


def test_a_dense_autoencoder_does_not_magnify_a_feature_that_was_constant() -> None:
    x = np.random.default_rng(0).normal([0, 0.1], [1, 0], (500, 2)).astype(np.float32)
    model = dense_autoencoder(x, latent_dim=2)
    changed = x[:5] + np.array([0, 0.5], np.float32)
    scaled = np.asarray(model.layers[0](np.concatenate([x[:5], changed])))
    np.testing.assert_allclose(scaled[:, 1], [0] * 5 + [0.5] * 5, atol=1e-6)
    np.testing.assert_allclose(model(changed), model(x[:5]), atol=5)


ON_JAX = """
import keras
import numpy as np

from adversarial.models.autoencoders import make_autoencoder
from adversarial.training.objective import HiddenLayer, Objective
from adversarial.training.fit import fit_autoencoder

assert keras.backend.backend() == "jax"
x = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
layers = keras.layers
classifier = keras.Sequential(
    [
        keras.Input((8,)),
        layers.Dense(16, activation="relu", name="hidden"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(2, activation="softmax"),
    ]
)
before = classifier.get_weights()
objective = Objective(
    mse=0.1, temperature=0.5, hidden=[HiddenLayer("hidden")], projection="trained"
)
training = fit_autoencoder(
    classifier, make_autoencoder("dense", x), x, objective=objective, epochs=4, verbose=0
)
for old, new in zip(before, classifier.get_weights(), strict=True):
    np.testing.assert_array_equal(old, new)
assert training.history["kl"][-1] < 0.8 * training.history["kl"][0], training.history
"""


def test_the_same_code_trains_on_jax() -> None:
    found = subprocess.run(
        [sys.executable, "-c", ON_JAX],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


def test_no_make_autoencoder_for_sequences() -> None:
    with pytest.raises(ModelError, match=r"\(5, 4\)"):
        make_autoencoder("auto", np.zeros((2, 5, 4), np.float32))
