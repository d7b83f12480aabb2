"""What a classifier's output is, and the built-in layers that turn it into probabilities."""

from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import OutputKind
from adversarial.errors import ModelError

DeclaredKind = Literal["auto"] | OutputKind

_KINDS: dict[str, OutputKind] = {
    "Softmax": "softmax",
    "Sigmoid": "sigmoid",
    "LogSoftmax": "logits",
}
"""Output kind by the class of the last layer or operation."""

_UNCHANGING = {"ActivityRegularization", "Dropout", "Flatten", "Identity", "Reshape"}
"""Layers that, in inference mode, pass on the values they are given."""

_DECLARE = "declare it with --output-kind softmax, logits or sigmoid (output= in Python)"


def output_kind(
    model: keras.Model, declared: DeclaredKind, values: NDArray[np.float32]
) -> OutputKind:
    """Return what `model` outputs, judging by the declaration, the last layer and the values.

    Parameters
    ----------
    model : keras.Model
        (n, *row_shape) to (n, n_units).
    declared : {"auto", "softmax", "logits", "sigmoid"}
        What its user says it outputs.
    values : (n, n_units) array
        Its output for any rows. If the last layer does not tell, rows that are all probability
        distributions do.

    Raises
    ------
    ModelError
        If the kind cannot be determined, contradicts the declared one, or does not fit the number
        of units.
    """
    n_units = model.output_shape[1]
    detected = detected_kind(model.outputs[0])
    if detected is None and n_units > 1 and are_distributions(values):
        detected = "softmax"
    if declared != "auto" and detected not in (None, declared):
        raise ModelError(
            f"its output is declared as {declared}, but it ends in {detected}: leave --output-kind "
            f"out or give {detected}"
        )
    kind = detected if declared == "auto" else declared
    if kind is None:
        raise ModelError(f"its last layer does not tell what its output is: {_DECLARE}")
    if kind == "sigmoid" and n_units > 1:
        raise ModelError(
            f"it gives {n_units} independent sigmoids: several labels for one row are not "
            "supported; expected one class per row (softmax, or a single sigmoid unit)"
        )
    if kind == "softmax" and n_units == 1:
        raise ModelError("a softmax over one unit is always 1: expected a sigmoid, or two units")
    if kind == "sigmoid" and not (values.min() >= 0 and values.max() <= 1):
        raise ModelError(
            f"its output is declared as sigmoid, but has values from {values.min():.3g} to "
            f"{values.max():.3g}: give logits if they are log-odds"
        )
    return kind


def are_distributions(values: NDArray[np.floating]) -> bool:
    """Say whether the values of each row, (n, n_classes), can be probabilities."""
    return bool(values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-3))


def detected_kind(output: Any) -> OutputKind | None:
    """Return the kind of a symbolic output by what made it; None where that does not tell."""
    operation = output._keras_history.operation
    if isinstance(operation, keras.Model):
        inner = getattr(operation, "outputs", None)
        return detected_kind(inner[0]) if inner else None
    name = type(operation).__name__
    if name in _KINDS:
        return _KINDS[name]
    activation = getattr(operation, "activation", None)
    if name in _UNCHANGING or (name == "Activation" and activation is keras.activations.linear):
        return detected_kind(operation.input)
    known: list[tuple[Any, OutputKind]] = [
        (keras.activations.softmax, "softmax"),
        (keras.activations.sigmoid, "sigmoid"),
        (keras.activations.linear, "logits"),
        (keras.activations.log_softmax, "logits"),
    ]
    return next((kind for function, kind in known if activation is function), None)


def with_probabilities(model: keras.Model, kind: OutputKind) -> keras.Model:
    """Return `model` followed by built-in layers that turn its output into probabilities.

    Returns
    -------
    keras.Model
        (n, *row_shape) to (n, n_classes); a single unit becomes the columns 1 − p and p.
    """
    y = model.outputs[0]
    if kind == "softmax":
        return model
    if kind == "logits" and y.shape[1] > 1:
        y = keras.layers.Softmax(name="probabilities")(y)
    else:
        if kind == "logits":
            y = keras.layers.Activation("sigmoid")(y)
        complement = keras.layers.Rescaling(-1.0, offset=1.0)(y)
        y = keras.layers.Concatenate(name="probabilities")([complement, y])
    return keras.Model(model.inputs[0], y, name=model.name)
