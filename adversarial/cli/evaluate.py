"""The commands `adversarial evaluate`, `report` and `compare`."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from adversarial.cli.train import cache_directory

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
    gradient_masking: Annotated[
        bool,
        typer.Option(
            "--gradient-masking",
            help="Check whether PGD attacks fail only because gradients are hidden from them.",
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
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.evaluation.experiment import Experiment, ensemble_of
    from adversarial.evaluation.run import run
    from adversarial.evaluation.threat_models import ExperimentError
    from adversarial.paper.datasets import CLASS_NAMES, draw_images
    from adversarial.paper.recipes import find_recipe
    from adversarial.reporting.page import write_report

    experiment = Experiment(
        attacks=tuple(attack or (() if corruption else Experiment.attacks)),
        threat_models=tuple(threat_model or Experiment.threat_models),
        targets=tuple(target or ()),
        corruptions=name_corruptions(corruption or ()),
        gradient_masking=gradient_masking,
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


def report(
    run: Annotated[Path, typer.Argument(help="Directory of a finished evaluation.")],
) -> None:
    """Draw an evaluation's figures and write its report again, without models."""
    from adversarial.reporting.page import write_report

    typer.echo(write_report(run))


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
    from adversarial.evaluation.read import read_results
    from adversarial.reporting.comparison import (
        HEAD,
        compare,
        have_no_defence_in_common,
        name_runs,
        table_rows,
        to_csv,
        to_markdown,
    )

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
