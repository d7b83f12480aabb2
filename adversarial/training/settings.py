"""How the autoencoders of a detector are trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from adversarial.detector.ensemble import check_weights
from adversarial.errors import ModelError
from adversarial.training.augmentation import Augmentation
from adversarial.training.objective import Objective

Precision = Literal["float32", "bfloat16"]
Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True)
class TrainingSettings:
    """How an autoencoder is trained; the optimiser is Adam.

    Parameters
    ----------
    objective : Objective
        What it is trained for.
    epochs : int
        Passes over the training rows.
    batch_size : int
        Rows per step.
    learning_rate : float
        Learning rate of the optimiser; above 0.
    schedule : {"constant", "cosine"}
        "cosine" lowers the learning rate to zero along half a cosine over the epochs.
    validation_split : float
        Share of the rows, 0 or more and below 1, that is held out for the validation loss. They are
        drawn at random by `seed`.
    augmentation : Augmentation, optional
        Augmentation of the training images: an autoencoder soon learns them by heart, and then
        corrects new ones less well. M(x) is recomputed in each epoch. Ask for no more than the
        classifier was trained with.
    patience : int, optional
        Stop when the validation loss has not improved for this many epochs, and keep the weights of
        the best epoch.
    snapshots : int
        Number of epochs whose weights are kept: the last ones or, with `patience`, the best.
    precision : {"auto", "float32", "bfloat16"}
        Precision of the forward and backward passes; weights and optimiser are always float32.
        "auto" takes bfloat16 where the hardware is fast at it, checks afterwards that it scores as
        float32 does, and trains again in float32 if it does not
        (`adversarial.training.mixed_precision`).
    seed : int
        Seeds the split, the shuffling, the augmentation and the projections.

    Raises
    ------
    ModelError
        If the learning rate, the validation split or the number of snapshots is out of range.

    Examples
    --------
    >>> TrainingSettings(epochs=20, objective=Objective(temperature=0.5)).learning_rate
    0.001
    """

    objective: Objective = field(default_factory=Objective)
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    validation_split: float = 0.05
    augmentation: Augmentation | None = None
    patience: int | None = None
    snapshots: int = 1
    precision: Literal["auto"] | Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ModelError(f"learning rate is {self.learning_rate:g}: expected a number above 0")
        if not 0 <= self.validation_split < 1:
            raise ModelError(
                f"validation_split is {self.validation_split}: expected a share below 1"
            )
        if not 1 <= self.snapshots <= self.epochs:
            raise ModelError(
                f"{self.snapshots} snapshots of {self.epochs} epochs: ask for at least one, and at "
                "most one per epoch"
            )


@dataclass(frozen=True)
class Plan:
    """How the autoencoders of a detector are made.

    Parameters
    ----------
    autoencoders : sequence of str
        One training run each: names of architectures ("auto", "image", "dense", "cifar10"; see
        `models.autoencoders.make_autoencoder`), or `.keras` files with models of your own, which
        are trained further from the weights they have. Several make an ensemble.
    weights : sequence of float, optional
        w_j of the members, in the order of the runs and, within a run, of its snapshots, the newest
        (or best) first. Equal shares of 1 when not given.
    latent_dim : int, optional
        Width of the bottleneck; the architecture's own when not given.
    choose_temperature : bool
        Choose the objective's temperature on held-out rows (`adversarial.training.temperature`).
    training : TrainingSettings
        Settings of every run. Each of its snapshots is a member of the ensemble; its seed also
        gives the weights that an architecture starts from.
    """

    autoencoders: Sequence[str] = ("auto",)
    weights: Sequence[float] | None = None
    latent_dim: int | None = None
    choose_temperature: bool = False
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        if not self.autoencoders:
            raise ModelError("a plan needs at least one autoencoder")
        check_weights(self.weights, len(self.autoencoders) * self.training.snapshots)
