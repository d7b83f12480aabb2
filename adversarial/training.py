"""Training of the autoencoder: match the classifier's predictions on x and AE(x) (Eq. 5 to 9)."""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from adversarial.checkpoints import Checkpoints, History, digest, fit
from adversarial.errors import ModelError
from adversarial.losses import kl_divergence, project, scale_temperature, squared_error
from adversarial.precision import bfloat16_is_fast, can_mix, find_disagreement, mixed_copy

Weights = list[NDArray[np.float32]]
Precision = Literal["float32", "bfloat16"]

TARGET_ROWS = 1024
N_AGREEMENT = 2_000
"""Held-out rows on which a training in bfloat16 is checked."""


@dataclass(frozen=True)
class HiddenLayer:
    """A hidden layer of the classifier whose features are matched too (Eq. 7 and 8).

    Parameters
    ----------
    name : str
        Name of the layer.
    dimension : int
        Number of values that its flattened output is projected to.
    weight : float
        λ, the weight of its divergence in the loss.
    """

    name: str
    dimension: int = 20
    weight: float = 1.0


@dataclass(frozen=True)
class Objective:
    """What the autoencoder is trained for: a weighted sum of terms, each a function in `losses`.

    Parameters
    ----------
    kl : float
        Weight of D_KL(M(x)_T ‖ M(AE(x))) (Eq. 5).
    mse : float
        Weight of the reconstruction's squared error; alone (kl = 0) it is the baseline AE^MSE.
    temperature : float
        T of the target M(x)_T (Eq. 9); below 1 sharpens it.
    hidden : sequence of HiddenLayer
        Layers whose projected features are matched (Eq. 7 and 8).
    projection : {"fixed", "trained"}
        ψ of Eq. 8: a random projection, or one that is trained together with the autoencoder.
    """

    kl: float = 1.0
    mse: float = 0.0
    temperature: float = 1.0
    hidden: Sequence[HiddenLayer] = ()
    projection: Literal["fixed", "trained"] = "fixed"

    def __post_init__(self) -> None:
        weights = [self.kl, self.mse, *(layer.weight for layer in self.hidden)]
        if min(weights) < 0 or max(weights) == 0:
            raise ModelError(
                f"the objective has the weights {weights}: give one above 0, none below"
            )
        if self.temperature <= 0:
            raise ModelError(f"temperature is {self.temperature}: expected a number above 0")


@dataclass(frozen=True)
class Training:
    """What a training run left behind, besides the trained autoencoder.

    Attributes
    ----------
    history : dict of str to list of float
        `loss` and `val_loss`, one value per epoch, in nats; where the objective has several terms,
        each of them by name, unweighted.
    snapshots : list of list of arrays
        The autoencoder's weights after the epochs that were asked for, in the order of
        `keras.Model.get_weights`. The first are those it was left with.
    precision : str
        What the forward and backward passes ran in.
    """

    history: History
    snapshots: list[Weights]
    precision: Precision


class PredictionMatcher(keras.Model):  # type: ignore[misc]  # keras is untyped
    """The composition M(AE(x)), of which only AE is trained.

    The classifier sits in a closure, out of sight of Keras's attribute tracking: its variables are
    not among this model's, so neither its weights nor its `trainable` need touching.

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
    """

    def __init__(
        self,
        autoencoder: keras.Model,
        classifier: keras.Model,
        objective: Objective,
        projections: Sequence[NDArray[np.float32]] = (),
    ) -> None:
        super().__init__(name="prediction_matcher")
        self.autoencoder = autoencoder
        self._classify: Callable[[Any], dict[str, Any]] = lambda x: classifier(x, training=False)
        self._objective = objective
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
        found = {"reconstruction": reconstruction}
        if self._objective.kl or self._objective.hidden:
            found |= {
                name: ops.cast(values, "float32")
                for name, values in self._classify(reconstruction).items()
            }
        return found

    def compute_loss(  # the signature is Keras's
        self,
        x: Any,
        y: Any,
        y_pred: Any,
        sample_weight: Any = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Any:
        """Return the objective's mean over the batch, and what regularises the autoencoder.

        `y` holds M(x)_T and the hidden targets, computed once before training and not once per
        epoch.
        """
        objective = self._objective
        loss: Any = 0.0
        if objective.kl:
            loss += self._term(
                "kl", objective.kl, kl_divergence(y["probabilities"], y_pred["probabilities"])
            )
        if objective.mse:
            loss += self._term("mse", objective.mse, squared_error(x, y_pred["reconstruction"]))
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


def fit_autoencoder(
    classifier: keras.Model,
    autoencoder: keras.Model,
    x: NDArray[np.float32],
    *,
    objective: Objective | None = None,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    validation_split: float = 0.05,
    patience: int | None = None,
    snapshots: int = 1,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    checkpoint_dir: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    verbose: int | str = "auto",
) -> Training:
    """Train `autoencoder` in place so that M(AE(x)) matches M(x).

    Parameters
    ----------
    classifier : keras.Model
        M; its output must be probabilities, (n, n_classes). It is not changed.
    autoencoder : keras.Model
        AE, from the input space of M to itself.
    x : (n, *input_shape) float32 array
        Normal rows; no labels are needed.
    objective : Objective, optional
        What to train for; the KL divergence of the predictions alone when not given.
    epochs, batch_size, learning_rate
        Of the Adam optimiser.
    validation_split : float
        Share of the rows, drawn at random by `seed`, held out for the validation loss.
    patience : int, optional
        Stop when the validation loss has not improved for so many epochs, and keep the best epoch's
        weights.
    snapshots : int
        Number of epochs whose weights are returned: the last ones, or with `patience` the best.
    precision : {"auto", "float32", "bfloat16"}
        Of the passes; weights and optimiser are float32 always. "auto" takes bfloat16 where the
        hardware is fast in it, checks afterwards that it scores as float32 does, and trains again
        in float32 if it does not (`adversarial.precision`).
    checkpoint_dir : Path, optional
        Where a checkpoint is put after every epoch; a temporary directory when not given.
    resume : bool
        Go on from the checkpoint in `checkpoint_dir`, if there is one. The weights end up the same
        as those of a run that was never stopped.
    seed : int
        Seeds the split, the shuffling and the projections. The weights an autoencoder starts from
        are its maker's.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    Training
        History, snapshots and precision.

    Raises
    ------
    ModelError
        If the classifier's output is not a probability distribution, or the shapes of classifier,
        autoencoder and rows do not agree, or a hidden layer is not there.
    CheckpointError
        If the checkpoint was made with other settings or data.
    """
    if not autoencoder.input_shape[1:] == autoencoder.output_shape[1:] == x.shape[1:]:
        raise ModelError(
            f"the autoencoder maps {autoencoder.input_shape[1:]} to "
            f"{autoencoder.output_shape[1:]}, but the rows are {x.shape[1:]}"
        )
    if not 0 <= validation_split < 1:
        raise ModelError(f"validation_split is {validation_split}: expected a share below 1")
    objective = objective or Objective()
    order = np.random.default_rng(seed).permutation(len(x))
    n_validation = int(len(x) * validation_split)
    held_out, rows = order[:n_validation], order[n_validation:]
    monitored = with_hidden(classifier, [layer.name for layer in objective.hidden])
    targets, projections = _targets(monitored, x, rows, objective, seed)
    initial = autoencoder.get_weights()

    def train(chosen: Precision, directory: Path, resume: bool) -> Training:
        models = [autoencoder, monitored]
        if chosen == "bfloat16":
            models = [mixed_copy(model) for model in models]
        matcher = PredictionMatcher(models[0], models[1], objective, projections)
        matcher.compile(optimizer=keras.optimizers.Adam(learning_rate), jit_compile=False)
        matcher(x[:1])
        keras.utils.set_random_seed(seed)
        runs = Checkpoints(
            directory,
            {
                "objective": asdict(objective),
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                "validation_split": validation_split,
                "precision": chosen,
                "seed": seed,
                "rows and targets": digest(x, targets["probabilities"]),
                "initial weights": digest(*initial),
            },
            resume=resume,
            keep=snapshots,
            monitor="val_loss" if patience is not None else None,
        )
        history = fit(
            matcher,
            x[rows],
            {name: values[rows] for name, values in targets.items()},
            runs,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            validation=(
                (x[held_out], {name: values[held_out] for name, values in targets.items()})
                if n_validation
                else None
            ),
            patience=patience,
            verbose=verbose,
        )
        found: list[Weights] = []
        for epoch in runs.chosen():
            runs.load(matcher, epoch)
            found.append(models[0].get_weights())
        autoencoder.set_weights(found[0])
        return Training(history, found, chosen)

    with _directory(checkpoint_dir) as directory:
        if precision != "auto":
            return train(precision, directory, resume)
        if not (bfloat16_is_fast() and can_mix(autoencoder) and can_mix(monitored)):
            return train("float32", directory, resume)
        training = train("bfloat16", directory, resume)
        sample = x[held_out if n_validation else rows][:N_AGREEMENT]
        disagreement = find_disagreement(classifier, autoencoder, sample, seed)
        if disagreement is None:
            return training
        warnings.warn(f"training again in float32: {disagreement}", stacklevel=2)
        autoencoder.set_weights(initial)
        return train("float32", directory, resume=False)


def with_hidden(classifier: keras.Model, names: Sequence[str]) -> keras.Model:
    """Return a model of the same layers that gives M(x) and the flattened outputs of some of them.

    Its outputs are named `probabilities`, `hidden_0`, `hidden_1` and so on.

    Raises
    ------
    ModelError
        If a layer is not there, or the classifier's layers form no graph to take one from.
    """
    try:
        inputs, outputs = classifier.inputs, {"probabilities": classifier.outputs[0]}
    except AttributeError:  # written as a class of its own: no graph to look into
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
    model.jit_compile = False
    return model


def _targets(
    monitored: keras.Model,
    x: NDArray[np.float32],
    rows: NDArray[np.int64],
    objective: Objective,
    seed: int,
) -> tuple[dict[str, NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Return what does not change while the autoencoder learns: targets by name, and projections.

    A projection's entries are normal, scaled so that what it gives of the first training rows has
    variance 1. With a trained one the target is the features themselves, all in memory.
    """
    rng = np.random.default_rng(seed)
    projections: list[NDArray[np.float32]] = []
    if objective.hidden:
        found = monitored.predict_on_batch(x[rows[:TARGET_ROWS]])
        for number, layer in enumerate(objective.hidden):
            features = found[f"hidden_{number}"]
            drawn = rng.normal(size=(features.shape[1], layer.dimension))
            spread = (features @ drawn).std()
            projections.append((drawn / max(spread, 1e-7)).astype(np.float32))

    parts: list[dict[str, NDArray[np.float32]]] = []
    for start in range(0, len(x), TARGET_ROWS):
        found = monitored.predict_on_batch(x[start : start + TARGET_ROWS])
        if objective.projection == "fixed":
            for number, projection in enumerate(projections):
                name = f"hidden_{number}"
                found[name] = ops.convert_to_numpy(project(found[name], projection))
        parts.append(found)
    targets = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    check_probabilities(targets["probabilities"])
    if objective.temperature != 1.0:
        targets["probabilities"] = ops.convert_to_numpy(
            scale_temperature(targets["probabilities"], objective.temperature)
        )
    return targets, projections


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="drift-monitor-") as scratch:
        yield Path(scratch)


def check_probabilities(output: NDArray[np.float32]) -> None:
    """Raise ModelError unless every row of `output` is a probability distribution."""
    found = None
    if output.ndim != 2 or output.shape[1] < 2:
        found = f"shape {output.shape}"
    elif not np.isfinite(output).all():
        found = "values that are not finite"
    elif output.min() < 0 or np.abs(output.sum(axis=1) - 1).max() > 1e-3:
        found = f"values from {output.min():.3g} to {output.max():.3g} whose rows do not sum to 1"
    if found:
        raise ModelError(
            f"the classifier's output has {found}: expected (rows, classes) probabilities; "
            "end the model in a softmax layer, one unit per class"
        )
