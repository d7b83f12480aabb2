"""Every saved form and output kind of a classifier."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from adversarial import load_classifier
from adversarial.errors import ModelError
from tests.support.models.classifiers import (
    FORMS,
    HEADS,
    SHAPE,
    X,
    as_file,
    function_saved,
    nested,
    network,
    plain,
    softmax,
)


@pytest.mark.parametrize(
    ("form", "head"),
    [(form, head) for form in ("keras", "h5", "export") for head in HEADS]
    + [("hdf5", "softmax"), ("saved_model", "softmax")],
)
def test_every_form_and_output_gives_probabilities_and_a_gradient(
    form: str, head: str, tmp_path: Path
) -> None:
    make, expected = HEADS[head]
    in_files = () if form in ("export", "saved_model") else (layers.RandomFlip(),)
    model = network(*make(), before=(layers.Rescaling(2.0), *in_files))
    model.compile("adam", "mse")
    kind = "logits" if head == "logit" else head
    output = "auto" if form in ("keras", "h5", "hdf5") else kind
    found = load_classifier(FORMS[form](model, tmp_path), output=output)  # type: ignore[arg-type]
    p = np.asarray(found(X, training=False))
    np.testing.assert_allclose(p, expected(plain(model)), atol=1e-6)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    x = tf.convert_to_tensor(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        first = found(x, training=False)[:, 0]
    gradient = tape.gradient(first, x).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("head", HEADS)
def test_what_is_loaded_is_saved_and_loaded_again_in_safe_mode(head: str, tmp_path: Path) -> None:
    path = as_file(".h5")(network(*HEADS[head][0]()), tmp_path)
    found = load_classifier(path)
    found.save(tmp_path / "again.keras")
    again = keras.saving.load_model(tmp_path / "again.keras", safe_mode=True)
    np.testing.assert_allclose(plain(again), plain(found), atol=1e-6)


def single_item_lists() -> keras.Model:
    x = keras.Input(SHAPE)
    return keras.Model([x], [layers.Dense(3, activation="softmax")(layers.Flatten()(x))])


def made_of_operations() -> keras.Model:
    x = keras.Input(SHAPE)
    return keras.Model(x, keras.ops.softmax(layers.Dense(3)(layers.Flatten()(x))))


DETECTED: dict[str, Callable[[], keras.Model]] = {
    "a softmax layer": lambda: network(layers.Dense(3), layers.Softmax()),
    "an activation layer": lambda: network(layers.Dense(3), layers.Activation("softmax")),
    "a cast to float32": lambda: network(
        layers.Dense(3, activation="softmax"), layers.Activation("linear", dtype="float32")
    ),
    "dropout behind": lambda: network(layers.Dense(3, activation="softmax"), layers.Dropout(0.1)),
    "a nested model": nested,
    "lists of one": single_item_lists,
    "an operation": made_of_operations,
    "a distribution by other means": lambda: network(
        layers.Dense(3, activation="softmax"), layers.ReLU()
    ),
}


@pytest.mark.parametrize("case", DETECTED)
def test_a_softmax_is_recognised_however_it_ends(case: str, tmp_path: Path) -> None:
    model = DETECTED[case]()
    found = load_classifier(as_file(".keras")(model, tmp_path))
    expected = model([X] if case == "lists of one" else X, training=False)
    np.testing.assert_allclose(
        plain(found), np.asarray(expected[0] if isinstance(expected, list) else expected), atol=1e-6
    )


def test_log_probabilities_are_logits(tmp_path: Path) -> None:
    model = network(layers.Dense(3, activation="log_softmax"))
    found = load_classifier(as_file(".keras")(model, tmp_path))
    np.testing.assert_allclose(plain(found), np.exp(plain(model)), atol=1e-6)


def test_layers_that_learn_from_data_or_change_the_size_work(tmp_path: Path) -> None:
    normalization = layers.Normalization(mean=0.5, variance=0.1)
    model = network(*HEADS["softmax"][0](), before=(normalization, layers.Resizing(6, 6)))
    found = load_classifier(as_file(".keras")(model, tmp_path))
    np.testing.assert_allclose(plain(found), plain(model), atol=1e-6)


def test_a_classifier_of_mixed_precision_works(tmp_path: Path) -> None:
    x = keras.Input(SHAPE)
    y = layers.Dense(3, dtype="mixed_float16")(layers.Flatten()(x))
    model = keras.Model(x, y)
    found = load_classifier(as_file(".keras")(model, tmp_path))
    np.testing.assert_allclose(plain(found), softmax(plain(model)), atol=1e-3)


def test_a_saved_model_with_one_signature_of_any_name_is_taken(tmp_path: Path) -> None:
    weights = tf.constant(np.random.default_rng(1).normal(size=(16, 3)), tf.float32)
    path = function_saved(
        lambda x: tf.nn.softmax(tf.reshape(x, (-1, 16)) @ weights), tmp_path, name="predict"
    )
    assert load_classifier(path).output_shape == (None, 3)


@pytest.mark.parametrize("functional", [True, False])
def test_a_classifier_of_bytes_is_one_of_rows(functional: bool, tmp_path: Path) -> None:
    stack = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3, activation="softmax")]
    inputs = keras.Input((4, 4, 1), dtype="uint8")
    model = keras.Sequential([inputs, *stack])
    if functional:
        model = keras.Model(inputs, model(inputs))
    model.save(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    found = load_classifier(tmp_path / "model.keras")
    np.testing.assert_allclose(found(pixels.astype(np.float32)), model(pixels), atol=1e-6)


def test_a_classifier_that_looks_bytes_up_is_none_of_rows(tmp_path: Path) -> None:
    inputs = keras.Input((4,), dtype="uint8")
    outputs = layers.Dense(3, "softmax")(layers.Flatten()(layers.Embedding(256, 2)(inputs)))
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="uint8 input: expected"):
        load_classifier(tmp_path / "model.keras")
