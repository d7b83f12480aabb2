"""The model that is trained: an autoencoder in front of a frozen classifier."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.losses import kl_divergence, project, scale_temperature, squared_error
from adversarial.models.autoencoders import image_standardization, standardizes
from adversarial.models.checks import check_probabilities
from adversarial.models.compilation import compiles_with_xla
from adversarial.training.checkpoints import even_size
from adversarial.training.objective import Objective

TARGET_ROWS = 1024
"""Rows per pass, at most, when targets are computed."""


class PredictionMatcher(keras.Model):  # type: ignore[misc]  # keras is untyped
    """The composition M(AE(x)), of which only AE is trained.

    The classifier sits in a closure, out of sight of Keras's attribute tracking: its variables are
    not among this model's, so neither its weights nor its `trainable` need touching. Nor is the
    standardisation tracked: Keras would complain that such a layer was never built.

    Parameters
    ----------
    autoencoder : keras.Model
        AE, trained in place, in training mode.
    classifier : keras.Model
        M with the hidden layers' outputs, from `with_hidden`; called in inference mode.
    objective : Objective
        Terms and weights.
    projections : sequence of (n_features, dimension) arrays
        One per hidden layer. Trained from there if the objective says so.
    targets : callable, optional
        Maps rows, as tensors, to what is to be matched (`Targets.in_graph`): for training on rows
        that come without targets, because they are new in every epoch.
    """

    def __init__(
        self,
        autoencoder: keras.Model,
        classifier: keras.Model,
        objective: Objective,
        projections: Sequence[NDArray[np.float32]] = (),
        targets: Callable[[Any], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(name="prediction_matcher")
        self._targets = targets
        self.autoencoder = autoencoder
        self._classify: Callable[[Any], dict[str, Any]] = lambda x: classifier(x, training=False)
        self._objective = objective
        self._to_reconstruct: Callable[[Any], Any] = (
            image_standardization().__call__ if standardizes(autoencoder) else lambda x: x
        )
        self._projections = [
            self.add_weight(
                shape=values.shape,
                initializer=keras.initializers.Constant(values),
                trainable=objective.projection == "trained",
                name=f"projection_{number}",
            )
            for number, values in enumerate(projections)
        ]
        terms = [name for name in ("kl", "mse") if getattr(objective, name)]
        terms += [layer.name for layer in objective.hidden]
        self._terms = {name: keras.metrics.Mean(name=name) for name in terms if len(terms) > 1}

    def call(self, x: Any, training: bool | None = None) -> dict[str, Any]:
        """Return AE(x), M(AE(x)) and the hidden layers' features of AE(x)."""
        reconstruction = self.autoencoder(x, training=training)
        result = {"reconstruction": reconstruction}
        if self._objective.asks_classifier:
            result |= {
                name: ops.cast(values, "float32")
                for name, values in self._classify(reconstruction).items()
            }
        return result

    def compute_loss(  # the signature is Keras's
        self,
        x: Any,
        y: Any,
        y_pred: Any,
        sample_weight: Any = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Any:
        """Return the objective's mean over the batch, plus the autoencoder's regularisation.

        `y` holds M(x)_T and the hidden targets (`Targets`); where it is None, they are computed in
        the same pass.
        """
        objective = self._objective
        if y is None and self._targets is not None:
            y = self._targets(x)
        loss: Any = 0.0
        if objective.kl:
            loss += self._term(
                "kl", objective.kl, kl_divergence(y["probabilities"], y_pred["probabilities"])
            )
        if objective.mse:
            target = self._to_reconstruct(x)
            loss += self._term(
                "mse", objective.mse, squared_error(target, y_pred["reconstruction"])
            )
        for number, (layer, projection) in enumerate(
            zip(objective.hidden, self._projections, strict=True)
        ):
            target = y[f"hidden_{number}"]
            if objective.projection == "trained":
                target = project(target, projection)
            matched = project(y_pred[f"hidden_{number}"], projection)
            loss += self._term(layer.name, layer.weight, kl_divergence(target, matched))
        for penalty in self.losses:
            loss += penalty
        return loss

    def _term(self, name: str, weight: float, values: Any) -> Any:
        if name in self._terms:
            self._terms[name].update_state(values)
        return weight * ops.mean(values)


def with_hidden(classifier: keras.Model, names: Sequence[str]) -> keras.Model:
    """Return a model with the same layers that outputs M(x) and some of them, flattened.

    Its outputs are named `probabilities`, `hidden_0`, `hidden_1` and so on.

    Raises
    ------
    ModelError
        If a layer does not exist, or the classifier's layers form no graph to take it from.
    """
    try:
        inputs, outputs = classifier.inputs[0], {"probabilities": classifier.outputs[0]}
    except AttributeError:  # a subclassed model: no graph to look into
        inputs = keras.Input(classifier.input_shape[1:])
        outputs = {"probabilities": classifier(inputs)}
    layers = {layer.name: layer for layer in classifier.layers}
    for number, name in enumerate(names):
        try:
            outputs[f"hidden_{number}"] = keras.layers.Flatten()(layers[name].output)
        except (AttributeError, KeyError, ValueError):
            raise ModelError(
                f"the classifier has no layer {name!r} with one output to match: it has "
                f"{', '.join(layers)}"
            ) from None
    model = keras.Model(inputs, outputs)
    model.jit_compile = compiles_with_xla()
    return model


class Targets:
    """What the autoencoder is to match, for any rows.

    Parameters
    ----------
    monitored : keras.Model
        M with the hidden layers' outputs, from `with_hidden`.
    x : (n, *input_shape) float32 array
        Training rows, of which the first 1,024 scale the projections.
    objective : Objective
        Terms and temperature.
    seed : int
        Seed of the projections.

    Attributes
    ----------
    projections : list of (n_features, dimension) arrays
        One per hidden layer. The entries are normal, scaled so that the projected features of the
        first training rows have variance 1.

    Raises
    ------
    ModelError
        If nothing of the classifier is to be matched, and its output for the first training row is
        not a probability distribution; otherwise the targets themselves are checked.
    """

    def __init__(
        self, monitored: keras.Model, x: NDArray[np.float32], objective: Objective, seed: int
    ) -> None:
        self._monitored = monitored
        self._objective = objective
        if not objective.asks_classifier:
            check_probabilities(monitored.predict_on_batch(x[:1])["probabilities"])
        self.projections: list[NDArray[np.float32]] = []
        rng = np.random.default_rng(seed)
        result = monitored.predict_on_batch(x[:TARGET_ROWS]) if objective.hidden else {}
        for number, layer in enumerate(objective.hidden):
            features = result[f"hidden_{number}"]
            drawn = rng.normal(size=(features.shape[1], layer.dimension))
            spread = (features @ drawn).std()
            self.projections.append((drawn / max(spread, 1e-7)).astype(np.float32))

    def by(self, monitored: keras.Model) -> "Targets":
        """Return the same targets, computed by a copy of M such as one in mixed precision."""
        other = copy.copy(self)
        other._monitored = monitored
        return other

    def __call__(self, x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return M(x)_T and the hidden layers' features, projected unless that is trained.

        Empty where reconstruction is the only objective: M is not run then.

        Raises
        ------
        ModelError
            If the classifier's output is not a probability distribution.
        """
        if not self._objective.asks_classifier:
            return {}
        parts: list[dict[str, NDArray[np.float32]]] = []
        size = even_size(len(x), TARGET_ROWS)
        for start in range(0, len(x), size):
            outputs = self._monitored.predict_on_batch(x[start : start + size])
            check_probabilities(outputs["probabilities"])
            parts.append(
                {name: ops.convert_to_numpy(y) for name, y in self._matched(outputs).items()}
            )
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def in_graph(self, x: Any) -> dict[str, Any]:
        """Return the same for rows as tensors, unchecked, within the pass that trains on them."""
        if not self._objective.asks_classifier:
            return {}
        outputs = self._monitored(x, training=False)
        return {name: ops.stop_gradient(y) for name, y in self._matched(outputs).items()}

    def _matched(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is matched of M's outputs: sharpened, projected unless that is trained."""
        result = {name: ops.cast(values, "float32") for name, values in outputs.items()}
        if self._objective.projection == "fixed":
            for number, projection in enumerate(self.projections):
                result[f"hidden_{number}"] = project(result[f"hidden_{number}"], projection)
        if self._objective.temperature != 1.0:
            result["probabilities"] = scale_temperature(
                result["probabilities"], self._objective.temperature
            )
        return result
