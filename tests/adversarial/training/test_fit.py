from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.models.autoencoders import image_autoencoder, make_autoencoder
from adversarial.training.augmentation import Augmentation
from adversarial.training.checkpoints import TrainingError
from adversarial.training.fit import check_moved, fit_autoencoder
from adversarial.training.objective import HiddenLayer, Objective
from adversarial.training.settings import TrainingSettings
from tests.support.animals import make_images, make_inputs
from tests.support.models.autoencoders import (
    NO_STEP,
    float32,
    mean_kl,
    restless_autoencoder,
    small_autoencoder,
)


def test_training_brings_the_predictions_on_reconstructions_closer(
    classifier: keras.Model,
) -> None:
    x = make_inputs(256, seed=5)
    keras.utils.set_random_seed(0)
    autoencoder = make_autoencoder("auto", x)
    before = mean_kl(classifier, autoencoder, x)
    history = fit_autoencoder(classifier, autoencoder, x, float32(epochs=6), verbose=0).history
    assert mean_kl(classifier, autoencoder, x) < 0.7 * before
    assert len(history["loss"]) == len(history["val_loss"]) == 6


def test_the_reported_loss_is_the_mean_divergence(classifier: keras.Model) -> None:
    x = make_inputs(100, seed=5)
    autoencoder = small_autoencoder()
    history = fit_autoencoder(
        classifier,
        autoencoder,
        x,
        float32(epochs=1, learning_rate=NO_STEP, validation_split=0.2),
        verbose=0,
    ).history
    order = np.random.default_rng(0).permutation(100)
    expected = mean_kl(classifier, autoencoder, x[order[:20]])
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_a_constant_column_that_the_classifier_magnifies_does_not_stop_the_training() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal([0, 5, 0.1], [1, 2, 0], (400, 3)).astype(np.float32)
    keras.utils.set_random_seed(0)
    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    assert np.asarray(normalization(x + np.float32(0.01)))[:, 2].min() > 1e4
    layers = [normalization, keras.layers.Dense(16, "relu"), keras.layers.Dense(3, "softmax")]
    classifier = keras.Sequential([keras.Input((3,)), *layers])
    classifier.compile("adam", "sparse_categorical_crossentropy")
    classifier.fit(x, (x[:, 0] > 0) + (x[:, 1] > 5), epochs=20, verbose=0)
    autoencoder = make_autoencoder("auto", x)
    losses = fit_autoencoder(classifier, autoencoder, x, float32(epochs=4), verbose=0).history
    assert losses["loss"][-1] < 0.3 * losses["loss"][0]


def test_a_loss_that_does_not_move_is_an_error_with_its_cause() -> None:
    saturated = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1e6),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    x = make_inputs(200, seed=5)
    with pytest.raises(TrainingError, match=r"the loss stayed at .* in all 3 epochs, where"):
        fit_autoencoder(saturated, small_autoencoder(), x, float32(epochs=3), verbose=0)


def test_only_a_loss_that_has_neither_moved_nor_learned_is_refused() -> None:
    targets = {"probabilities": np.eye(2, dtype=np.float32)}
    for losses in ([0.5, 0.5], [14.0, 13.9], [14.0]):
        check_moved({"loss": losses}, targets)
    check_moved({"loss": [1e-5, 1e-5]}, {"probabilities": np.ones((4, 1), np.float32)})
    check_moved({"loss": [14.0, 14.0]}, {})
    with pytest.raises(TrainingError):
        check_moved({"loss": [14.0, 14.001]}, targets)


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
    x, y = make_inputs(64, seed=5), make_images(64, seed=5)[1]
    classifier.fit(x, y, verbose=0)
    before = [(v.path, v.trainable, v.numpy()) for v in classifier.variables]
    flags = [layer.trainable for layer in classifier.layers]

    fit_autoencoder(
        classifier,
        small_autoencoder(),
        x,
        TrainingSettings(
            objective=Objective(hidden=[HiddenLayer("hidden", 4)]), epochs=2, precision=precision
        ),
        verbose=0,
    )
    for (path, trainable, value), variable in zip(before, classifier.variables, strict=True):
        assert (path, trainable) == (variable.path, variable.trainable)
        np.testing.assert_array_equal(value, variable.numpy())
    assert flags == [layer.trainable for layer in classifier.layers]
    assert classifier.trainable
    assert classifier.optimizer is not None


def test_the_autoencoders_own_batch_norm_and_dropout_train(classifier: keras.Model) -> None:
    x = make_inputs(64, seed=5)
    autoencoder = restless_autoencoder()
    moving = [v.numpy() for v in autoencoder.non_trainable_variables]
    fit_autoencoder(classifier, autoencoder, x, float32(epochs=1), verbose=0)
    after = [v.numpy() for v in autoencoder.non_trainable_variables]
    assert any(not np.array_equal(a, b) for a, b in zip(moving, after, strict=True))


def test_a_penalty_of_the_autoencoder_is_part_of_the_loss(classifier: keras.Model) -> None:
    x = make_inputs(64, seed=5)
    autoencoder = restless_autoencoder()
    training = fit_autoencoder(
        classifier,
        autoencoder,
        x,
        float32(epochs=1, learning_rate=NO_STEP, validation_split=0.5),
        verbose=0,
    )
    held_out = x[np.random.default_rng(0).permutation(64)[:32]]
    penalty = float(autoencoder.losses[0])
    assert penalty > 0.1
    expected = mean_kl(classifier, autoencoder, held_out) + penalty
    assert training.history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


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
        TrainingSettings(
            augmentation=Augmentation(flip=True), learning_rate=1e-9, epochs=2, precision=precision
        ),
        verbose=0,
    )
    assert max(training.history["loss"]) < 1e-3


def test_a_training_that_diverges_is_an_error(classifier: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss.* of epoch 1 is not finite.*learning rate"):
        fit_autoencoder(
            classifier,
            small_autoencoder(),
            make_inputs(256, seed=5),
            float32(objective=Objective(mse=1e38, temperature=1.0), learning_rate=1e30, epochs=2),
            checkpoint_dir=tmp_path,
            verbose=0,
        )
    assert not list(tmp_path.glob("epoch-*"))


def test_rows_that_cannot_be_trained_on_are_refused(classifier: keras.Model) -> None:
    x = make_inputs(20, seed=5)
    x[7, 2] = np.nan
    with pytest.raises(ModelError, match="row 7 has a value that is not finite"):
        fit_autoencoder(classifier, small_autoencoder(), x, float32(epochs=1), verbose=0)
    with pytest.raises(ModelError, match="no rows"):
        fit_autoencoder(classifier, small_autoencoder(), x[:0], float32(epochs=1), verbose=0)
    layers = keras.layers
    of_columns, same = (
        keras.Sequential([keras.Input((3,)), layers.Dense(3, activation)])
        for activation in ("softmax", None)
    )
    large = np.ones((4, 3), np.float32)
    with pytest.raises(ModelError, match=r"rows of shape \(3,\) cannot be moved and mirrored"):
        fit_autoencoder(
            of_columns, same, large, float32(augmentation=Augmentation(flip=True)), verbose=0
        )
    large[0, 1] = 1e38
    with pytest.raises(ModelError, match=r"feature 1 .*1e\+38"):
        make_autoencoder("dense", large)


def test_the_same_seed_trains_the_same_autoencoder(classifier: keras.Model) -> None:
    x = make_inputs(128, seed=5)

    def train(seed: int) -> np.ndarray:
        autoencoder = small_autoencoder(seed)
        fit_autoencoder(classifier, autoencoder, x, float32(epochs=1, seed=seed), verbose=0)
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
    x = make_inputs(64, seed=5)
    fit_autoencoder(classifier, small_autoencoder(), x, float32(epochs=3), verbose=0)
    assert predicted == [61, 3]  # those trained on, and those held out


@pytest.mark.parametrize("objective", [Objective(), Objective(kl=0, mse=1)], ids=["kl", "mse"])
def test_a_classifier_that_gives_logits_is_refused(objective: Objective) -> None:
    x = make_inputs(16, seed=5)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(ModelError, match="softmax"):
        fit_autoencoder(
            model, small_autoencoder(), x, float32(objective=objective, epochs=1), verbose=0
        )


def test_rows_of_another_shape_than_the_autoencoders_are_refused(classifier: keras.Model) -> None:
    with pytest.raises(ModelError, match=r"\(4, 4, 1\).*\(8, 8, 1\)"):
        fit_autoencoder(
            classifier, image_autoencoder((4, 4, 1)), make_inputs(16, seed=5), float32(), verbose=0
        )
