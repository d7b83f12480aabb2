"""Classifiers that are refused: the file, the reason and the remedy are said."""

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from keras import layers

from adversarial import load_classifier
from adversarial.errors import ModelError
from tests.support.models.classifiers import FORMS, HEADS, SHAPE, function_saved, network

# What is refused: how it is saved, the options, and words of the message.

Refused = tuple[Callable[[Path], Path], dict[str, object], str]


def of(make: Callable[[], keras.Model], form: str = "keras") -> Callable[[Path], Path]:
    return lambda directory: FORMS[form](make(), directory)


def head(*made: keras.layers.Layer) -> Callable[[], keras.Model]:
    return lambda: network(*made)


def two_inputs() -> keras.Model:
    a, b = keras.Input((3,)), keras.Input((3,))
    return keras.Model([a, b], layers.Dense(3, activation="softmax")(a + b))


def two_outputs() -> keras.Model:
    x = keras.Input((3,))
    return keras.Model(x, [layers.Dense(3)(x), layers.Dense(2)(x)])


def of_dtype(dtype: str) -> keras.Model:
    x = keras.Input((3,), dtype=dtype)
    y = layers.StringLookup(vocabulary=["a"])(x) if dtype == "string" else x
    return keras.Model(x, layers.Dense(3, activation="softmax")(layers.Rescaling(1.0)(y)))


def of_varying_size() -> keras.Model:
    x = keras.Input((None, None, 1))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(x))
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


def picture_out() -> keras.Model:
    x = keras.Input(SHAPE)
    return keras.Model(x, layers.Conv2D(3, 1, activation="softmax")(x))


def no_gradient() -> keras.Model:
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(3, activation="softmax")(keras.ops.stop_gradient(x)))


def infinite_gradient() -> keras.Model:
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(3, activation="softmax")(keras.ops.sqrt(0 * x)))


def weights_only(directory: Path) -> Path:
    network(layers.Dense(3)).save_weights(directory / "model.weights.h5")
    return directory / "model.weights.h5"


def text_file(name: str) -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        (directory / name).write_text("no model")
        return directory / name

    return write


def damaged_saved_model(directory: Path) -> Path:
    (directory / "saved_model.pb").write_text("no model")
    return directory


def two_signatures(directory: Path) -> Path:
    path = function_saved(tf.nn.softmax, directory, tf.TensorSpec([None, 3], tf.float32))
    module = tf.saved_model.load(str(path))
    f = module.signatures["serving_default"]
    tf.saved_model.save(module, str(directory / "two"), {"a": f, "b": f})
    return directory / "two"


def saved_of_spec(
    spec: tf.TensorSpec, function: Callable[..., object] = tf.nn.softmax
) -> Callable[[Path], Path]:
    return lambda directory: function_saved(function, directory, spec)


FLAT = tf.TensorSpec([None, 3], tf.float32)

REFUSED: dict[str, Refused] = {
    "missing file": (lambda d: d / "nothing.keras", {}, r"nothing\.keras not found"),
    "missing directory": (lambda d: d / "nothing", {}, "nothing not found.*SavedModel"),
    "other form": (text_file("model.onnx"), {}, r"model\.onnx is not a saved model.*\.h5"),
    "empty directory": (lambda d: d, {}, "is not a saved model"),
    "damaged file": (
        text_file("model.keras"),
        {},
        r"model\.keras is damaged.*save the model again",
    ),
    "weights only": (weights_only, {}, "No model config.*whole model"),
    "damaged SavedModel": (damaged_saved_model, {}, "cannot be loaded as a SavedModel"),
    "several inputs": (of(two_inputs), {}, "2 inputs: expected one input"),
    "several outputs": (of(two_outputs), {}, "2 outputs: expected one input"),
    "integer input": (of(lambda: of_dtype("int32")), {}, "int32 input: expected floating"),
    "string input": (of(lambda: of_dtype("string")), {}, "string input: expected floating"),
    "varying rows": (of(of_varying_size), {}, "fixed shape"),
    "varying rows, SavedModel": (
        saved_of_spec(tf.TensorSpec([None, None, 3], tf.float32), lambda x: tf.nn.softmax(x[:, 0])),
        {},
        "fixed shape",
    ),
    "picture as output": (of(picture_out), {}, r"\(None, 4, 4, 3\): expected \(rows, classes\)"),
    "several labels": (
        of(head(layers.Dense(3, activation="sigmoid"))),
        {},
        "3 independent sigmoids.*not supported",
    ),
    "several labels, declared": (
        saved_of_spec(FLAT, tf.sigmoid),
        {"output": "sigmoid"},
        "not supported",
    ),
    "softmax of one": (of(head(layers.Dense(1, activation="softmax"))), {}, "always 1"),
    "logits declared as softmax": (
        of(head(layers.Dense(3))),
        {"output": "softmax"},
        "declared as softmax, but it ends in logits",
    ),
    "softmax declared as logits": (
        of(head(layers.Dense(3, activation="softmax"))),
        {"output": "logits"},
        "declared as logits, but it ends in softmax",
    ),
    "softmax declared as logits, SavedModel": (
        saved_of_spec(FLAT),
        {"output": "logits"},
        "declared as logits, but",
    ),
    "logits declared as softmax, SavedModel": (
        saved_of_spec(FLAT, tf.identity),
        {"output": "softmax"},
        "rows do not sum to 1",
    ),
    "logit declared as sigmoid, SavedModel": (
        saved_of_spec(FLAT, lambda x: x[:, :1] * 50),
        {"output": "sigmoid"},
        "declared as sigmoid, but has values from",
    ),
    "undeclared SavedModel": (
        saved_of_spec(FLAT, tf.identity),
        {},
        "--output-kind softmax, logits or sigmoid",
    ),
    "undeclared single unit, SavedModel": (
        saved_of_spec(FLAT, lambda x: x[:, :1]),
        {},
        "--output-kind",
    ),
    "odd last layer": (of(head(layers.Dense(3, activation="tanh"))), {}, "--output-kind"),
    "no gradient": (of(no_gradient), {}, "no gradient"),
    "no gradient, SavedModel": (
        saved_of_spec(FLAT, lambda x: tf.nn.softmax(tf.stop_gradient(x))),
        {},
        "no gradient",
    ),
    "operation without gradient": (
        saved_of_spec(
            tf.TensorSpec([None, 4, 4, 3], tf.float32),
            lambda x: tf.nn.softmax(tf.image.adjust_hue(x, 0.1)[:, 0, 0]),
        ),
        {},
        "cannot be differentiated.*AdjustHue",
    ),
    "exported in training mode, batch statistics": (
        of(
            lambda: network(*HEADS["softmax"][0](), before=(layers.Resizing(6, 6),)),
            "export",
        ),
        {},
        "depends on chance or on the other rows.*training=False",
    ),
    "random output": (
        saved_of_spec(FLAT, lambda x: tf.nn.softmax(x + tf.random.normal(tf.shape(x)))),
        {},
        "depends on chance",
    ),
    "activation that Keras cannot load": (
        of(head(layers.Dense(3, activation=lambda x: keras.ops.softmax(x / 2)))),
        {},
        "could not be deserialized",
    ),
    "infinite gradient": (of(infinite_gradient), {}, "gradient is not finite"),
    "signatures": (two_signatures, {}, "signatures a, b: expected serving_default"),
    "integer input, SavedModel": (
        saved_of_spec(
            tf.TensorSpec([None, 3], tf.uint8), lambda x: tf.nn.softmax(tf.cast(x, tf.float32))
        ),
        {},
        "uint8 input: expected",
    ),
    "fixed number of rows, SavedModel": (
        saved_of_spec(tf.TensorSpec([1, 3], tf.float32)),
        {},
        r"\(1, 3\): expected any number of rows",
    ),
    "several outputs, SavedModel": (
        saved_of_spec(FLAT, lambda x: {"p": tf.nn.softmax(x), "z": x}),
        {},
        "gives p, z: expected one",
    ),
    "misspelt opt-in": (
        of(head(layers.Dense(3))),
        {"trust": ["lambda"]},
        "'lambda' is not an opt-in: expected Lambda",
    ),
    "opt-in to no module": (
        of(head(layers.Dense(3))),
        {"trust": ["nowhere.at_all:Thing"]},
        "nowhere.at_all:Thing cannot be imported.*PYTHONPATH",
    ),
    "opt-in to no object": (
        of(head(layers.Dense(3))),
        {"trust": ["tests.support.models.custom_layers:Thing"]},
        "tests.support.models.custom_layers:Thing cannot be imported",
    ),
}


@pytest.mark.filterwarnings(
    "ignore:You are using a softmax over axis -1:UserWarning",
    "ignore:The object being serialized includes a `lambda`:UserWarning",
)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_with_file_reason_and_remedy(
    case: str, tmp_path: Path
) -> None:
    save, options, words = REFUSED[case]
    path = save(tmp_path)
    with pytest.raises(ModelError, match=words) as raised:
        load_classifier(path, **options)  # type: ignore[arg-type]
    assert "opt-in" in case or str(path) in str(raised.value)
