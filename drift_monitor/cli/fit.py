"""The command `drift-monitor fit`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from adversarial.cli.train import parse_hidden_layer
from adversarial.printable import printable
from drift_monitor.cli.detector import print_bundle
from drift_monitor.cli.options import (
    InputColumns,
    Label,
    NoAccuracy,
    NoRuntimeSample,
    ScoreTemperature,
    Segments,
    Shape,
    Trust,
    check_fpr,
    check_temperature,
    parse_data_config,
    parse_names,
)
from drift_monitor.cli.progress import CHANGED_ROWS, show_progress

TRAINING = "Training"
"""Panel in the help."""


def fit(  # noqa: PLR0913  # a parameter is an option of the command
    classifier: Annotated[
        Path, typer.Option(help="Classifier: a .keras or .h5 file, or a SavedModel's directory.")
    ],
    data: Annotated[str, typer.Option(help="Training rows: Parquet path, glob or URL.")],
    output: Annotated[Path, typer.Option(help="Directory of the bundle to write.")],
    reference_data: Annotated[
        str | None,
        typer.Option(
            help="Parquet of normal rows that the classifier was not trained on, for the threshold "
            "and the reference window; a part of --data when not given."
        ),
    ] = None,
    input_columns: InputColumns = "image",
    shape: Shape = None,
    label: Label = None,
    segments: Segments = "",
    class_names: Annotated[
        str | None,
        typer.Option(help="Class names in the order of the outputs, comma-separated or @FILE."),
    ] = None,
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Values that the pixel bytes 0 and 255 stand for; when not given, 0 1, -1 1 and "
            "0 255 are tried."
        ),
    ] = None,
    output_kind: Annotated[
        Literal["auto", "softmax", "logits", "sigmoid"],
        typer.Option(help="What the classifier outputs; auto goes by its last layer's activation."),
    ] = "auto",
    trust: Trust = None,
    fpr: Annotated[float, typer.Option(help="Share of normal rows to flag.")] = 0.05,
    score_temperature: ScoreTemperature = None,
    no_accuracy: NoAccuracy = False,
    no_runtime_sample: NoRuntimeSample = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Go on although the classifier's accuracy on the reference rows shows that "
            "something is wrong.",
        ),
    ] = False,
    epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the training rows.", rich_help_panel=TRAINING)
    ] = 10,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows per step.", rich_help_panel=TRAINING)
    ] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="Learning rate of the Adam optimiser.", rich_help_panel=TRAINING)
    ] = 1e-3,
    schedule: Annotated[
        Literal["constant", "cosine"],
        typer.Option(
            help="Schedule of the learning rate; cosine lowers it to zero over the epochs.",
            rich_help_panel=TRAINING,
        ),
    ] = "constant",
    shift: Annotated[
        int,
        typer.Option(
            min=0,
            help="Show images shifted by up to this many pixels. No more than the classifier was "
            "trained with.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip",
            help="Mirror half of the images left to right.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop when the validation loss has not improved for this many epochs, and keep "
            "the best one.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    temperature: Annotated[
        str,
        typer.Option(
            help="Temperature of the target; below 1 sharpens it, and auto first tries some on "
            "held-out rows.",
            rich_help_panel=TRAINING,
        ),
    ] = "1",
    mse: Annotated[
        float,
        typer.Option(help="Weight of the reconstruction error.", rich_help_panel=TRAINING),
    ] = 0.0,
    hidden_layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:DIMENSION[:WEIGHT]]",
            help="Match this hidden layer of the classifier too. Repeatable.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    projection: Annotated[
        Literal["fixed", "trained"],
        typer.Option(help="How hidden layers are projected.", rich_help_panel=TRAINING),
    ] = "fixed",
    autoencoder: Annotated[
        list[str] | None,
        typer.Option(
            help="auto, image, dense, cifar10, or a .keras file with one of your own; several make "
            "an ensemble. Repeatable.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    latent_dim: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Width of the bottleneck; 10 for images, 40 for rows.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    snapshots: Annotated[
        int,
        typer.Option(
            min=1,
            help="Members of the ensemble that each autoencoder gives: its last epochs, or with "
            "--patience its best.",
            rich_help_panel=TRAINING,
        ),
    ] = 1,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights of the ensemble's members, comma-separated; the classifier's own vote "
            "has what is left of 1.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(
            help="auto takes bfloat16 where the hardware is fast at it.", rich_help_panel=TRAINING
        ),
    ] = "auto",
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of weights, split and shuffling.", rich_help_panel=TRAINING),
    ] = 0,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue from the checkpoints that a killed run left in OUTPUT.training.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
) -> None:
    """Train a detector for a classifier and write its bundle."""
    check_fpr(fpr)
    check_temperature(score_temperature)
    rows = parse_data_config(data, input_columns, shape, label, segments)
    from adversarial.training.augmentation import Augmentation
    from adversarial.training.objective import Objective
    from adversarial.training.settings import Plan, TrainingSettings
    from drift_monitor.detectors.fit import ClassifierFile
    from drift_monitor.detectors.fit import fit as fit_detector
    from drift_monitor.detectors.reference import CalibrationSettings

    chosen = temperature == "auto"
    black = value_range[0] if value_range else 0.0
    plan = Plan(
        autoencoders=autoencoder or ("auto",),
        weights=None if weights is None else _numbers(weights, "--weights"),
        latent_dim=latent_dim,
        choose_temperature=chosen,
        training=TrainingSettings(
            objective=Objective(
                mse=mse,
                temperature=1.0 if chosen else _number(temperature, "--temperature"),
                hidden=[parse_hidden_layer(text) for text in hidden_layer or ()],
                projection=projection,
            ),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            schedule=schedule,
            augmentation=Augmentation(shift, flip, fill=black) if shift or flip else None,
            patience=patience,
            snapshots=snapshots,
            precision=precision,
            seed=seed,
        ),
    )
    file = ClassifierFile(
        classifier,
        output_kind=output_kind,
        trust=trust or (),
        class_names=parse_names(class_names, "--class-names") if class_names else None,
        value_range=value_range,
        force=force,
    )
    with _progress():
        path = fit_detector(
            file,
            rows,
            output,
            reference_data=reference_data,
            plan=plan,
            calibration=CalibrationSettings(
                fpr=fpr,
                accuracy=not no_accuracy,
                seed=seed,
                score_temperature=score_temperature,
                runtime_sample=not no_runtime_sample,
                progress=partial(show_progress, CHANGED_ROWS),
            ),
            resume=resume,
            verbose=1 if sys.stdout.isatty() else 2,
        )
    print_bundle(path)


@contextmanager
def _progress() -> Iterator[None]:
    """Print what the log says of the progress on stdout, and its warnings on stderr."""
    said, warned = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    said.addFilter(lambda record: record.levelno < logging.WARNING)
    warned.setLevel(logging.WARNING)
    for handler in (said, warned):
        handler.setFormatter(_PrintableFormatter())
    loggers = [logging.getLogger(name) for name in ("drift_monitor", "adversarial")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(said)
        logger.addHandler(warned)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
            logger.removeHandler(said)
            logger.removeHandler(warned)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number", param_hint=option) from None


def _number(text: str, option: str) -> float:
    numbers = _numbers(text, option)
    if len(numbers) > 1:
        raise typer.BadParameter(f"{text!r} is more than one number", param_hint=option)
    return numbers[0]
