"""Every saved form, output kind and opt-in of a classifier; and what is refused."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from keras import layers

from adversarial import AdversarialDetector, load_classifier, read_bundle
from adversarial.bundle.trust import missing_from_bundle, missing_opt_ins
from adversarial.errors import ModelError
from adversarial.models.autoencoders import image_autoencoder
from adversarial.models.classifiers import load_model
from adversarial.models.custom_objects import keras_names
from adversarial.training.fit import fit_autoencoder
from tests.support.custom_layers import Double, Net, Registered, tempered

SHAPE = (4, 4, 1)
X = np.random.default_rng(0).random((6, *SHAPE)).astype(np.float32)


def network(*head: keras.layers.Layer, before: tuple[keras.layers.Layer, ...] = ()) -> keras.Model:
    """A classifier with preprocessing, batch normalisation and dropout, in training's state."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            *before,
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            *head,
        ]
    )
    normalization = model.layers[-2 - len(head)]
    normalization.set_weights([w + 0.25 for w in normalization.get_weights()])
    return model


def plain(model: keras.Model) -> np.ndarray:
    return np.asarray(model(X, training=False), np.float64)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def two_columns(p: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - p, p], axis=1)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


Save = Callable[[keras.Model, Path], Path]


def as_file(suffix: str) -> Save:
    def save(model: keras.Model, directory: Path) -> Path:
        model.save(directory / f"model{suffix}")
        return directory / f"model{suffix}"

    return save


def exported(model: keras.Model, directory: Path) -> Path:
    model.export(directory / "exported", verbose=False)
    return directory / "exported"


def saved_by_tensorflow(model: keras.Model, directory: Path) -> Path:
    tf.saved_model.save(model, str(directory / "saved"))
    return directory / "saved"


def function_saved(
    function: Callable[[tf.Tensor], object],
    directory: Path,
    spec: tf.TensorSpec | None = None,
    name: str = "serving_default",
) -> Path:
    module = tf.Module()
    spec = spec or tf.TensorSpec([None, *SHAPE], tf.float32)
    module.f = tf.function(function, input_signature=[spec])
    tf.saved_model.save(module, str(directory / "saved"), {name: module.f.get_concrete_function()})
    return directory / "saved"


FORMS = {
    "keras": as_file(".keras"),
    "h5": as_file(".h5"),
    "hdf5": as_file(".hdf5"),
    "export": exported,
    "saved_model": saved_by_tensorflow,
}
HEADS: dict[str, tuple[Callable[[], list[keras.layers.Layer]], Callable[..., np.ndarray]]] = {
    "softmax": (lambda: [layers.Dense(3, activation="softmax")], lambda y: y),
    "logits": (lambda: [layers.Dense(3)], softmax),
    "sigmoid": (lambda: [layers.Dense(1, activation="sigmoid")], two_columns),
    "logit": (lambda: [layers.Dense(1)], lambda z: two_columns(sigmoid(z))),
}


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


def nested() -> keras.Model:
    return network(keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")]))


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
    expected = model(X, training=False)
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
    "other form": (text_file("model.onnx"), {}, r"model\.onnx is no saved model.*\.h5"),
    "empty directory": (lambda d: d, {}, "is no saved model"),
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
        "'lambda' is no opt-in: expected Lambda",
    ),
    "opt-in to no module": (
        of(head(layers.Dense(3))),
        {"trust": ["nowhere.at_all:Thing"]},
        "nowhere.at_all:Thing cannot be imported.*PYTHONPATH",
    ),
    "opt-in to no object": (
        of(head(layers.Dense(3))),
        {"trust": ["tests.support.custom_layers:Thing"]},
        "tests.support.custom_layers:Thing cannot be imported",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_with_file_reason_and_remedy(
    case: str, tmp_path: Path
) -> None:
    save, options, words = REFUSED[case]
    path = save(tmp_path)
    with pytest.raises(ModelError, match=words) as raised:
        load_classifier(path, **options)  # type: ignore[arg-type]
    assert "opt-in" in case or str(path) in str(raised.value)


def with_lambda() -> keras.Model:
    return network(*HEADS["softmax"][0](), before=(layers.Lambda(lambda x: 2 * x),))


def with_custom_layer() -> keras.Model:
    return network(*HEADS["softmax"][0](), before=(Double(),))


def with_registered_layer() -> keras.Model:
    return network(*HEADS["softmax"][0](), before=(Registered(),))


def with_custom_function() -> keras.Model:
    return network(layers.Dense(3, activation=tempered))


def subclassed() -> keras.Model:
    model = Net()
    model(X)
    return model


CUSTOM = "tests.support.custom_layers"

OPT_INS: list[tuple[Callable[[], keras.Model], str, list[str], str]] = [
    (with_lambda, "keras", ["Lambda"], "Lambda"),
    (with_lambda, "h5", ["Lambda"], "Lambda"),
    (with_custom_layer, "keras", [f"{CUSTOM}:Double"], f"{CUSTOM}:Double"),
    (with_custom_layer, "h5", [f"{CUSTOM}:Double"], "<module>:Double"),
    (with_registered_layer, "keras", [f"{CUSTOM}:Registered"], f"{CUSTOM}:Registered"),
    (with_registered_layer, "h5", [f"{CUSTOM}:Registered"], "<module>:Registered"),
    (with_custom_function, "keras", [f"{CUSTOM}:tempered"], "<module>:tempered"),
    (subclassed, "keras", [f"{CUSTOM}:Net"], f"{CUSTOM}:Net"),
]


@pytest.mark.parametrize(("make", "form", "trust", "named"), OPT_INS)
def test_what_keras_does_not_know_is_refused_by_name_and_loaded_with_the_opt_in(
    make: Callable[[], keras.Model],
    form: str,
    trust: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make()
    path = FORMS[form](model, tmp_path)
    # In a process of its own nothing would have imported the module that registers it.
    monkeypatch.delitem(keras.saving.get_custom_objects(), "zoo>Registered", raising=False)
    with pytest.raises(ModelError, match=rf"--trust {named} ") as raised:
        load_classifier(path)
    assert str(path) in str(raised.value)
    assert missing_opt_ins(path, (), keras_names()) == [named]
    assert missing_opt_ins(path, trust, keras_names()) == []
    found = load_classifier(path, trust=trust)
    np.testing.assert_allclose(plain(found), plain(model), atol=1e-6)


def test_every_missing_opt_in_is_named_at_once_and_the_given_ones_are_not(tmp_path: Path) -> None:
    model = network(
        layers.Dense(3, activation=tempered), before=(Double(), layers.Lambda(lambda x: x))
    )
    path = as_file(".keras")(model, tmp_path)
    needed = [f"{CUSTOM}:Double", "Lambda", "<module>:tempered"]
    assert missing_opt_ins(path, (), keras_names()) == needed
    with pytest.raises(ModelError) as raised:
        load_classifier(path, trust=[f"{CUSTOM}:Double"])
    assert "trust: [Lambda, <module>:tempered]" in str(raised.value)


def test_custom_objects_do_not_open_safe_mode(tmp_path: Path) -> None:
    path = as_file(".keras")(with_lambda(), tmp_path)
    with pytest.raises(ModelError, match="Lambda"):
        load_model(path, [f"{CUSTOM}:Double"])


def test_a_model_of_built_in_layers_needs_no_opt_in(tmp_path: Path) -> None:
    model = nested()
    model.compile("adam", loss=lambda y, p: keras.ops.mean(y - p))  # a loss is not loaded
    for form in ("keras", "h5"):
        path = FORMS[form](model, tmp_path)
        assert missing_opt_ins(path, (), keras_names()) == []
        load_classifier(path)


def detector_of(classifier: keras.Model) -> AdversarialDetector:
    """A detector whose autoencoder has been trained for one step."""
    autoencoder = image_autoencoder(SHAPE, latent_dim=2)
    training = fit_autoencoder(classifier, autoencoder, X, epochs=1, verbose=0)
    assert np.isfinite(training.history["loss"][0])
    reference = pa.table({"adversarial_score": [0.5]})
    return AdversarialDetector(classifier, autoencoder, threshold=1.0, fpr=0.5, reference=reference)


@pytest.mark.parametrize(
    ("form", "head"), [*(("export", head) for head in HEADS), ("saved_model", "softmax")]
)
def test_a_saved_model_goes_through_training_and_bundle(
    form: str, head: str, tmp_path: Path
) -> None:
    kind = "logits" if head == "logit" else head
    path = FORMS[form](network(*HEADS[head][0]()), tmp_path)
    (path / "notes.txt").write_text("not part of the SavedModel")
    detector = detector_of(load_classifier(path, output=kind))  # type: ignore[arg-type]
    detector.save(tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.manifest.classifier_output == kind
    assert "classifier/saved_model.pb" in bundle.manifest.sha256
    assert not any("notes" in name for name in bundle.manifest.sha256)
    assert missing_from_bundle(bundle, ()) == ["SavedModel"]
    with pytest.raises(ModelError, match=r"trust: \[SavedModel\]"):
        AdversarialDetector.load(tmp_path / "bundle")
    copy = AdversarialDetector.load(tmp_path / "bundle", trust=["SavedModel"])
    np.testing.assert_array_equal(copy.score(X), detector.score(X))
    copy.save(tmp_path / "bundle")  # onto what it was loaded from
    again = AdversarialDetector.load(tmp_path / "bundle", trust=["SavedModel"])
    np.testing.assert_array_equal(again.score(X), detector.score(X))


@pytest.mark.parametrize(
    ("make", "trust"),
    [(with_lambda, ["Lambda"]), (with_custom_layer, [f"{CUSTOM}:Double"])],
)
def test_a_bundle_needs_the_opt_ins_of_its_classifier(
    make: Callable[[], keras.Model], trust: list[str], tmp_path: Path
) -> None:
    path = as_file(".h5")(make(), tmp_path)
    detector = detector_of(load_classifier(path, trust=trust))
    detector.save(tmp_path / "bundle")
    assert missing_from_bundle(read_bundle(tmp_path / "bundle"), ()) == trust
    with pytest.raises(ModelError, match=rf"classifier\.keras.*trust: \[{trust[0]}\]"):
        AdversarialDetector.load(tmp_path / "bundle")
    copy = AdversarialDetector.load(tmp_path / "bundle", trust=trust)
    np.testing.assert_allclose(copy.score(X), detector.score(X), atol=1e-6)
