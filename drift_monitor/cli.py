"""The `drift-monitor` command. Heavy imports wait until a command needs them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adversarial.cli.run_app import run_app
from adversarial.errors import DriftMonitorError
from drift_monitor.cli_detector import fit, reference, threshold
from drift_monitor.cli_results import (
    DATE_FORMATS,
    EndOption,
    MonitorFile,
    StartOption,
    compare,
    export,
    labels,
    report,
    rows,
)

if TYPE_CHECKING:
    from drift_monitor.config import Interval, Monitor
    from drift_monitor.job import Progress
    from drift_monitor.report.model import Report

app = typer.Typer(
    help="Say whether drift harms a classifier's predictions, batch by batch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _command in (fit, threshold, reference, report, labels, rows, compare, export):
    app.command()(_command)

FAIL_ON_EXIT_CODE = 3
REFUSED_EXIT_CODE = 4
PROGRESS_LINE_SECONDS = 10

DateOption = Annotated[
    datetime, typer.Option(formats=DATE_FORMATS, help="Date (or hour) of the interval.")
]


class FailOn(StrEnum):
    """Verdict that makes `run` and `backfill` exit with code 3."""

    HARMFUL_DRIFT = "harmful_drift"


FailOnOption = Annotated[
    FailOn | None, typer.Option(help="Exit with code 3 where this is a verdict.")
]


@app.command()
def run(monitor: MonitorFile, date: DateOption, fail_on: FailOnOption = None) -> None:
    """Score one interval, report on it and commit the result."""
    from drift_monitor.config import load_monitor
    from drift_monitor.job import run_interval

    config = load_monitor(monitor)
    interval = config.interval(date)
    with _progress(interval) as progress:
        report = run_interval(config, interval, progress=progress)
    _print_verdict(config, report)
    if fail_on and report.verdict.verdict == fail_on:
        raise typer.Exit(FAIL_ON_EXIT_CODE)


@app.command()
def backfill(
    monitor: MonitorFile,
    start: StartOption,
    end: EndOption,
    overwrite: Annotated[bool, typer.Option(help="Run committed intervals again.")] = False,
    fail_on: FailOnOption = None,
) -> None:
    """Run many intervals, the committed ones excepted. One that fails does not stop the others."""
    if end < start:
        raise typer.BadParameter(f"{end:%Y-%m-%d} is before --start", param_hint="--end")
    from drift_monitor.config import load_monitor
    from drift_monitor.job import run_interval
    from drift_monitor.store import Store

    config = load_monitor(monitor)
    store = Store(config.directory)
    intervals = config.intervals(start, end)
    todo = [i for i in intervals if overwrite or not store.is_committed(i.id)]
    if len(todo) < len(intervals):
        typer.echo(f"Skipping {len(intervals) - len(todo)} committed intervals (see --overwrite)")
    if not todo:
        return
    from adversarial.detector.detector import AdversarialDetector

    detector = AdversarialDetector.load(config.detector, config.trust)
    failed = 0
    harmful = False
    for interval in todo:
        try:
            with _progress(interval) as progress:
                report = run_interval(config, interval, detector=detector, progress=progress)
        except (DriftMonitorError, OSError) as error:
            failed += 1
            typer.secho(f"{interval.id}: Error: {error}", fg="red", err=True)
            continue
        _print_verdict(config, report)
        harmful |= report.verdict.verdict == fail_on
    if failed:
        raise DriftMonitorError(
            f"{failed} of {len(todo)} intervals failed; the reasons are above. Mend them and run "
            "the same command again: it goes on with what is missing"
        )
    if harmful:
        raise typer.Exit(FAIL_ON_EXIT_CODE)


@app.command()
def validate(
    monitor: MonitorFile,
    date: Annotated[
        datetime | None, typer.Option(formats=DATE_FORMATS, help="Also check this batch's columns.")
    ] = None,
) -> None:
    """Check a monitor's YAML file, its detector bundle and, with --date, one batch."""
    from adversarial.bundle.read import read_bundle
    from adversarial.bundle.trust import missing_from_bundle, refusal
    from drift_monitor.config import STEPS, load_monitor
    from drift_monitor.errors import ConfigError

    config = load_monitor(monitor)
    first, second = config.intervals(config.start_date, config.start_date + 7 * STEPS["day"])[:2]
    if config.batch_path(first) == config.batch_path(second):
        raise ConfigError(
            f"{monitor}: data.path reads the same files for {first.id} and {second.id}: put the "
            "interval into it, as {date} or {start:%Y-%m-%dT%H}"
        )
    typer.echo(f"{monitor}: monitor {config.name!r}, every {config.every}, {config.timezone}")
    bundle = read_bundle(config.detector)
    if missing := missing_from_bundle(bundle, config.trust):
        raise ConfigError(f"{monitor}: {refusal(bundle.path, missing)}")
    typer.echo(f"{config.detector}: detector {bundle.fingerprint[:12]}, all files unaltered")
    if config.evaluation:
        from drift_monitor.evaluation import make_experiment
        from drift_monitor.evaluation_rows import evaluation_batch

        spec = bundle.manifest.input
        evaluated = evaluation_batch(config, spec)
        make_experiment(config, spec)
        typer.echo(f"{config.evaluation.path}: {evaluated.n_rows:,} rows to evaluate on")
    if date:
        from drift_monitor.batches import Batch

        path = config.batch_path(config.interval(date))
        batch = Batch(path, config.data, bundle.manifest.input)
        typer.echo(
            f"{path}: {batch.n_rows:,} rows in {len(batch.files)} files, columns as declared"
        )
        if not batch.has_labels:
            typer.echo(
                f"  but no column {config.data.label!r} (data.label): without labels harm is "
                "judged by the detector"
            )


@app.command()
def evaluate(
    monitor: MonitorFile,
    candidate: Annotated[
        Path | None, typer.Option(help="Bundle to compare with the monitor's detector.")
    ] = None,
) -> None:
    """Attack the monitor's detector, and a candidate on the same rows, and say which is better."""
    from drift_monitor.comparison import describe
    from drift_monitor.config import load_monitor
    from drift_monitor.evaluation import evaluate_bundles, find_bundles
    from drift_monitor.evaluation_record import compare_evaluated, read_evaluation, read_measures

    config = load_monitor(monitor)
    bundles = find_bundles(config, candidate)
    directory = evaluate_bundles(config, bundles, verbose=sys.stderr.isatty())
    rows = read_evaluation(directory).rows
    typer.echo(
        f"{rows.evaluated:,} rows, drawn from {rows.read:,} of which {rows.rejected:,} cannot be "
        f"scored and {rows.unlabelled:,} have no label"
    )
    if len(bundles) == 1:
        typer.echo(describe(*read_measures(directory).values()))
    else:
        comparison = compare_evaluated(config, directory)
        typer.echo(comparison.describe())
        typer.echo(comparison.reason)
    typer.echo(directory)


@app.command()
def promote(
    monitor: MonitorFile,
    candidate: Annotated[Path, typer.Argument(help="Bundle to put in the detector's place.")],
    evaluation: Annotated[
        Path | None,
        typer.Option(help="Directory of an evaluation of both; the monitor's own when not given."),
    ] = None,
    require_evaluation: Annotated[
        bool,
        typer.Option(
            "--require-evaluation", help="Refuse where none is finished, instead of making it."
        ),
    ] = False,
    allow_undecided: Annotated[
        bool, typer.Option("--allow-undecided", help="Promote where the rows are too few to tell.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote without an evaluation, for instance to go back."),
    ] = False,
) -> None:
    """Replace the monitor's detector by a candidate; exit with 4 where that is refused."""
    if force and (evaluation or require_evaluation):
        raise typer.BadParameter("--force looks at no evaluation", param_hint="--force")
    from drift_monitor.config import load_monitor
    from drift_monitor.errors import EvaluationError, PromotionError
    from drift_monitor.evaluation import evaluate_bundles, find_bundles
    from drift_monitor.evaluation_record import (
        check_evaluation,
        compare_evaluated,
        evaluation_directory,
    )
    from drift_monitor.promotion import check_verdict
    from drift_monitor.promotion import promote as put_in_place

    config = load_monitor(monitor)
    bundles = find_bundles(config, candidate)
    compared = "current" in bundles and not force
    if not compared and not force:
        typer.echo(f"{config.detector} is not there yet: nothing to compare with")
    if compared and not (evaluation or require_evaluation):
        evaluate_bundles(config, bundles, verbose=sys.stderr.isatty())
    try:
        if compared:
            directory = evaluation or evaluation_directory(config, bundles)
            check_evaluation(directory, config, bundles)
            comparison = compare_evaluated(config, directory)
            typer.echo(comparison.describe())
            check_verdict(comparison, allow_undecided=allow_undecided)
            typer.echo(comparison.reason)
        done = put_in_place(config, bundles)
    except (EvaluationError, PromotionError) as error:
        typer.secho(f"Refused: {error}", fg="red", err=True)
        raise typer.Exit(REFUSED_EXIT_CODE) from None
    typer.echo(f"{config.detector} is now detector {done.fingerprint[:12]}")
    if done.previous:
        typer.echo(
            f"The previous one is kept in {done.previous}; to go back:\n"
            f"  drift-monitor promote {monitor} {done.previous} --force"
        )


@app.command()
def demo(
    monitor: Annotated[
        Path, typer.Argument(metavar="MONITOR", help="YAML file of the demo's monitor.")
    ] = Path("monitors/fashion_mnist.yaml"),
    example: Annotated[
        Path, typer.Option(help="Directory of the quickstart's images and detector.")
    ] = Path("examples/fashion_mnist"),
) -> None:
    """Make a week of production batches and run it through Airflow."""
    from drift_monitor.airflow.demo import run_demo

    if not run_demo(monitor, example):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 error, 2 usage, 3 --fail-on, 4 refused."""
    run_app(app)


def _print_verdict(monitor: "Monitor", report: "Report") -> None:
    typer.echo(f"{report.interval}: {report.verdict.verdict}. {report.verdict.reason}")
    typer.echo(f"  {monitor.directory / report.interval / 'report.html'}")


@contextmanager
def _progress(interval: "Interval") -> Iterator["Progress"]:
    """Show rows done: a bar on a terminal, a plain line now and then elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            *Progress.get_default_columns()[:2],
            MofNCompleteColumn(),
            TextColumn("rows"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task(interval.id, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return

    from time import monotonic

    last = monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        if monotonic() - last >= PROGRESS_LINE_SECONDS:
            last = monotonic()
            typer.echo(f"{interval.id}: {done:,} of {total:,} rows", err=True)

    yield line
