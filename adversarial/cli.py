"""The `adversarial` command."""

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from adversarial.errors import DriftMonitorError

if TYPE_CHECKING:
    from adversarial.objective import HiddenLayer

QUICKSTART = Path("examples/fashion_mnist")
"""A detector and test images in a checkout of this project."""
HEADLINES = {
    "accuracy_clean",
    "accuracy_attacked",
    "accuracy_defended",
    "accuracy_reconstructed",
    "accuracy_drifted",
    "auc",
    "detection_rate",
    "score_ratio",
}
"""Metrics that `evaluate` prints; all are in its output."""
HEADLINE_FPR = 0.05

app = typer.Typer(
    help="Adversarial detection by matching prediction distributions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def adversarial() -> None:
    """Adversarial detection by matching prediction distributions."""


@app.command()
def inspect(
    bundle: Annotated[Path, typer.Argument(help="Directory of a detector bundle.")],
) -> None:
    """Verify a detector bundle and describe it."""
    from adversarial.bundle import read_bundle

    found = read_bundle(bundle)
    manifest = found.manifest
    reference = found.reference()
    typer.echo(f"fingerprint   {found.fingerprint}")
    typer.echo(f"classes       {', '.join(manifest.class_names)}")
    typer.echo(f"input         {' × '.join(map(str, manifest.input.shape))}")
    typer.echo(f"threshold     {found.describe_threshold()}")
    typer.echo(f"temperature   {manifest.temperature:g}")
    typer.echo(f"reference     {reference.num_rows:,} rows")
    if len(manifest.ensemble_weights) > 1:
        weights = ", ".join(f"{weight:g}" for weight in manifest.ensemble_weights)
        typer.echo(f"weights       {weights}")
    for name, value in manifest.training.items():
        values = (
            value
            if isinstance(value, list) and all(isinstance(part, dict) for part in value)
            else [value]
        )
        for part in values:
            typer.echo(f"{name:<13} {_describe(part)}")


@app.command()
def evaluate(
    dataset: Annotated[
        Literal["mnist", "fashion_mnist", "cifar10"], typer.Option(help="Data set.")
    ],
    model: Annotated[str, typer.Option(help="Classifier, as in train.")] = "cnn",
    detector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="Detector bundle and what to call it; several defences of one classifier by "
            "repeating it. Those that train has made when not given, else the quickstart's.",
        ),
    ] = None,
    ensemble: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=A+B", help="Also evaluate the detectors A and B as one. Repeatable."
        ),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="cw, slide, fgsm-0.1, ddn, pgd-linf-8/255 and so on; the paper's when neither "
            "attacks nor corruptions are given. Repeatable."
        ),
    ] = None,
    threat_model: Annotated[
        list[str] | None,
        typer.Option(
            help="grey-box, white-box, undetected, undetected-0.01 or uncorrected. Repeatable."
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Detector that an attacker who knows one attacks; all when not given, else the "
            "others are held out. Repeatable.",
        ),
    ] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(help="Corruption of CIFAR-10-C at every severity, or all. Repeatable."),
    ] = None,
    masking: Annotated[
        bool,
        typer.Option(
            "--masking", help="Check whether PGD attacks succeed too little for hidden gradients."
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=2, help="Number of test images, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is random.")] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="As in train.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="As in train.")] = None,
    output: Annotated[
        Path, typer.Option(help="Directory of the results; a killed run goes on from it.")
    ] = Path("build/evaluation"),
) -> None:
    """Attack a classifier and measure how well detectors detect and correct."""
    from adversarial.corruptions import name_corruptions
    from adversarial.datasets import CLASS_NAMES, draw_images
    from adversarial.detector import AdversarialDetector
    from adversarial.evaluation_report import write_report
    from adversarial.experiment import Experiment, ExperimentError, ensemble_of, run
    from adversarial.paper_models import find_recipe

    experiment = Experiment(
        attacks=tuple(attack or (() if corruption else Experiment.attacks)),
        threat_models=tuple(threat_model or Experiment.threat_models),
        targets=tuple(target or ()),
        corruptions=name_corruptions(corruption or ()),
        masking=masking,
        seed=seed,
    )
    find_recipe(dataset, model)
    trained = (cache_dir or cache_directory()) / f"{dataset}-{model}"
    named = [_named(text, "--detector") for text in detector or ()]
    bundles = {name: Path(path) for name, path in named}
    if len(bundles) < len(named):
        raise typer.BadParameter("two detectors have one name", param_hint="--detector")
    if not bundles:
        bundles = {path.name: path for path in sorted(trained.glob("*")) if path.is_dir()}
    if not bundles and (dataset, model) == ("fashion_mnist", "cnn"):
        bundles = {"detector": QUICKSTART / "detector"}
        data_dir = data_dir or QUICKSTART
    if not bundles:
        raise ExperimentError(
            f"no detector in {trained}: make one with 'adversarial train --dataset {dataset} "
            f"--model {model}', or name a bundle with --detector NAME=DIR"
        )
    members: dict[str, list[str]] = {}
    for name, found in (_named(text, "--ensemble") for text in ensemble or ()):
        parts = found.split("+")
        is_new = name not in bundles and name not in members
        are_several = 1 < len(parts) == len(set(parts))
        if not (is_new and are_several and bundles.keys() >= set(parts)):
            raise typer.BadParameter(
                f"{name}={found}: expected a new name, and two or more detectors among "
                f"{', '.join(bundles)}",
                param_hint="--ensemble",
            )
        members[name] = parts
    detectors = {name: AdversarialDetector.load(path) for name, path in bundles.items()}
    for name, loaded in detectors.items():
        if tuple(loaded.class_names) != CLASS_NAMES[dataset]:
            raise ExperimentError(
                f"the detector {name!r} has the classes {', '.join(loaded.class_names)}, not those "
                f"of {dataset}: give a detector of {dataset}, or the --dataset that it is of"
            )
    detectors |= {
        name: ensemble_of([detectors[part] for part in parts]) for name, parts in members.items()
    }
    x, y = draw_images(dataset, data_dir, limit, seed)
    if limit is not None and len(x) < limit:
        typer.echo(f"All {len(x):,} test images: there are no {limit:,}.", err=True)
    records = run(
        experiment,
        detectors,
        x,
        y,
        output,
        about={
            "dataset": dataset,
            "model": model,
            "detectors": {name: detectors[name].fingerprint for name in bundles},
            "ensembles": members,
        },
        verbose=sys.stdout.isatty(),
    )
    for record in records:
        if record["metric"] in HEADLINES and record["fpr"] in (None, HEADLINE_FPR):
            place = [
                record[name]
                for name in ("attack", "threat_model", "target", "corruption", "severity")
            ]
            where = " ".join(str(part) for part in (*place, record["defence"]) if part is not None)
            typer.echo(f"{where:40} {record['metric']:22} {_interval(record)}")
    typer.echo(f"{output / 'metrics.parquet'}: {len(records)} numbers")
    typer.echo(f"{write_report(output)}: the same as a page, with figures")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Directory of a finished evaluation.")],
) -> None:
    """Draw an evaluation's figures and write its report again, without models."""
    from adversarial.evaluation_report import write_report

    typer.echo(write_report(run))


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of finished evaluations.")
    ],
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this number, such as auc. Repeatable.")
    ] = None,
    fpr: Annotated[
        list[float] | None,
        typer.Option(help="Only numbers at this ε_FPR, and those of none. Repeatable."),
    ] = None,
    format_: Annotated[
        Literal["table", "csv", "markdown"], typer.Option("--format", help="Form of the output.")
    ] = "table",
) -> None:
    """Set evaluations side by side; * marks an interval apart from that of the first run."""
    from adversarial.comparison import (
        HEAD,
        compare,
        have_no_defence_in_common,
        name_runs,
        table_rows,
        to_csv,
        to_markdown,
    )
    from adversarial.results import read_results

    named = name_runs([read_results(run) for run in runs])
    found = compare(named, metrics=metric or (), fprs=fpr or ())
    if have_no_defence_in_common(named):
        typer.echo(
            "No two runs have a detector of one name, so no two of their numbers stand side by "
            "side: name them alike with 'adversarial evaluate --detector NAME=BUNDLE'",
            err=True,
        )
    if format_ != "table":
        typer.echo(to_csv(found) if format_ == "csv" else to_markdown(found), nl=False)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(caption="95 % intervals; * apart from that of the first run")
    for name in (*HEAD, *found.runs):
        table.add_column(Text(name), overflow="fold")
    for cells in table_rows(found):
        table.add_row(*map(Text, cells))
    Console().print(table)


def _named(text: str, option: str) -> tuple[str, str]:
    found = re.fullmatch(r"([\w.-]+)=(.+)", text)
    if not found:
        raise typer.BadParameter(
            f"{text!r} is not a name (of letters, digits, '_', '.' and '-'), =, and what it is for",
            param_hint=option,
        )
    return found[1], found[2]


def _interval(record: dict[str, Any]) -> str:
    """Return a number of an evaluation with its interval and n."""
    if record["value"] is None:
        return "no rows"
    interval = "" if record["low"] is None else f" ({record['low']:.4f} to {record['high']:.4f})"
    return f"{record['value']:.4f}{interval}, n = {record['n']:,}"


def _describe(value: object) -> str:
    """Return a value of the training summary as text: of an object its fields, of a history."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_describe(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(map(_describe, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@app.command()
def train(
    dataset: Annotated[
        Literal["mnist", "fashion_mnist", "cifar10"], typer.Option(help="Data set.")
    ],
    model: Annotated[
        str, typer.Option(help="Classifier of the paper: cnn or, of CIFAR-10, resnet56.")
    ] = "cnn",
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the data set's files, Parquet in the Hugging Face layout or IDX; "
            "Debian's Fashion-MNIST or a download when not given."
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Where models are kept; ~/.cache/drift-monitor when not given."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the detector's bundle.")] = "detector",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the classifier; the recipe's when not given.")
    ] = None,
    detector_epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the autoencoder; the recipe's when not given.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Temperature of the target; below 1 sharpens it.")
    ] = 1.0,
    hidden_layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:DIMENSION[:WEIGHT]]",
            help="Layer of the classifier to match too, as dense:20:1. Repeatable.",
        ),
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option("--baseline", help="Train for reconstruction alone: the paper's AE^MSE."),
    ] = False,
    earlier: Annotated[
        int,
        typer.Option(
            min=0,
            help="Also keep the detector of so many epochs before the end, as NAME-earlier: an "
            "attack on the one may not carry over to the other.",
        ),
    ] = 0,
    fpr: Annotated[float, typer.Option(help="Share of normal rows to flag.")] = 0.05,
    autoencoder: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="auto, the paper's; image, dense, cifar10, or a .keras file with one of your own.",
        ),
    ] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, help="Of the autoencoder's weights, shuffling and augmentation.")
    ] = 0,
    classifier_seed: Annotated[int, typer.Option(min=0, help="The same of the classifier's.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run left off.")
    ] = False,
) -> None:
    """Train a classifier of the paper, unless it has been, and its detector."""
    from adversarial.bundle import check_replaceable
    from adversarial.datasets import load_dataset
    from adversarial.members import Plan
    from adversarial.objective import Objective
    from adversarial.paper_models import (
        N_REFERENCE,
        detector_outputs,
        find_recipe,
        train_classifier,
        train_detector,
    )
    from adversarial.threshold import check_fpr

    # What is wrong with the detector's options should not come to light after the classifier.
    recipe = find_recipe(dataset, model)
    check_fpr(fpr, N_REFERENCE)
    plan = Plan(
        autoencoders=(autoencoder,),
        epochs=detector_epochs or recipe.detector_epochs,
        learning_rate=recipe.baseline_learning_rate if baseline else Plan.learning_rate,
        schedule="cosine",
        augmentation=recipe.augmentation,
        objective=Objective(
            kl=0.0 if baseline else 1.0,
            mse=1.0 if baseline else 0.0,
            temperature=temperature,
            hidden=[parse_hidden_layer(text) for text in hidden_layer or ()],
        ),
        snapshots=1 + earlier,
        seed=seed,
    )
    directory = (cache_dir or cache_directory()) / f"{dataset}-{model}"
    for output in detector_outputs(directory / name, plan):
        check_replaceable(output)
    data = load_dataset(dataset, data_dir)
    verbose = 1 if sys.stdout.isatty() else 2
    classifier, about = train_classifier(
        data,
        model,
        directory,
        epochs=epochs,
        seed=classifier_seed,
        resume=resume,
        verbose=verbose,
    )
    typer.echo(f"{directory / 'classifier.keras'}: test accuracy {about['accuracy']:.2%}")
    detector = train_detector(
        data,
        model,
        classifier,
        directory / name,
        plan,
        about=about,
        fpr=fpr,
        resume=resume,
        verbose=verbose,
    )
    corrected = detector.training["corrected_accuracy"]
    typer.echo(f"{directory / name}: test accuracy on reconstructions {corrected:.2%}")


def parse_hidden_layer(text: str) -> "HiddenLayer":
    """Return what `--hidden-layer` NAME[:DIMENSION[:WEIGHT]] means."""
    from adversarial.objective import HiddenLayer

    name, *rest = text.split(":")
    try:
        kinds = (int, float)[: len(rest)]
        numbers: list[Any] = [kind(part) for kind, part in zip(kinds, rest, strict=True)]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a layer such as dense:20:0.5", param_hint="--hidden-layer"
        ) from None
    return HiddenLayer(name, *numbers)


def cache_directory() -> Path:
    """Return where trained models are kept: in XDG_CACHE_HOME, or else ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "drift-monitor"


def main() -> None:
    """Run the command line; an error that the user can mend is one paragraph and exit code 1."""
    run_app(app)


def run_app(application: typer.Typer) -> None:
    """Run a Typer application: foreseeable errors as one paragraph on stderr, exit code 1."""
    # TensorFlow writes pages about GPUs that are not there; errors still come as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # As after an interrupt, what is half done is cleaned up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        application()
    except (DriftMonitorError, OSError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        sys.exit(1)
