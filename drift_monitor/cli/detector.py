"""The commands of `drift-monitor` that calibrate a detector bundle: `threshold`, `reference`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adversarial.cli.echo import echo
from drift_monitor.cli.options import (
    Label,
    NewBundle,
    NoAccuracy,
    NoRuntimeSample,
    ScoreTemperature,
    Segments,
    Shape,
    Trust,
    check_fpr,
    check_temperature,
    parse_data_config,
)
from drift_monitor.cli.progress import CHANGED_ROWS, show_progress

if TYPE_CHECKING:
    from adversarial.bundle.read import Bundle


def threshold(
    bundle: Annotated[Path, typer.Argument(help="Directory of a detector bundle.")],
    fpr: Annotated[float, typer.Option(help="Share of the reference rows to flag.")],
    output: NewBundle = None,
) -> None:
    """Give a bundle the threshold of another false positive rate, without training."""
    check_fpr(fpr)
    from drift_monitor.detectors.reference import rethreshold

    print_bundle(rethreshold(bundle, fpr, output))


def reference(  # noqa: PLR0913  # a parameter is an option of the command
    bundle: Annotated[Path, typer.Argument(help="Directory of a detector bundle.")],
    data: Annotated[
        str, typer.Option(help="Normal rows the models were not trained on: Parquet path or URL.")
    ],
    input_columns: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="Input column, or numeric columns, comma-separated or @FILE with one per line; "
            "the columns that BUNDLE was fitted on, or 'image', when not given.",
        ),
    ] = None,
    shape: Shape = None,
    label: Label = None,
    segments: Segments = "",
    fpr: Annotated[
        float | None, typer.Option(help="Share of the rows to flag; BUNDLE's when not given.")
    ] = None,
    score_temperature: ScoreTemperature = None,
    trust: Trust = None,
    no_accuracy: NoAccuracy = False,
    no_runtime_sample: NoRuntimeSample = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed for what is drawn for the accuracy estimator.")
    ] = 0,
    output: NewBundle = None,
) -> None:
    """Give a bundle a new reference window, and with it a threshold, without training."""
    if fpr is not None:
        check_fpr(fpr)
    check_temperature(score_temperature)
    rows = parse_data_config(data, input_columns or "image", shape, label, segments)
    if input_columns is None:
        from adversarial.bundle.read import read_bundle

        features = read_bundle(bundle).manifest.input.feature_names
        if features:
            rows = rows.model_copy(update={"input": list(features)})
    from drift_monitor.detectors.reference import CalibrationSettings, renew_reference

    settings = CalibrationSettings(
        fpr=fpr,
        accuracy=not no_accuracy,
        seed=seed,
        score_temperature=score_temperature,
        runtime_sample=not no_runtime_sample,
        progress=partial(show_progress, CHANGED_ROWS),
    )
    path = renew_reference(bundle, rows, settings, output=output, trust=trust or ())
    print_bundle(path)


def print_bundle(path: Path) -> None:
    """Print a new bundle's threshold and estimated accuracy, and what its monitors must trust."""
    from adversarial.bundle.read import read_bundle
    from adversarial.bundle.trust import missing_from_bundle

    bundle = read_bundle(path)
    echo(f"Wrote the detector bundle {path}")
    echo(f"Threshold {bundle.describe_threshold()}")
    echo(f"Estimated accuracy {_describe_estimator(bundle)}")
    if needed := missing_from_bundle(bundle, ()):
        echo(f"The YAML of a monitor that uses it needs trust: [{', '.join(needed)}]")


def _describe_estimator(bundle: "Bundle") -> str:
    result = bundle.accuracy_estimator()
    if result is None:
        return "is not available: the bundle has no accuracy estimator"
    mean = result.predict(bundle.reference())[0].mean()
    return (
        f"of the reference {mean:.2%}, by an estimator fitted on {result.n_clean:,} labelled rows "
        f"and {result.n_changed:,} corrupted or attacked ones"
    )
