"""Training of the autoencoder: match the classifier's predictions on x and AE(x) (Eq. 5 to 9)."""

import math
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.files import arrays_digest
from adversarial.models.checks import check_finite
from adversarial.models.folding import fold_batch_normalization
from adversarial.training.augmentation import Augmentation
from adversarial.training.checkpoints import Checkpoints, History, fit
from adversarial.training.matching import PredictionMatcher, Targets, with_hidden
from adversarial.training.mixed_precision import (
    bfloat16_is_fast,
    can_mix,
    find_disagreement,
    mixed_copy,
)
from adversarial.training.objective import Objective

Weights = list[NDArray[np.float32]]
Precision = Literal["float32", "bfloat16"]
Schedule = Literal["constant", "cosine"]

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
        What the forward and backward passes ran in.
    """

    history: History
    snapshots: list[Weights]
    precision: Precision


def fit_autoencoder(
    classifier: keras.Model,
    autoencoder: keras.Model,
    x: NDArray[np.float32],
    *,
    objective: Objective | None = None,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    schedule: Schedule = "constant",
    validation_split: float = 0.05,
    augmentation: Augmentation | None = None,
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
    schedule : {"constant", "cosine"}
        "cosine" lowers the learning rate to zero by half a cosine over the epochs.
    validation_split : float
        Share of the rows, drawn at random by `seed`, held out for the validation loss.
    augmentation : Augmentation, optional
        Of the training images; an autoencoder learns them by heart soon, and then corrects new ones
        less well. M(x) is computed anew in each epoch. Ask for no more than the classifier was
        trained with.
    patience : int, optional
        Stop when the validation loss has not improved for so many epochs, and keep the best epoch's
        weights.
    snapshots : int
        Number of epochs whose weights are returned: the last ones, or with `patience` the best.
    precision : {"auto", "float32", "bfloat16"}
        Of the passes; weights and optimiser are float32 always. "auto" takes bfloat16 where the
        hardware is fast in it, checks afterwards that it scores as float32 does, and trains again
        in float32 if it does not (`adversarial.training.mixed_precision`).
    checkpoint_dir : Path, optional
        Where a checkpoint is put after every epoch; a temporary directory when not given.
    resume : bool
        Go on from the checkpoint in `checkpoint_dir`, if there is one. The weights end up the same
        as those of a run that was never stopped.
    seed : int
        Seeds the split, the shuffling, the augmentation and the projections. The weights an
        autoencoder starts from are its maker's.
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
        autoencoder and rows do not agree, a hidden layer is not there, or rows that are no images
        are to be augmented.
    CheckpointError
        If the checkpoint was made with other settings or data.
    TrainingError
        If the loss becomes infinite or NaN.
    """
    if not autoencoder.input_shape[1:] == autoencoder.output_shape[1:] == x.shape[1:]:
        raise ModelError(
            f"the autoencoder maps {autoencoder.input_shape[1:]} to "
            f"{autoencoder.output_shape[1:]}, but the rows are {x.shape[1:]}"
        )
    if not len(x):
        raise ModelError("there are no rows to train on")
    check_finite(x)
    if not 0 <= validation_split < 1:
        raise ModelError(f"validation_split is {validation_split}: expected a share below 1")
    objective = objective or Objective()
    order = np.random.default_rng(seed).permutation(len(x))
    n_validation = int(len(x) * validation_split)
    held_out, rows = x[order[:n_validation]], x[order[n_validation:]]
    monitored = with_hidden(classifier, [layer.name for layer in objective.hidden])
    monitored = fold_batch_normalization(monitored)
    targets_of = Targets(monitored, rows, objective, seed)
    if augmentation:  # what is wrong with it is better said here than from within Keras's loop
        targets_of(augmentation(rows[:1], np.random.default_rng(seed)))
    # Of rows that stay as they are, once and not once per epoch.
    fixed = None if augmentation else targets_of(rows)
    validation = (held_out, targets_of(held_out)) if n_validation else None
    initial = autoencoder.get_weights()

    def train(chosen: Precision, directory: Path, resume: bool) -> Training:
        models = [autoencoder, monitored]
        if chosen == "bfloat16":
            models = [mixed_copy(model) for model in models]
        matcher = PredictionMatcher(models[0], models[1], objective, targets_of.projections)
        rate = (
            keras.optimizers.schedules.CosineDecay(
                learning_rate, epochs * math.ceil(len(rows) / batch_size)
            )
            if schedule == "cosine"
            else learning_rate
        )
        matcher.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=False)
        matcher(x[:1])
        keras.utils.set_random_seed(seed)
        runs = Checkpoints(
            directory,
            {
                "objective": asdict(objective),
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                # With a constant one, a run may be resumed for more epochs.
                "schedule": f"cosine over {epochs} epochs" if schedule == "cosine" else schedule,
                "validation_split": validation_split,
                "augmentation": asdict(augmentation) if augmentation else None,
                "precision": chosen,
                "seed": seed,
                # Not the targets: their last bits may differ from one process to the next.
                "rows and classifier": arrays_digest(x, *classifier.get_weights()),
                "initial weights": arrays_digest(*initial),
            },
            resume=resume,
            keep=snapshots,
            monitor="val_loss" if patience is not None else None,
        )
        history = fit(
            matcher,
            rows,
            targets_of.by(models[1]) if fixed is None else fixed,
            runs,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            validation=validation,
            patience=patience,
            augment=augmentation,
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
        again = directory / "float32"
        if again.exists():
            if resume:  # bfloat16 has been found wanting
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


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="drift-monitor-") as scratch:
        yield Path(scratch)
