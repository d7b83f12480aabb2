"""Training of the autoencoder: match the classifier's predictions on x and AE(x) (Eq. 5 to 9)."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import scipy
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.files import arrays_digest
from adversarial.models.checks import check_finite
from adversarial.models.compilation import compiles_with_xla
from adversarial.models.folding import fold_batch_normalization
from adversarial.training.checkpoints import Batches, Checkpoints, History, TrainingError, fit
from adversarial.training.matching import PredictionMatcher, Targets, with_hidden
from adversarial.training.mixed_precision import (
    bfloat16_is_fast,
    can_mix,
    find_disagreement,
    mixed_copy,
)
from adversarial.training.settings import Precision, TrainingSettings

Weights = list[NDArray[np.float32]]

LEAST_CHANGE = 1e-3
"""Relative change of the loss over all epochs below which it has not moved."""
LEAST_LOSS = 0.01
"""In nats; a smaller loss is as good as none."""
N_AGREEMENT = 2_000
"""Held-out rows on which a training in bfloat16 is checked."""


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
        Precision of the forward and backward passes.
    """

    history: History
    snapshots: list[Weights]
    precision: Precision


def fit_autoencoder(
    classifier: keras.Model,
    autoencoder: keras.Model,
    x: NDArray[np.float32],
    settings: TrainingSettings | None = None,
    *,
    origin: str | None = None,
    checkpoint_dir: Path | None = None,
    resume: bool = False,
    verbose: int | str = "auto",
) -> Training:
    """Train `autoencoder` in place so that M(AE(x)) matches M(x).

    Parameters
    ----------
    classifier : keras.Model
        M; its output must be probabilities, (n, n_classes). It is not changed.
    autoencoder : keras.Model
        AE, from the input space of M to itself. Training starts from the weights it has.
    x : (n, *input_shape) float32 array
        Normal rows; no labels are needed.
    settings : TrainingSettings, optional
        What to train for, and how: 10 epochs that match the predictions when not given.
    origin : str, optional
        What the initial weights are, such as an architecture's name, for `resume` to recognise
        them by; their digest when not given, but a seed gives other weights on another of Keras's
        backends.
    checkpoint_dir : Path, optional
        Where a checkpoint is put after every epoch; a temporary directory when not given.
    resume : bool
        Continue from the checkpoint in `checkpoint_dir`, if there is one. The weights end up the
        same as those of a run that was never stopped.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    Training
        History, snapshots and precision.

    Raises
    ------
    ModelError
        If the classifier's output is not a probability distribution, the shapes of classifier,
        autoencoder and rows do not agree, a hidden layer does not exist, or rows that are not
        images are to be augmented.
    CheckpointError
        If the checkpoint was made with other settings or data.
    TrainingError
        If the loss becomes infinite or NaN, or has not moved although it is no better than that of
        reconstructions that tell nothing of their rows.

    Examples
    --------
    >>> autoencoder = make_autoencoder("auto", x)  # doctest: +SKIP
    >>> training = fit_autoencoder(classifier, autoencoder, x)  # doctest: +SKIP
    >>> settings = TrainingSettings(epochs=50, patience=3)  # doctest: +SKIP
    >>> training = fit_autoencoder(classifier, autoencoder, x, settings)  # doctest: +SKIP
    """
    _check_rows(autoencoder, x)
    settings = settings or TrainingSettings()
    objective, augmentation, seed = settings.objective, settings.augmentation, settings.seed
    order = np.random.default_rng(seed).permutation(len(x))
    n_validation = int(len(x) * settings.validation_split)
    held_out, rows = x[order[:n_validation]], x[order[n_validation:]]
    monitored = with_hidden(classifier, [layer.name for layer in objective.hidden])
    monitored = fold_batch_normalization(monitored)
    targets_of = Targets(monitored, rows, objective, seed)
    if augmentation:  # an error is clearer here than from inside Keras's loop
        augmentation(rows[:1], np.random.default_rng(seed))
        if not n_validation:
            targets_of(rows[:1])
    # Without augmentation the rows, and so their targets, are the same in every epoch.
    fixed = None if augmentation else targets_of(rows)
    validation = (held_out, targets_of(held_out)) if n_validation else None
    initial = autoencoder.get_weights()
    # Not the targets: their last bits may differ from one process to the next.
    digests = {
        "rows and classifier": arrays_digest(x, *classifier.get_weights()),
        "initial weights": origin or arrays_digest(*initial),
    }

    def train(precision: Precision, directory: Path, resume: bool) -> Training:
        models = [autoencoder, monitored]
        if precision == "bfloat16":
            models = [mixed_copy(model) for model in models]
        batches = Batches(rows, fixed, settings.batch_size, seed, augmentation)
        matcher = PredictionMatcher(
            models[0],
            models[1],
            objective,
            targets_of.projections,
            targets_of.by(models[1]).in_graph,
        )
        rate: Any = settings.learning_rate
        if settings.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, settings.epochs * batches.steps)
        matcher.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=compiles_with_xla())
        matcher(keras.Input(x.shape[1:]))
        keras.utils.set_random_seed(seed)
        checkpoints = Checkpoints(
            directory,
            _fixed_settings(settings, precision) | digests,
            resume=resume,
            keep=settings.snapshots,
            patience=settings.patience,
        )
        history = fit(
            matcher,
            batches,
            checkpoints,
            epochs=settings.epochs,
            validation=validation,
            verbose=verbose,
        )
        check_moved(history, targets_of(rows[:N_AGREEMENT]) if fixed is None else fixed)
        snapshots: list[Weights] = []
        for epoch in checkpoints.chosen():
            checkpoints.load(matcher, epoch)
            snapshots.append(models[0].get_weights())
        autoencoder.set_weights(snapshots[0])
        return Training(history, snapshots, precision)

    with _directory(checkpoint_dir) as directory:
        if settings.precision != "auto":
            return train(settings.precision, directory, resume)
        if not (bfloat16_is_fast() and can_mix(autoencoder) and can_mix(monitored)):
            return train("float32", directory, resume)
        again = directory / "float32"
        if again.exists():
            if resume:  # bfloat16 has failed the check before
                return train("float32", again, resume)
            shutil.rmtree(again)
        training = train("bfloat16", directory, resume)
        sample = (held_out if n_validation else rows)[:N_AGREEMENT]
        disagreement = find_disagreement(classifier, autoencoder, sample, seed)
        if disagreement is None:
            return training
        warnings.warn(f"training again in float32: {disagreement}", stacklevel=2)
        autoencoder.set_weights(initial)
        return train("float32", again, resume=False)


def uninformed_loss(targets: NDArray[np.float32]) -> float:
    """Return the mean KL divergence, in nats, of a prediction that is the same for every row.

    Parameters
    ----------
    targets : (n, n_classes) float32
        M(x).

    Examples
    --------
    >>> round(uninformed_loss(np.float32([[1, 0], [0, 1]])), 4)
    0.6931
    """
    mean = targets.mean(axis=0, dtype=np.float64)
    return float(scipy.special.rel_entr(targets, mean).sum(axis=1).mean())


def check_moved(history: History, targets: Mapping[str, NDArray[np.float32]]) -> None:
    """Refuse a training whose loss has stayed where it began, and that has learned nothing.

    Parameters
    ----------
    history : dict of str to list of float
        One value per epoch; with fewer than two nothing can be said.
    targets : mapping of str to arrays
        What was to be matched, M(x) as `probabilities`; without it nothing can be said either.

    Raises
    ------
    TrainingError
        If the loss has changed by less than a thousandth, and is no less than that of
        reconstructions that tell nothing of their rows.
    """
    if "probabilities" not in targets:
        return
    uninformed = max(uninformed_loss(targets["probabilities"]), LEAST_LOSS)
    losses = history["kl" if "kl" in history else "loss"]
    if len(losses) < 2 or min(losses) < uninformed * (1 - LEAST_CHANGE):
        return
    if max(losses) - min(losses) > LEAST_CHANGE * max(losses):
        return
    raise TrainingError(
        f"the loss stayed at {losses[-1]:.3g} nats in all {len(losses)} epochs, where "
        f"{uninformed:.3g} is what reconstructions reach that tell nothing of their rows: the "
        "classifier's prediction does not follow its input here. Its output may be saturated, as "
        "rows reach it in other units than it was trained on (--value-range, or a column that it "
        "divides by a standard deviation of nearly 0); else raise --learning-rate"
    )


def _check_rows(autoencoder: keras.Model, x: NDArray[np.float32]) -> None:
    """Raise ModelError unless the autoencoder can be trained on the rows."""
    if not autoencoder.input_shape[1:] == autoencoder.output_shape[1:] == x.shape[1:]:
        raise ModelError(
            f"the autoencoder maps {autoencoder.input_shape[1:]} to "
            f"{autoencoder.output_shape[1:]}, but the rows are {x.shape[1:]}"
        )
    if not len(x):
        raise ModelError("there are no rows to train on")
    check_finite(x)


def _fixed_settings(settings: TrainingSettings, precision: Precision) -> dict[str, Any]:
    """Return the settings that a run must be resumed with: what the weights depend on."""
    result = asdict(settings) | {"precision": precision}
    # A run may be resumed for more epochs, unless the learning rate depends on their number. The
    # checkpoints know how many snapshots are kept, and whether those are the best.
    for name in ("epochs", "patience", "snapshots"):
        del result[name]
    if settings.schedule == "cosine":
        result["schedule"] = f"cosine over {settings.epochs} epochs"
    return result


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="drift-monitor-") as scratch:
        yield Path(scratch)
