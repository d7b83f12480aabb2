"""The commands `evaluate` and `promote`."""

import sys
from typing import Annotated

import typer

from adversarial.cli.echo import echo
from drift_monitor.cli.options import MonitorFile

REFUSED_EXIT_CODE = 4


def evaluate(
    monitor: MonitorFile,
    candidate: Annotated[
        str | None, typer.Option(help="Bundle to compare with the monitor's detector.")
    ] = None,
) -> None:
    """Attack the monitor's detector, and a candidate on the same rows, and say which is better."""
    from drift_monitor.config import load_monitor
    from drift_monitor.detectors.candidate import describe
    from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
    from drift_monitor.detectors.evaluation_record import (
        compare_evaluated,
        read_evaluation,
        read_measures,
    )

    config = load_monitor(monitor)
    bundles = find_bundles(config, candidate)
    directory = evaluate_bundles(config, bundles, verbose=sys.stderr.isatty())
    rows = read_evaluation(directory).rows
    echo(
        f"{rows.evaluated:,} rows, drawn from {rows.read:,}, of which {rows.rejected:,} cannot be "
        f"scored and {rows.unlabelled:,} have no label"
    )
    if len(bundles) == 1:
        echo(describe(*read_measures(directory).values()))
    else:
        comparison = compare_evaluated(config, directory)
        echo(comparison.describe())
        echo(comparison.reason)
    echo(directory)


def promote(
    monitor: MonitorFile,
    candidate: Annotated[str, typer.Argument(help="Bundle to replace the detector with.")],
    evaluation: Annotated[
        str | None,
        typer.Option(
            help="Directory or URL of an evaluation of both; the monitor's own by default."
        ),
    ] = None,
    require_evaluation: Annotated[
        bool,
        typer.Option(
            "--require-evaluation",
            help="Refuse if no evaluation is finished, instead of running one.",
        ),
    ] = False,
    allow_undecided: Annotated[
        bool,
        typer.Option("--allow-undecided", help="Promote even if there are too few rows to tell."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote without an evaluation, for instance to roll back."),
    ] = False,
) -> None:
    """Replace the monitor's detector with a candidate; exit with code 4 if that is refused."""
    if force and (evaluation or require_evaluation):
        raise typer.BadParameter("--force uses no evaluation", param_hint="--force")
    from drift_monitor.batches.labelled_rows import evaluation_batch
    from drift_monitor.config import load_monitor
    from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
    from drift_monitor.detectors.evaluation_record import (
        check_evaluation,
        compare_evaluated,
        evaluation_location,
    )
    from drift_monitor.detectors.promote import check_verdict
    from drift_monitor.detectors.promote import promote as put_in_place
    from drift_monitor.errors import EvaluationError, PromotionError

    config = load_monitor(monitor)
    bundles = find_bundles(config, candidate)
    compared = "current" in bundles and not force
    if not compared and not force:
        echo(f"{config.detector} does not exist yet: nothing to compare with")
    batch = evaluation_batch(config, bundles["candidate"].manifest.input) if compared else None
    if batch and not (evaluation or require_evaluation):
        evaluate_bundles(config, bundles, batch=batch, verbose=sys.stderr.isatty())
    try:
        if batch:
            directory = evaluation or evaluation_location(config, bundles, batch)
            check_evaluation(directory, config, bundles, batch)
            comparison = compare_evaluated(config, directory)
            echo(comparison.describe())
            check_verdict(comparison, allow_undecided=allow_undecided)
            echo(comparison.reason)
        done = put_in_place(config, bundles)
    except (EvaluationError, PromotionError) as error:
        echo(f"Refused: {error}", fg="red", err=True)
        raise typer.Exit(REFUSED_EXIT_CODE) from None
    echo(f"{config.detector} is now detector {done.fingerprint[:12]}")
    if done.previous:
        echo(
            f"The previous one is kept in {done.previous}; to go back:\n"
            f"  drift-monitor promote {monitor} {done.previous} --force"
        )
