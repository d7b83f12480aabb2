"""Arguments and options that several commands share."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adversarial.runtimes.names import PrecisionOption, RuntimeOption

if TYPE_CHECKING:
    from drift_monitor.config import DataConfig, Monitor

DATE_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M"]
MonitorFile = Annotated[Path, typer.Argument(metavar="MONITOR", help="YAML file of the monitor.")]
StartOption = Annotated[datetime, typer.Option(formats=DATE_FORMATS, help="First date.")]
EndOption = Annotated[datetime, typer.Option(formats=DATE_FORMATS, help="Last date, included.")]
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
    typer.Option("--no-accuracy", help="Do not fit the estimator of accuracy without labels."),
]
Runtime = Annotated[
    RuntimeOption | None,
    typer.Option(help="What computes the models' outputs; the monitor's when not given."),
]
ScoringPrecision = Annotated[
    PrecisionOption | None,
    typer.Option("--precision", help="What they are computed in; the monitor's when not given."),
]
NoRuntimeSample = Annotated[
    bool,
    typer.Option(
        "--no-runtime-sample",
        help="Keep no rows in the bundle by which to judge what batches are scored with; for "
        "sensitive data. Batches are then scored in float32, unchecked.",
    ),
]
ScoreTemperature = Annotated[
    float | None,
    typer.Option(
        help="Temperature at which the score compares the two predictions, 0.05 to 20: 1 is the "
        "paper's, below 1 sharpens both.",
    ),
]
NewBundle = Annotated[
    Path | None,
    typer.Option(help="Directory of the new bundle; BUNDLE is replaced when not given."),
]


def load_monitor_with(
    path: Path, runtime: RuntimeOption | None, precision: PrecisionOption | None
) -> "Monitor":
    """Return a monitor with the runtime and the precision that options give."""
    from drift_monitor.config import load_monitor

    given = {"runtime": runtime, "precision": precision}
    return load_monitor(path).model_copy(update={k: v for k, v in given.items() if v})


def parse_data_config(
    data: str, input_columns: str, shape: str | None, label: str | None, segments: str
) -> "DataConfig":
    """Return where normal rows are and what their columns mean, from the options."""
    columns = parse_names(input_columns, "--input")
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
        segments=parse_names(segments, "--segments"),
    )


def parse_names(text: str, option: str) -> list[str]:
    """Return the names separated by commas, or the lines of the file that `@FILE` names.

    Spaces around a name belong to it in a file, and not between commas.
    """
    if text.startswith("@"):
        try:
            lines = Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(
                f"{text[1:]} cannot be read ({error}): expected a text file with one name per line",
                param_hint=option,
            ) from None
        return [line for line in lines if line.strip()]
    return [name.strip() for name in text.split(",") if name.strip()]


def check_temperature(temperature: float | None) -> None:
    """Raise BadParameter unless a bundle can have the score's temperature, or none is given."""
    from adversarial.bundle.manifest import SCORE_TEMPERATURES

    least, most = SCORE_TEMPERATURES
    if temperature is not None and not least <= temperature <= most:
        raise typer.BadParameter(
            f"{temperature} is not a number from {least:g} to {most:g}",
            param_hint="--score-temperature",
        )


def check_fpr(fpr: float) -> None:
    """Raise BadParameter unless `fpr` is between 0 and 1."""
    if not 0 < fpr < 1:
        raise typer.BadParameter(f"{fpr} is not a share between 0 and 1", param_hint="--fpr")
