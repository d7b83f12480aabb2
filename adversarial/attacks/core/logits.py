"""The logits of a classifier: attacks on probabilities are too weak.

Where a softmax is certain, its probabilities are 0 and 1 to the last bit and their gradient is
zero, so an attack that works on them stalls or goes astray: against the same classifier, C&W ends
at a mean L2 norm of 2.5 on probabilities and of 1.7 on logits.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.models.output_kind import are_distributions, detected_kind

Logits = Callable[[tf.Tensor], tf.Tensor]

TINY = 1e-37
"""Floor of probabilities whose logarithm is taken: below it, float32 is no longer normal."""

_UNCHANGING = {"Dropout", "Identity", "Reshape"}
"""Layers that, in inference mode, pass on the logits they are given."""


def logits_of(model: keras.Model | Logits) -> Logits:
    """Return the function from rows to logits, (n, n_classes), behind a classifier's probabilities.

    If the model is a graph of layers that ends in a softmax, they are the values before it; if its
    two columns are 1 − p and p of a sigmoid, they are 0 and the value before that; if its last
    layer has no activation, they are its output. Otherwise they are the logarithms of the
    probabilities, which are logits up to a constant per row, but have no gradient where a
    probability is 0.

    Parameters
    ----------
    model : keras.Model or callable
        A classifier with probabilities or logits as output, which is called in inference mode.
        A function is returned as it is.
    """
    if not isinstance(model, keras.Model):
        return model
    output = _output(model)
    result = _behind(model, keras.activations.softmax, output) or _two_columns(model)
    if result is not None:
        return result
    if _is_logits(output):
        return lambda x: model(x, training=False)
    return lambda x: tf.math.log(tf.maximum(model(x, training=False), TINY))


def check_output(model: keras.Model, x: NDArray[np.float32]) -> None:
    """Raise ModelError if the model gives rows `x` neither probabilities nor logits.

    The model is not called where it ends in a softmax and its weights are finite: a call takes a
    tenth of the time of an attack of one step.
    """
    output = _output(model)
    if _is_logits(output):
        return
    if _behind(model, keras.activations.softmax, output) and _has_finite_weights(model):
        return
    values = np.asarray(model(x, training=False))
    if not are_distributions(values):
        raise ModelError(
            f"the model's outputs for a row sum to {values.sum(axis=1)[0]:.3g}, from "
            f"{values.min():.3g}, and are not probabilities: give Misclassified(f) with a function "
            "f from rows to logits"
        )


def _has_finite_weights(model: keras.Model) -> bool:
    return all(np.isfinite(weight.numpy()).all() for weight in model.weights)


def _is_logits(output: Any) -> bool:
    return output is not None and detected_kind(output) == "logits"


def _output(model: keras.Model) -> Any:
    outputs = getattr(model, "outputs", None)
    return outputs[0] if outputs else None


def _behind(model: keras.Model, activation: Callable[..., Any], output: Any) -> Logits | None:
    """Return a function to the input of the `activation` that made an output, if one did."""
    if output is None:
        return None
    layer, [made_from, *_] = _origin(output)
    before = _up_to(model, made_from)
    if isinstance(layer, keras.Model):
        nested = _behind(layer, activation, _output(layer))
        return None if nested is None else lambda x: nested(before(x))
    if type(layer).__name__ in _UNCHANGING:
        inner = _behind(model, activation, made_from)
        shape = output.shape[1:]
        return None if inner is None else lambda x: tf.reshape(inner(x), (-1, *shape))
    is_softmax = isinstance(layer, keras.layers.Softmax)
    result = keras.activations.softmax if is_softmax else getattr(layer, "activation", None)
    if result is activation and isinstance(layer, keras.layers.Dense):
        bias = layer.bias if layer.use_bias else 0.0
        return lambda x: tf.matmul(before(x), layer.kernel) + bias
    alone = isinstance(layer, (keras.layers.Softmax, keras.layers.Activation))
    return before if result is activation and alone else None


def _two_columns(model: keras.Model) -> Logits | None:
    """Return the logits of the columns 1 − p and p (`adversarial.models.output_kind`)."""
    output = _output(model)
    if output is None:
        return None
    layer, columns = _origin(output)
    if not isinstance(layer, keras.layers.Concatenate) or len(columns) != 2:
        return None
    complement, _ = _origin(columns[0])
    if not (isinstance(complement, keras.layers.Rescaling) and complement.scale == -1):
        return None
    before = _behind(model, keras.activations.sigmoid, columns[1])
    if before is None:
        return None

    def logits(x: tf.Tensor) -> tf.Tensor:
        z = before(x)
        return tf.concat([tf.zeros_like(z), z], axis=-1)

    return logits


def _origin(tensor: Any) -> tuple[Any, list[Any]]:
    """Return the layer that made a symbolic tensor, and its inputs.

    The layer's own `input` is that of its first use, but layers are shared between models.
    """
    history = tensor._keras_history
    node = history.operation._inbound_nodes[history.node_index]
    return history.operation, node.input_tensors


def _up_to(model: keras.Model, tensor: Any) -> Logits:
    part = keras.Model(model.inputs[0], tensor)
    return lambda x: part(x, training=False)
