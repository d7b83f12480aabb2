"""The penultimate layer of a classifier: what its last weights see."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

FEATURES = 64
"""Features that are kept; of a wider layer as many random projections, which keep distances."""

NAMES = "penultimate_features_{}"
"""Names of the layers that are added: those that Keras counts up may be the classifier's own."""


def with_features(classifier: keras.Model) -> keras.Model | None:
    """Return a model of the same layers that gives M(x) and what its penultimate layer says.

    Parameters
    ----------
    classifier : keras.Model
        M, (n, *input_shape) to (n, n_classes).

    Returns
    -------
    keras.Model or None
        (n, *input_shape) to (n, n_classes) and (n, k) with k at most `FEATURES`: the input of the
        last layer that has weights; the mean over all places where that is a map. None where the
        classifier's layers form no graph to look into, or its only weights are at the input.
    """
    try:
        features = _penultimate(classifier, classifier.inputs[0])
        if features is None:
            return None
        rank = len(features.shape)
        if rank > 2:
            pool = {3: "1D", 4: "2D", 5: "3D"}[rank]
            average = getattr(keras.layers, f"GlobalAveragePooling{pool}")
            features = average(name=NAMES.format("average"))(features)
        if features.shape[1] > FEATURES:
            projection = keras.layers.Dense(
                FEATURES, use_bias=False, trainable=False, name=NAMES.format("projection")
            )
            features = projection(features)
            projection.set_weights([random_projection(*projection.kernel.shape)])
        cast = keras.layers.Activation("linear", dtype="float32", name=NAMES.format("float32"))
        features = cast(features)
        return keras.Model(classifier.inputs[0], [classifier.outputs[0], features])
    except (AttributeError, KeyError, ValueError, TypeError):
        # A subclassed model has no graph, and some layers' graphs cannot be cut.
        return None


def random_projection(n_features: int, n_projections: int) -> NDArray[np.float32]:
    """Return the projections, always the same: normal entries, scaled to keep squared distances."""
    drawn = np.random.default_rng(n_features).normal(size=(n_features, n_projections))
    scaled: NDArray[np.float32] = (drawn / np.sqrt(n_projections)).astype(np.float32)
    return scaled


def _penultimate(model: keras.Model, given: Any) -> Any | None:
    """Return the tensor that enters the last layer with weights, as a function of `given`.

    None where that tensor is the input itself.
    """
    tensor = _last_input(model)
    if tensor is None or tensor is model.inputs[0]:
        return None
    if given is not model.inputs[0]:
        name = NAMES.format(f"of_{model.name}")
        tensor = keras.Model(model.inputs[0], tensor, name=name)(given)
    return tensor


def _last_input(model: keras.Model) -> Any | None:
    tensor = model.outputs[0]
    while True:
        operation = tensor._keras_history.operation
        if isinstance(operation, keras.layers.InputLayer):
            return None
        inputs = _node(tensor).input_tensors
        if isinstance(operation, keras.Model) and operation.weights:
            return _penultimate(operation, inputs[0])
        if getattr(operation, "weights", ()):
            return inputs[0] if len(inputs) == 1 else None
        # Activations and what makes two probabilities of one: all of one tensor.
        tensor = inputs[-1]


def _node(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]
