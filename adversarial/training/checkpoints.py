"""Training that can be killed: a checkpoint after every epoch, and reproducible batches.

A resumed run ends with the same weights as one that was never stopped. Keras alone cannot do that:
its shuffling depends on the epochs before, and its files leave out the random states of layers such
as Dropout. Here the order of rows in epoch k and the random states it starts with depend only on
the seed and k; a checkpoint holds the weights and the optimiser.
"""

import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.errors import DriftMonitorError
from adversarial.files import describe_changes, replace_file, write_json
from adversarial.models.compilation import compiles_with_xla

logger = logging.getLogger(__name__)

STATE = "state.json"
WEIGHTS = "epoch-{:04d}.weights.h5"
MONITORED = "val_loss"
"""The history value that decides which epoch is best."""

Arrays = Mapping[str, NDArray[Any]]
Augment = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]
Targets = Arrays | NDArray[Any]
History = dict[str, list[float]]


class CheckpointError(DriftMonitorError):
    """A checkpoint cannot be resumed."""


class TrainingError(DriftMonitorError):
    """A training run failed."""


class Checkpoints:
    """The checkpoints of one training run, in a directory of their own.

    Parameters
    ----------
    directory : Path
        Created if it is missing. Every run needs its own.
    settings : mapping
        What the weights depend on, as JSON values. A run can only be resumed with the same
        settings.
    resume : bool
        Continue from the checkpoint in the directory, if there is one; otherwise start from the
        beginning.
    keep : int
        Number of epochs whose weights are kept: the last ones or, with `patience`, those with the
        lowest validation loss.
    patience : int, optional
        The run is over when the validation loss has not improved for this many epochs.

    Raises
    ------
    CheckpointError
        If the checkpoint in the directory was made with other settings, or cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
        keep: int = 1,
        patience: int | None = None,
    ) -> None:
        self.directory = directory
        # How many epochs are kept, and which, cannot be changed once the others are gone.
        kept = {"snapshots": keep, "best by": None if patience is None else MONITORED}
        self.settings = json.loads(json.dumps({**settings, **kept}))
        self.keep = keep
        self.patience = patience
        self.history: History = {}
        directory.mkdir(parents=True, exist_ok=True)
        if resume and (directory / STATE).exists():
            self._read()
        else:
            self.remove()
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def epochs(self) -> int:
        """Number of epochs done."""
        return max(map(len, self.history.values()), default=0)

    def chosen(self) -> list[int]:
        """Return the numbers, from 1, of the epochs that are kept, best or last one first."""
        if self.patience is None:
            return list(range(self.epochs, 0, -1)[: self.keep])
        values = self.history.get(MONITORED, [])
        if len(values) != self.epochs:
            raise CheckpointError(
                f"the history has no {MONITORED!r} to choose the best epoch by: hold out rows for "
                "validation"
            )
        return sorted(range(1, self.epochs + 1), key=lambda epoch: values[epoch - 1])[: self.keep]

    def is_exhausted(self) -> bool:
        """Say whether the best epoch lies `patience` epochs back; never without a patience."""
        if self.patience is None or not self.epochs:
            return False
        return self.epochs - self.chosen()[0] >= self.patience

    def save(self, model: keras.Model, logs: Mapping[str, float]) -> None:
        """Commit one more epoch: its weights first, then the state that names it."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        with replace_file(self._weights(self.epochs)) as scratch:
            model.save_weights(scratch)
        state = {"settings": self.settings, "history": self.history}
        write_json(self.directory / STATE, state)
        kept = {self._weights(epoch) for epoch in (*self.chosen(), self.epochs)}
        for path in self.directory.glob("epoch-*.weights.h5"):
            if path not in kept:
                path.unlink()

    def load(self, model: keras.Model, epoch: int) -> None:
        """Give `model`, built and compiled, the weights it had after `epoch` epochs."""
        try:
            model.load_weights(self._weights(epoch))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{self._weights(epoch)} cannot be loaded ({str(error).splitlines()[0]}): start "
                "again without resuming"
            ) from error

    def remove(self) -> None:
        """Remove the checkpoints, and the directory if nothing else is in it."""
        for path in (
            *self.directory.glob("*epoch-*.weights.h5"),
            *self.directory.glob(f"{STATE}*"),
        ):
            path.unlink()
        if not os.listdir(self.directory):  # noqa: PTH208  # iterdir would need a list all the same
            self.directory.rmdir()

    def _weights(self, epoch: int) -> Path:
        return self.directory / WEIGHTS.format(epoch)

    def _read(self) -> None:
        path = self.directory / STATE
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            settings = dict(state["settings"])
            history = {name: list(values) for name, values in state["history"].items()}
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"{path} cannot be read ({error}): start again without resuming"
            ) from None
        if changed := describe_changes(settings, self.settings):
            raise CheckpointError(
                f"the checkpoint in {self.directory} was made with other settings ({changed}): "
                "resume with the same ones, or start again without resuming"
            )
        self.history = history


@dataclass(frozen=True, eq=False)
class Batches:
    """Training rows in reproducible batches: the seed and an epoch's number give its order.

    Where XLA compiles the step, which it would do anew for another size, the last batch of an epoch
    is filled up with rows from its start.

    Parameters
    ----------
    x : (n, …) array
        Training rows.
    y : (n, …) array or a dict of them, optional
        Targets, of the rows before they are augmented. None where the model finds its own.
    batch_size : int
        Rows per step.
    seed : int
        Seed of the shuffling and the augmentation.
    augment : callable, optional
        Maps a batch of rows and a random generator to the rows to train on.
    """

    x: NDArray[Any]
    y: Targets | None
    batch_size: int
    seed: int
    augment: Augment | None = None

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""
        return math.ceil(len(self.x) / self.batch_size)

    def from_epoch(self, first: int) -> Iterator[tuple[Any, ...]]:
        """Yield batches for ever, from the start of epoch number `first`."""
        for epoch in itertools.count(first):
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(len(self.x))
            if compiles_with_xla():
                order = np.resize(order, self.steps * min(self.batch_size, len(order)))
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                part = self.augment(self.x[rows], rng) if self.augment else self.x[rows]
                if self.y is None:
                    yield (part,)
                elif isinstance(self.y, Mapping):
                    yield part, {name: array[rows] for name, array in self.y.items()}
                else:
                    yield part, self.y[rows]


class _EachEpoch(keras.callbacks.Callback):  # type: ignore[misc]  # keras is untyped
    """Seeds each epoch, commits it, and stops the run when its patience is exhausted."""

    def __init__(self, checkpoints: Checkpoints, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.checkpoints = checkpoints
        self.started = self.begun = 0.0
        self.first: int | None = None

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        states = [v for v in self.model.variables if v.path.endswith("seed_generator_state")]
        for number, state in enumerate(states):
            rng = np.random.default_rng([self.seed, epoch, number])
            state.assign(rng.integers(2**31, size=2))
        self.started = time.monotonic()
        if self.first is None:
            self.first, self.begun = epoch, self.started

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        seconds = time.monotonic() - self.started
        broken = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                f"{' and '.join(broken)} of epoch {self.checkpoints.epochs + 1} is not finite: the "
                "training has diverged; lower the learning rate, or any unusual weights and "
                "temperatures"
            )
        self.checkpoints.save(self.model, {**(logs or {}), "seconds": seconds})
        self.model.stop_training |= self.checkpoints.is_exhausted()
        left = self.params["epochs"] - epoch - 1
        if self.first is not None and left:
            per_epoch = (time.monotonic() - self.begun) / (epoch + 1 - self.first)
            logger.info("Training: %s left for %d epochs", describe_time(per_epoch * left), left)


def fit(
    model: keras.Model,
    batches: Batches,
    checkpoints: Checkpoints,
    *,
    epochs: int,
    validation: tuple[NDArray[Any], Arrays | NDArray[Any]] | None = None,
    verbose: int | str = "auto",
) -> History:
    """Train a compiled model by `keras.Model.fit`, from where its checkpoints leave off.

    Parameters
    ----------
    model : keras.Model
        Built and compiled; trained in place. If the checkpoints have a patience, it ends with the
        best epoch's weights, otherwise with the last one's.
    batches : Batches
        Training rows and targets.
    checkpoints : Checkpoints
        Checkpoints of this run.
    epochs : int
        Total number of epochs, including those before a resumption.
    validation : (x, y), optional
        Held-out rows; adds `val_` values to the history.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    dict of str to list of float
        One value per epoch; `seconds` is its duration.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be loaded, or has more epochs behind it than are asked for.
    TrainingError
        If the loss or another value of the history becomes infinite or NaN.
    """
    model.optimizer.build(model.trainable_variables)
    done = checkpoints.epochs
    if done > epochs:
        raise CheckpointError(
            f"the checkpoint in {checkpoints.directory} has {done} epochs behind it, more than the "
            f"{epochs} asked for: ask for as many or more, or start again without resuming"
        )
    if done:
        checkpoints.load(model, done)
    if done < epochs and not checkpoints.is_exhausted():
        model.fit(
            batches.from_epoch(done),
            steps_per_epoch=batches.steps,
            initial_epoch=done,
            epochs=epochs,
            validation_data=validation,
            validation_batch_size=validation and even_size(len(validation[0]), batches.batch_size),
            shuffle=False,  # the batches come shuffled
            callbacks=[_EachEpoch(checkpoints, batches.seed)],
            verbose=verbose,
        )
    if checkpoints.patience is not None:
        checkpoints.load(model, checkpoints.chosen()[0])
    return checkpoints.history


def even_size(n: int, largest: int) -> int:
    """Return the size of the fewest batches of `largest` rows or less that are as equal as can be.

    Examples
    --------
    >>> even_size(5000, 128), even_size(3, 128)
    (125, 3)
    """
    return math.ceil(n / math.ceil(n / largest))


def describe_time(seconds: float) -> str:
    """Return a length of time in words, as exact as an estimate can be.

    Examples
    --------
    >>> describe_time(7.2), describe_time(95), describe_time(4000)
    ('7 s', '2 min', '1 h 7 min')
    """
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def checkpoint_dir(output: Path) -> Path:
    """Return where a detector's checkpoints are kept, beside its bundle, until that is written."""
    return output.with_name(f"{output.name}.training")
