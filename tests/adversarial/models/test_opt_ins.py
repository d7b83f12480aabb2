"""What a classifier's file needs beyond Keras's own layers, and what lets it have that."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pytest
from keras import layers

from adversarial import AdversarialDetector, load_classifier, read_bundle
from adversarial.bundle.calibration import Calibration
from adversarial.bundle.trust import missing_from_bundle, missing_opt_ins
from adversarial.errors import ModelError
from adversarial.models.autoencoders import image_autoencoder
from adversarial.models.classifiers import load_model
from adversarial.models.custom_objects import keras_names
from adversarial.training.fit import fit_autoencoder
from tests.support.models.autoencoders import float32
from tests.support.models.classifiers import FORMS, HEADS, SHAPE, X, as_file, nested, network, plain
from tests.support.models.custom_layers import Double, Net, Registered, tempered


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


CUSTOM = "tests.support.models.custom_layers"

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


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
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
    training = fit_autoencoder(classifier, autoencoder, X, float32(epochs=1), verbose=0)
    assert np.isfinite(training.history["loss"][0])
    calibration = Calibration(1.0, 0.5, pa.table({"adversarial_score": [0.5]}))
    return AdversarialDetector(classifier, autoencoder, calibration=calibration)


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
