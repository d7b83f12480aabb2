"""Classifiers as users have them: any saved form and output, loaded as a model of probabilities."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import CLASSIFIER, SAVED_CLASSIFIER, OutputKind
from adversarial.bundle.read import Bundle
from adversarial.bundle.trust import LAMBDA, SAVED_MODEL, missing_opt_ins, refusal
from adversarial.errors import ModelError
from adversarial.models.checks import check_probabilities
from adversarial.models.custom_objects import custom_objects, keras_names
from adversarial.models.model_size import check_size
from adversarial.models.output_kind import DeclaredKind, output_kind, with_probabilities
from adversarial.models.saved_model import SavedModelLayer, copy_saved_model, is_saved_model

LOOKUPS = {"Embedding", "IntegerLookup", "Hashing", "CategoryEncoding", "Discretization"}
"""Layers for which bytes are names and not numbers."""
PROBE_ROWS = 8
"""Random rows on which a classifier's output and gradient are checked."""


def load_classifier(
    path: str | Path,
    *,
    output: DeclaredKind = "auto",
    trust: Sequence[str] = (),
) -> keras.Model:
    """Load a saved classifier as a model of probabilities.

    Parameters
    ----------
    path : str or Path
        A `.keras` file, a legacy `.h5` or `.hdf5` file, or the directory of a TensorFlow
        SavedModel. Files are loaded in Keras safe mode; a SavedModel of your own needs no opt-in.
    output : {"auto", "softmax", "logits", "sigmoid"}
        What the model outputs: probabilities; unnormalised log-probabilities (a single unit is the
        log-odds of the second class); or one unit with the probability of the second class. "auto"
        goes by the last layer's activation.
    trust : sequence of str
        Opt-ins for what Keras refuses: "Lambda", or a custom class or function as
        "package.module:Name", which is imported.

    Returns
    -------
    keras.Model
        (n, *row_shape) floating-point rows to (n, n_classes) probabilities, n_classes at least 2.

    Raises
    ------
    ModelError
        If the file is missing, is not a saved model or needs an opt-in; if the model takes or gives
        something other than one tensor of fixed shape, or cannot be differentiated; or if the kind
        of its output is not the declared one, is not supported, or cannot be determined.
    """
    path = Path(path)
    model = _from_saved_model(path) if is_saved_model(path) else load_model(path, trust)
    try:
        model = _of_single_tensors(model)
        rows = np.random.default_rng(0).random((PROBE_ROWS, *row_shape(model)), np.float32)
        kind = output_kind(model, output, _run(model, rows))
        classifier = with_probabilities(model, kind)
        _check(classifier, rows)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if (layer := _saved_model_layer(classifier)) is not None:
        layer.output_kind = kind
    return classifier


def load_model(path: Path, trust: Sequence[str] = ()) -> keras.Model:
    """Load a `.keras` or `.h5` file without its optimiser, in safe mode except for what is trusted.

    Raises
    ------
    ModelError
        If there is no such file, it takes too much memory (`model_size`), it needs an opt-in, or
        Keras cannot load it; gives the reason.
    """
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise ModelError(
            f"{path} {'is not a' if path.exists() else 'not found: expected a'} saved model: give "
            "a .keras file, an .h5 file or the directory of a SavedModel"
        )
    if not path.is_file():
        raise ModelError(f"{path} not found: expected a file that model.save wrote")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is damaged: a .keras file is a zip archive; save the model again")
    check_size(path)
    objects = custom_objects(trust)
    try:
        return keras.saving.load_model(
            path, custom_objects=objects, compile=False, safe_mode=LAMBDA not in trust
        )
    except Exception as error:  # Keras raises many kinds when a file is not a safe model
        if missing := missing_opt_ins(path, trust, keras_names()):
            raise ModelError(refusal(path, missing)) from error
        raise ModelError(
            f"{path} cannot be loaded in Keras safe mode: {_reason(error)}. Expected a whole "
            "model of Keras's own layers, as model.save writes it; save it again"
        ) from error


def save_classifier(classifier: keras.Model, bundle: Path) -> None:
    """Write a classifier into a bundle's directory: a `.keras` file, or a SavedModel as it was."""
    layer = _saved_model_layer(classifier)
    if layer is None:
        without_optimizer(classifier).save(bundle / CLASSIFIER)
    else:
        copy_saved_model(layer.directory, bundle / SAVED_CLASSIFIER)


def saved_model_output(classifier: keras.Model) -> OutputKind | None:
    """Return what the SavedModel behind a classifier outputs; None where there is none."""
    layer = _saved_model_layer(classifier)
    return None if layer is None else layer.output_kind


def read_classifier(bundle: Bundle, trust: Sequence[str]) -> keras.Model:
    """Load a bundle's classifier, which `save_classifier` wrote.

    Raises
    ------
    ModelError
        As `load_model`, or if the classifier is a SavedModel and "SavedModel" is not trusted.
    """
    output = bundle.manifest.classifier_output
    if output is None:
        return load_model(bundle.file(CLASSIFIER), trust)
    path = bundle.file(SAVED_CLASSIFIER)
    if SAVED_MODEL not in trust:
        raise ModelError(refusal(path, [SAVED_MODEL]))
    model = _from_saved_model(path)
    _saved_model_layer(model).output_kind = output
    return with_probabilities(model, output)


def row_shape(model: keras.Model) -> tuple[int, ...]:
    """Return the shape of one row that `model` takes.

    Raises
    ------
    ModelError
        If the model has several inputs, or takes rows of varying shape.
    """
    shape = model.input_shape
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape[1:]):
        raise ModelError(
            f"the model {model.name!r} takes input of shape {shape}: expected one input whose rows "
            "have a fixed shape"
        )
    return shape[1:]


def without_optimizer(model: keras.Model) -> keras.Model:
    """Return `model`, or an uncompiled copy: an optimiser would triple the file."""
    if getattr(model, "optimizer", None) is None:
        return model
    copy = model.__class__.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def _from_saved_model(path: Path) -> keras.Model:
    layer = SavedModelLayer(path)
    x = keras.Input(layer.row_shape)
    return keras.Model(x, layer(x))


def _saved_model_layer(model: keras.Model) -> Any:
    return next((layer for layer in model.layers if isinstance(layer, SavedModelLayer)), None)


def _of_single_tensors(model: keras.Model) -> keras.Model:
    """Return `model` with a plain tensor in and out, where it has one of each."""
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):  # a subclassed model declares none, but may be built
        shape = (model.get_build_config() or {}).get("input_shape")
        if not shape or not all(isinstance(size, int) for size in shape[1:]):
            raise ModelError(
                "the model does not say what it takes: call it on one batch before saving it"
            ) from None
        inputs = [keras.Input(tuple(shape[1:]))]
        outputs = keras.tree.flatten(model(inputs[0]))
    for what, tensors in (("input", inputs), ("output", outputs)):
        if len(tensors) != 1:
            raise ModelError(
                f"the model has {len(tensors)} {what}s: expected one input and one output; wrap it "
                "in a keras.Model that has them"
            )
    dtype = keras.backend.standardize_dtype(inputs[0].dtype)
    if dtype == "uint8" and (copy := _of_floats(model)) is not None:
        inputs, outputs, dtype = copy.inputs, copy.outputs, "float32"
    if "float" not in dtype:
        raise ModelError(
            f"the model takes {dtype} input: expected floating-point rows, because the autoencoder "
            "learns through the classifier's gradient; save the part that follows the lookup"
        )
    shape = outputs[0].shape
    if len(shape) != 2 or shape[1] is None:
        raise ModelError(f"the model's output has shape {tuple(shape)}: expected (rows, classes)")
    return keras.Model(inputs[0], outputs[0], name=model.name)


def _of_floats(model: keras.Model) -> keras.Model | None:
    """Return a model of bytes as one of floating-point rows; None where they are looked up."""
    if any(layer.__class__.__name__ in LOOKUPS for layer in model._flatten_layers()):
        return None

    def copy_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        nested = _of_floats(layer) if isinstance(layer, keras.Model) else None
        return layer.__class__.from_config(layer.get_config()) if nested is None else nested

    inputs = keras.Input(model.input_shape[1:])
    try:
        copy = keras.models.clone_model(model, input_tensors=inputs, clone_function=copy_layer)
        copy.set_weights(model.get_weights())
    except (ValueError, TypeError, NotImplementedError):  # no graph of layers
        return None
    return copy


def _run(model: keras.Model, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        values: NDArray[np.float32] = keras.ops.convert_to_numpy(model(rows, training=False))
    except Exception as error:  # TensorFlow raises whatever the graph's operation raises
        raise ModelError(f"it cannot be run on random rows: {_reason(error)}") from error
    return values


def _check(classifier: keras.Model, rows: NDArray[np.float32]) -> None:
    """Raise ModelError unless each row alone gives its probabilities, and they have a gradient."""
    import tensorflow as tf

    p = _run(classifier, rows)
    check_probabilities(p)
    n = PROBE_ROWS // 2
    if not np.allclose(_run(classifier, rows[:n]), p[:n], atol=5e-3):
        raise ModelError(
            "its output for a row depends on chance or on the other rows: it was exported in "
            "training mode, as Keras does where an image preprocessing layer comes first. Save it "
            "with model.save as a .keras file instead, or export lambda x: model(x, training=False)"
        )
    x = tf.convert_to_tensor(rows)
    try:
        with tf.GradientTape() as tape:
            tape.watch(x)
            first = tf.reduce_sum(classifier(x, training=False)[:, 0])
        gradient = tape.gradient(first, x)
    except Exception as error:  # TensorFlow raises whatever the graph's operation raises
        raise ModelError(
            f"it cannot be differentiated: {_reason(error)}. {_NEEDS_GRADIENT}"
        ) from error
    if gradient is None:
        raise ModelError(f"its output has no gradient with respect to its input. {_NEEDS_GRADIENT}")
    if not np.isfinite(gradient.numpy()).all():
        raise ModelError(f"its gradient is not finite on random rows. {_NEEDS_GRADIENT}")


_NEEDS_GRADIENT = "The autoencoder learns through the classifier's gradient; save the model again \
without the operation that stops it"


def _reason(error: Exception) -> str:
    """Return the first sentence of what Keras or TensorFlow says, without its header and colour."""
    lines = re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()
    said = [line for line in lines if line.strip() and not line.startswith("Exception encountered")]
    return (said or [type(error).__name__])[0].split(". ")[0].strip().rstrip(".")
