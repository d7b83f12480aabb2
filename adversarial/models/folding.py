"""Batch normalisation folded into the layer before it: a frozen classifier in fewer passes.

In inference mode BN(W ∗ x + b) is one layer with the weights γ/√(σ² + ε) · W and
γ/√(σ² + ε) · (b − μ) + β. Keras computes batch normalisation in float32 even in a mixed-precision
model, so a ResNet in bfloat16 gains most.
"""

from collections import Counter
from typing import Any

import keras
import numpy as np

FOLDABLE = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense)
"""Layers whose weights have the output's channels last."""


def fold_batch_normalization(model: keras.Model) -> keras.Model:
    """Return a model with the same output in inference mode, without what can be folded.

    Batch normalisation is folded into the convolution or dense layer before it, unless that layer
    has an activation, or something else uses its output too. Nested models stay as they are.

    Parameters
    ----------
    model : keras.Model
        A graph of layers; the result shares those that stay. It is not changed, and is itself
        returned if nothing can be folded.
    """
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    made_by = {id(tensor): node for node in nodes for tensor in node.outputs}
    taken = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    taken += Counter(map(id, model.outputs))
    calls = Counter(node.operation.name for node in nodes)

    folded: dict[str, keras.layers.Layer] = {}
    removed = set()
    for node in nodes:
        normalization = node.operation
        if not isinstance(normalization, keras.layers.BatchNormalization):
            continue
        [x] = node.input_tensors
        before = made_by[id(x)].operation
        if (
            isinstance(before, FOLDABLE)
            and before.activation is keras.activations.linear
            and taken[id(x)] == calls[before.name] == calls[normalization.name] == 1
            and normalization.axis in (-1, len(x.shape) - 1)
            and getattr(before, "data_format", "channels_last") == "channels_last"
        ):
            folded[before.name] = _fold(before, normalization)
            removed.add(normalization.name)
    if not folded:
        return model

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in removed else layer(*args, **kwargs)

    def layer_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        return folded.get(layer.name, layer)

    return keras.models.clone_model(model, clone_function=layer_of, call_function=call)


def _fold(layer: keras.layers.Layer, normalization: keras.layers.Layer) -> keras.layers.Layer:
    mean, variance = _values(normalization.moving_mean), _values(normalization.moving_variance)
    scale = 1 / np.sqrt(variance + normalization.epsilon)
    if normalization.scale:
        scale = scale * _values(normalization.gamma)
    bias = (_values(layer.bias) if layer.use_bias else 0) - mean
    bias = scale * bias + (_values(normalization.beta) if normalization.center else 0)
    both = layer.__class__.from_config(layer.get_config() | {"use_bias": True})
    both.build(layer.input.shape)
    both.set_weights([_values(layer.kernel) * scale, bias])
    return both


def _values(weights: Any) -> Any:
    return np.asarray(weights.numpy(), np.float64)
