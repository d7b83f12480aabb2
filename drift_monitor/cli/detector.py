"""The commands of `drift-monitor` that make detector bundles: `fit`, `threshold`, `reference`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from adversarial.cli.train import parse_hidden_layer

if TYPE_CHECKING:
    from adversarial.bundle.read import Bundle
    from drift_monitor.config import DataConfig

TRAINING = "Training"
"""Panel of the help."""

InputColumns = Annotated[
    str,
    typer.Option(
        "--input",
        help="Input column, or numeric columns, comma-separated or @FILE with one per line.",
    ),
]
Shape = Annotated[str | None, typer.Option(help="Shape of a fixed-size list column, as 28,28,1.")]
Label = Annotated[str | None, typer.Option(help="Column with the ground truth.")]
Segments = Annotated[str, typer.Option(help="Segment columns, comma-separated or @FILE.")]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        help="What the classifier may use beyond Keras's own layers: Lambda, SavedModel (of a "
        "bundle), or a class or function as package.module:Name. Repeatable."
    ),
]
NoAccuracy = Annotated[
    bool,
    typer.Option(
        "--no-accuracy", help="Do not fit what estimates accuracy where labels are missing."
    ),
]
NewBundle = Annotated[
    Path | None,
    typer.Option(help="Directory of the new bundle; BUNDLE is replaced when not given."),
]


def fit(
    classifier: Annotated[
        Path, typer.Option(help="Classifier: a .keras or .h5 file, or a SavedModel's directory.")
    ],
    data: Annotated[str, typer.Option(help="Training rows: Parquet path, glob or URL.")],
    output: Annotated[Path, typer.Option(help="Directory of the bundle to write.")],
    reference_data: Annotated[
        str | None,
        typer.Option(
            help="Parquet of normal rows that the classifier was not trained on, for threshold "
            "and reference window; a part of --data when not given."
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
        tuple[float, float], typer.Option(help="Values that the pixel bytes 0 and 255 stand for.")
    ] = (0.0, 1.0),
    output_kind: Annotated[
        Literal["auto", "softmax", "logits", "sigmoid"],
        typer.Option(help="What the classifier gives; auto tells by its last layer's activation."),
    ] = "auto",
    trust: Trust = None,
    fpr: Annotated[float, typer.Option(help="Share of normal rows to flag.")] = 0.05,
    no_accuracy: NoAccuracy = False,
    epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the training rows.", rich_help_panel=TRAINING)
    ] = 10,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows in a step.", rich_help_panel=TRAINING)
    ] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="Of the Adam optimiser.", rich_help_panel=TRAINING)
    ] = 1e-3,
    schedule: Annotated[
        Literal["constant", "cosine"],
        typer.Option(
            help="Of the learning rate; cosine lowers it to zero over the epochs.",
            rich_help_panel=TRAINING,
        ),
    ] = "constant",
    shift: Annotated[
        int,
        typer.Option(
            min=0,
            help="Show images moved by up to so many pixels. No more than the classifier was "
            "trained with.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip",
            help="Show half of the images mirrored, left to right.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop when the validation loss has not improved for so many epochs, and keep the "
            "best one.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    temperature: Annotated[
        str,
        typer.Option(
            help="Temperature of the target, below 1 sharpens it; auto tries some on held-out "
            "rows first.",
            rich_help_panel=TRAINING,
        ),
    ] = "1",
    mse: Annotated[
        float,
        typer.Option(help="Weight of the reconstruction's error.", rich_help_panel=TRAINING),
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
            "has the rest to 1.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(
            help="auto takes bfloat16 where the hardware is fast in it.", rich_help_panel=TRAINING
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
            help="Go on from the checkpoints that a killed run left in OUTPUT.training.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
) -> None:
    """Train a detector for a classifier and write its bundle."""
    _check_fpr(fpr)
    rows = _normal_rows(data, input_columns, shape, label, segments)
    from adversarial.training.augmentation import Augmentation
    from adversarial.training.members import Plan
    from adversarial.training.objective import Objective
    from adversarial.training.settings import TrainingSettings
    from drift_monitor.detectors.fit import fit as fit_detector

    chosen = temperature == "auto"
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
            augmentation=Augmentation(shift, flip, fill=value_range[0]) if shift or flip else None,
            patience=patience,
            snapshots=snapshots,
            precision=precision,
            seed=seed,
        ),
    )
    path = fit_detector(
        classifier,
        rows,
        output,
        reference_data=reference_data,
        classes=_names(class_names, "--class-names") if class_names else None,
        value_range=value_range,
        output_kind=output_kind,
        trust=trust or (),
        plan=plan,
        fpr=fpr,
        accuracy=not no_accuracy,
        resume=resume,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    _print_bundle(path)


def threshold(
    bundle: Annotated[Path, typer.Argument(help="Directory of a detector bundle.")],
    fpr: Annotated[float, typer.Option(help="Share of the reference rows to flag.")],
    output: NewBundle = None,
) -> None:
    """Give a bundle the threshold of another false positive rate, without training."""
    _check_fpr(fpr)
    from drift_monitor.detectors.reference import rethreshold

    _print_bundle(rethreshold(bundle, fpr, output))


def reference(
    bundle: Annotated[Path, typer.Argument(help="Directory of a detector bundle.")],
    data: Annotated[
        str, typer.Option(help="Normal rows the models were not trained on: Parquet path or URL.")
    ],
    input_columns: InputColumns = "image",
    shape: Shape = None,
    label: Label = None,
    segments: Segments = "",
    fpr: Annotated[
        float | None, typer.Option(help="Share of the rows to flag; BUNDLE's when not given.")
    ] = None,
    trust: Trust = None,
    no_accuracy: NoAccuracy = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Of what is drawn for the accuracy estimator.")
    ] = 0,
    output: NewBundle = None,
) -> None:
    """Give a bundle a new reference window, and with it a threshold, without training."""
    if fpr is not None:
        _check_fpr(fpr)
    rows = _normal_rows(data, input_columns, shape, label, segments)
    from drift_monitor.detectors.reference import renew_reference

    path = renew_reference(
        bundle,
        rows,
        fpr=fpr,
        output=output,
        trust=trust or (),
        accuracy=not no_accuracy,
        seed=seed,
    )
    _print_bundle(path)


def _normal_rows(
    data: str, input_columns: str, shape: str | None, label: str | None, segments: str
) -> "DataConfig":
    columns = _names(input_columns, "--input")
    if not columns:
        raise typer.BadParameter("name at least one column", param_hint="--input")
    if shape and not all(size.strip().isdigit() for size in shape.split(",")):
        raise typer.BadParameter(f"{shape!r} is not a shape such as 28,28,1", param_hint="--shape")
    from drift_monitor.config import DataConfig

    return DataConfig(
        path=data,
        input=columns[0] if len(columns) == 1 else columns,
        shape=[int(size) for size in shape.split(",")] if shape else None,
        label=label,
        segments=_names(segments, "--segments"),
    )


def _names(text: str, option: str) -> list[str]:
    """Return the names separated by commas, or the lines of the file that `@FILE` names."""
    names = text.split(",")
    if text.startswith("@"):
        try:
            names = Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(
                f"{text[1:]} cannot be read ({error}): expected a text file with one name per line",
                param_hint=option,
            ) from None
    return [name.strip() for name in names if name.strip()]


def _check_fpr(fpr: float) -> None:
    if not 0 < fpr < 1:
        raise typer.BadParameter(f"{fpr} is not a share between 0 and 1", param_hint="--fpr")


def _print_bundle(path: Path) -> None:
    from adversarial.bundle.read import read_bundle
    from adversarial.bundle.trust import missing_from_bundle

    bundle = read_bundle(path)
    typer.echo(f"Wrote the detector bundle {path}")
    typer.echo(f"Threshold {bundle.describe_threshold()}")
    typer.echo(f"Estimated accuracy {_describe_map(bundle)}")
    if needed := missing_from_bundle(bundle, ()):
        typer.echo(f"The YAML of a monitor that uses it needs trust: [{', '.join(needed)}]")


def _describe_map(bundle: "Bundle") -> str:
    found = bundle.accuracy_estimator()
    if found is None:
        return "is not available: the bundle has no accuracy estimator"
    mean = found.predict(bundle.reference())[0].mean()
    return (
        f"of the reference {mean:.2%}, by an estimator fitted on {found.n_clean:,} labelled rows "
        f"and {found.n_changed:,} corrupted or attacked ones"
    )


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
