"""The autoencoders of a detector: which ones a plan asks for, and their training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.models.autoencoders import make_autoencoder
from adversarial.models.classifiers import load_model
from adversarial.training.fit import fit_autoencoder
from adversarial.training.settings import Plan
from adversarial.training.temperature import choose_temperature

MIN_ROWS_TO_CHOOSE = 20
"""With fewer, the choice of the temperature would rest on a row or two."""


@dataclass(frozen=True)
class Members:
    """Trained autoencoders.

    Attributes
    ----------
    autoencoders : list of keras.Model
        In the order of the plan's weights.
    temperature : float
        T they were trained with.
    summary : dict
        Summary of the training, for the bundle: the settings, and the losses of each run.
    """

    autoencoders: list[keras.Model]
    temperature: float
    summary: dict[str, Any]


def train_members(
    classifier: keras.Model,
    x: NDArray[np.float32],
    plan: Plan,
    checkpoint_dir: Path,
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    resume: bool = False,
    verbose: int | str = "auto",
) -> Members:
    """Train the autoencoders that a plan asks for.

    Parameters
    ----------
    classifier : keras.Model
        M, with probabilities as output.
    x : (n, *input_shape) float32
        Normal rows.
    plan : Plan
        What to train.
    checkpoint_dir : Path
        Where the checkpoints are kept, in a directory for each run.
    value_range : (float, float)
        Smallest and largest value of a pixel.
    resume : bool
        Continue where checkpoints leave off.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Raises
    ------
    ModelError
        If an autoencoder is unknown, cannot be loaded, or does not have the shape of the rows.
    CheckpointError
        If checkpoints were made with other settings or data.
    """
    settings = plan.training

    def make(name: str) -> keras.Model:
        keras.utils.set_random_seed(settings.seed)
        if name.endswith(".keras"):
            return load_model(Path(name))
        return make_autoencoder(name, x, latent_dim=plan.latent_dim, value_range=value_range)

    # An error in the last one should come to light before the first one is trained.
    for name in plan.autoencoders:
        make(name)
    summary: dict[str, Any] = {
        "rows": len(x),
        "epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "schedule": settings.schedule,
        "augmentation": asdict(settings.augmentation) if settings.augmentation else None,
        "seed": settings.seed,
    }
    if plan.choose_temperature:
        if len(x) < MIN_ROWS_TO_CHOOSE:
            raise ModelError(
                f"{len(x)} rows are too few to choose a temperature on a tenth of them: give it as "
                f"a number, or at least {MIN_ROWS_TO_CHOOSE} rows"
            )
        order = np.random.default_rng(settings.seed).permutation(len(x))
        validation, rows = np.split(order, [len(x) // 10])
        temperature, corrected = choose_temperature(
            classifier,
            lambda: make(plan.autoencoders[0]),
            x[rows],
            x[validation],
            settings,
            verbose=verbose,
        )
        objective = replace(settings.objective, temperature=temperature)
        settings = replace(settings, objective=objective)
        summary["corrected_by_temperature"] = {f"{t:g}": c for t, c in corrected.items()}

    autoencoders: list[keras.Model] = []
    runs: list[dict[str, Any]] = []
    for number, name in enumerate(plan.autoencoders):
        autoencoder = make(name)
        training = fit_autoencoder(
            classifier,
            autoencoder,
            x,
            settings,
            origin=None if name.endswith(".keras") else name,
            checkpoint_dir=checkpoint_dir / str(number),
            resume=resume,
            verbose=verbose,
        )
        for weights in training.snapshots:
            member = make(name)
            member.set_weights(weights)
            autoencoders.append(member)
        history = {key: values for key, values in training.history.items() if key != "seconds"}
        runs.append({"autoencoder": Path(name).name, "precision": training.precision} | history)
    summary["objective"] = asdict(settings.objective)
    summary |= runs[0] if len(runs) == 1 else {"runs": runs}
    return Members(autoencoders, settings.objective.temperature, summary)
