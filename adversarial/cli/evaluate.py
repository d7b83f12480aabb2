"""The commands `adversarial evaluate`, `report` and `compare`."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from adversarial.cli.defences import QUICKSTART, Models, find_defences
from adversarial.cli.echo import echo
from adversarial.files import cache_directory
from adversarial.reporting.terminal_table import print_table

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


def evaluate(  # noqa: PLR0913  # a parameter is an option of the command
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
        str, typer.Option(help="Directory or URL of the results; a killed run goes on from it.")
    ] = "build/evaluation",
) -> None:
    """Attack a classifier and measure how well detectors detect and correct."""
    from adversarial.extras import require_training

    require_training("adversarial evaluate")
    from adversarial.corruptions import name_corruptions
    from adversarial.evaluation.experiment import Experiment
    from adversarial.evaluation.read import METRICS_FILE
    from adversarial.evaluation.run import run_experiment
    from adversarial.evaluation.write import RunError
    from adversarial.paper.datasets import draw_images
    from adversarial.paper.recipes import find_recipe
    from adversarial.reporting.page import write_report
    from adversarial.storage.copies import collect, deliver, work_directory
    from adversarial.storage.opening import is_url, join

    experiment = Experiment(
        attacks=tuple(attack or (() if corruption else Experiment.attacks)),
        threat_models=tuple(threat_model or Experiment.threat_models),
        targets=tuple(target or ()),
        corruptions=name_corruptions(corruption or ()),
        gradient_masking=gradient_masking,
        seed=seed,
    )
    find_recipe(dataset, model)
    models = Models(dataset, model, cache_dir or cache_directory())
    defences = find_defences(models, detector or (), ensemble or ())
    detectors = defences.load()
    if defences.are_quickstart:
        data_dir = data_dir or QUICKSTART
    x, y = draw_images(dataset, data_dir, limit, seed)
    if limit is not None and len(x) < limit:
        echo(f"All {len(x):,} test images: there are no {limit:,}.", err=True)
    about = {
        "dataset": dataset,
        "model": model,
        "detectors": {name: detectors[name].fingerprint for name in defences.bundles},
        "ensembles": defences.ensembles,
    }
    verbose = sys.stdout.isatty()
    is_copy = is_url(output) and not work_directory(output).exists()
    directory = collect(output)
    try:
        records = run_experiment(
            experiment, detectors, x, y, directory, about=about, verbose=verbose
        )
    except RunError as error:
        if not is_copy:
            raise
        shutil.rmtree(directory)
        raise RunError(str(error).replace(str(directory), output)) from None
    _print_headlines(records)
    page = write_report(directory).name
    deliver(directory, output, last=METRICS_FILE)
    echo(f"{join(output, METRICS_FILE)}: {len(records)} numbers")
    echo(f"{join(output, page)}: the same as a page, with figures")


def report(
    run: Annotated[str, typer.Argument(help="Directory or URL of a finished evaluation.")],
) -> None:
    """Draw an evaluation's figures and write its report again, without models."""
    from adversarial.evaluation.read import METRICS_FILE
    from adversarial.reporting.page import write_report
    from adversarial.storage.copies import collect, deliver
    from adversarial.storage.opening import join

    directory = collect(run)
    page = write_report(directory).name
    deliver(directory, run, last=METRICS_FILE)
    echo(join(run, page))


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Directories or URLs of finished evaluations."),
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
    """Set evaluations side by side; * marks an interval disjoint from that of the first run."""
    from adversarial.evaluation.read import read_results
    from adversarial.reporting.comparison import (
        HEAD,
        compare_evaluations,
        have_no_defence_in_common,
        name_runs,
        table_rows,
        to_csv,
        to_markdown,
    )
    from adversarial.storage.copies import local_copy

    with ExitStack() as copies:
        named = name_runs([read_results(copies.enter_context(local_copy(run))) for run in runs])
    result = compare_evaluations(named, metrics=metric or (), fprs=fpr or ())
    if have_no_defence_in_common(named):
        echo(
            "No two runs have a detector of one name, so no two of their numbers stand side by "
            "side: name them alike with 'adversarial evaluate --detector NAME=BUNDLE'",
            err=True,
        )
    if format_ != "table":
        echo(to_csv(result) if format_ == "csv" else to_markdown(result), nl=False)
        return
    print_table(
        [*HEAD, *result.runs],
        table_rows(result),
        caption="95 % intervals; * disjoint from that of the first run",
    )


def _print_headlines(records: Sequence[Mapping[str, Any]]) -> None:
    """Print the numbers that decide, as a table."""
    from adversarial.reporting.formatting import describe

    place = ("attack", "threat_model", "target", "corruption", "severity", "defence")
    rows = [
        [
            " ".join(str(record[name]) for name in place if record[name] is not None),
            record["metric"],
            f"{describe(record)}, n = {record['n']:,}",
        ]
        for record in records
        if record["metric"] in HEADLINES and record["fpr"] in (None, HEADLINE_FPR)
    ]
    print_table(["", "metric", "value (95 % interval)"], rows)
