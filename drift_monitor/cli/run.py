"""The commands `run`, `backfill` and `validate`."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from adversarial.cli.echo import echo
from adversarial.errors import DriftMonitorError
from drift_monitor.cli.options import (
    DATE_FORMATS,
    EndOption,
    MonitorFile,
    Runtime,
    ScoringPrecision,
    StartOption,
    load_monitor_with,
)
from drift_monitor.cli.progress import show_progress

if TYPE_CHECKING:
    from drift_monitor.batches.batch import Batch
    from drift_monitor.config import Monitor
    from drift_monitor.intervals import Interval
    from drift_monitor.job.backfill import Run
    from drift_monitor.results.report import Report

FAIL_ON_EXIT_CODE = 3
FIRST_ROWS = 512
"""Of a batch, which `validate` decodes."""
DateOption = Annotated[
    datetime, typer.Option(formats=DATE_FORMATS, help="Date (or hour) of the interval.")
]


class FailOn(StrEnum):
    """Verdicts that make `run` and `backfill` exit with code 3."""

    HARMFUL_DRIFT = "harmful_drift"
    UNKNOWN = "unknown"

    def holds(self, report: "Report") -> bool:
        """Whether a report's verdict is one of them."""
        verdicts = ["harmful_drift"]
        if self is FailOn.UNKNOWN:
            verdicts.append("drift_harm_unknown")
        return report.verdict.verdict in verdicts


FailOnOption = Annotated[
    FailOn | None,
    typer.Option(
        help="Exit with code 3 if the verdict is harmful_drift; with 'unknown', also if it is "
        "drift_harm_unknown."
    ),
]


def run(
    monitor: MonitorFile,
    date: DateOption,
    fail_on: FailOnOption = None,
    runtime: Runtime = None,
    precision: ScoringPrecision = None,
) -> None:
    """Score one interval, report on it and commit the result."""
    from drift_monitor.job.run import run_interval

    config = load_monitor_with(monitor, runtime, precision)
    interval = config.interval(date)
    with show_progress(interval.id) as progress:
        report = run_interval(config, interval, progress=progress)
    _print_verdict(config, report)
    if fail_on and fail_on.holds(report):
        raise typer.Exit(FAIL_ON_EXIT_CODE)


def backfill(
    monitor: MonitorFile,
    start: StartOption,
    end: EndOption,
    overwrite: Annotated[bool, typer.Option(help="Run committed intervals again.")] = False,
    fail_on: FailOnOption = None,
    runtime: Runtime = None,
    precision: ScoringPrecision = None,
) -> None:
    """Run all intervals not committed yet. One that fails does not stop the others."""
    if end < start:
        raise typer.BadParameter(f"{end:%Y-%m-%d} is before --start", param_hint="--end")
    from drift_monitor.job.backfill import backfill as run_backfill
    from drift_monitor.job.backfill import committed_intervals
    from drift_monitor.results.report import Report

    config = load_monitor_with(monitor, runtime, precision)
    if not overwrite and (committed := committed_intervals(config, start, end)):
        echo(f"Skipping {len(committed)} committed intervals (see --overwrite)")

    def say(interval: "Interval", run: "Run") -> None:
        if isinstance(run, Report):
            _print_verdict(config, run)
        else:
            echo(f"{interval.id}: Error: {run}", fg="red", err=True)

    result = run_backfill(
        config,
        start,
        end,
        overwrite=overwrite,
        progress=lambda interval: show_progress(interval.id),
        on_done=say,
    )
    if result.failed:
        n_tried = len(result.reports) + len(result.failed)
        raise DriftMonitorError(
            f"{len(result.failed)} of {n_tried} intervals failed; the reasons are above. Fix them "
            "and run the same command again: it continues with what is missing"
        )
    if fail_on and any(fail_on.holds(report) for report in result.reports.values()):
        raise typer.Exit(FAIL_ON_EXIT_CODE)


def validate(
    monitor: MonitorFile,
    date: Annotated[
        datetime | None, typer.Option(formats=DATE_FORMATS, help="Also check this batch's columns.")
    ] = None,
) -> None:
    """Check a monitor's YAML file, its detector bundle and, with --date, a batch's first rows."""
    from adversarial.bundle.read import read_bundle
    from adversarial.bundle.trust import missing_from_bundle, refusal
    from adversarial.detector.loading import NO_GRAPH
    from adversarial.extras import is_training_installed
    from drift_monitor.config import load_monitor
    from drift_monitor.errors import ConfigError
    from drift_monitor.intervals import STEPS
    from drift_monitor.verdict.redaction import describe_kept_inputs

    config = load_monitor(monitor)
    first, second = config.intervals(config.start_date, config.start_date + 7 * STEPS["day"])[:2]
    if config.batch_path(first) == config.batch_path(second):
        raise ConfigError(
            f"{monitor}: data.path gives the same files for {first.id} and {second.id}: put the "
            "interval into it, for instance as {date} or {start:%Y-%m-%dT%H}"
        )
    echo(f"{monitor}: monitor {config.name!r}, every {config.every}, {config.timezone}")
    bundle = read_bundle(config.detector, config.detector_key)
    has_graph = bundle.scoring_graph() is not None
    if config.runtime == "openvino" and not has_graph:
        raise ConfigError(f"{monitor}: runtime is openvino, but {NO_GRAPH}")
    # The scoring graph is made of OpenVINO's own operations and runs no code of the classifier's.
    loads_models = config.runtime == "tensorflow" or not has_graph
    if loads_models and (missing := missing_from_bundle(bundle, config.trust)):
        raise ConfigError(f"{monitor}: {refusal(bundle.place, missing)}")
    signed = f", signed with the key of {config.detector_key}" if config.detector_key else ""
    echo(f"{config.detector}: detector {bundle.fingerprint[:12]}, all files unaltered{signed}")
    if kept := describe_kept_inputs(bundle, config.data):
        echo(f"Warning: {kept}", fg="yellow", err=True)
    if config.evaluation:
        from drift_monitor.batches.labelled_rows import evaluation_batch
        from drift_monitor.detectors.evaluate import make_experiment

        spec = bundle.manifest.input
        evaluated = evaluation_batch(config, spec)
        echo(f"{config.evaluation.path}: {evaluated.n_rows:,} rows to evaluate on")
        if is_training_installed():
            make_experiment(config, spec)
        else:
            echo("  but attacks and threat models are not checked: that needs drift-monitor[train]")
    if date:
        from drift_monitor.batches.batch import Batch

        path = config.batch_path(config.interval(date))
        batch = Batch(path, config.data, bundle.manifest.input)
        echo(f"{path}: {batch.n_rows:,} rows in {len(batch.rows_of)} files, columns as declared")
        if not batch.has_labels:
            echo(
                f"  but no column {config.data.label!r} (data.label): without labels, harm is "
                "judged by the detector"
            )
        _check_first_rows(batch, bundle.manifest.class_names)


def _check_first_rows(batch: "Batch", class_names: Sequence[str]) -> None:
    """Decode the first rows as a run would, and say of how many it would have no score."""
    from drift_monitor.errors import BatchError
    from drift_monitor.scoring.score_table import class_columns

    n, rejected = 0, []
    with closing(batch.chunks(FIRST_ROWS)) as chunks:
        for chunk in chunks:
            class_columns(chunk, batch.data, class_names)
            n += len(chunk.x) + len(chunk.rejected)
            rejected += chunk.rejected
            if n >= FIRST_ROWS:
                break
    if rejected:
        one = rejected[0]
        found = (
            f"{len(rejected):,} of the first {n:,} rows cannot be scored: {one.file}, row "
            f"{one.row}: {one.reason}"
        )
        if len(rejected) == n:
            raise BatchError(found)
        echo(f"Warning: {found}", fg="yellow", err=True)
    elif n:
        echo(f"  the first {n:,} rows can be scored, and their classes are the detector's")


def _print_verdict(monitor: "Monitor", report: "Report") -> None:
    from adversarial.storage.opening import join
    from drift_monitor.pages.inputs import headline
    from drift_monitor.pages.resemblance import sentence

    echo(f"{report.interval}: {report.verdict.verdict}. {report.verdict.reason}")
    if report.inputs:
        echo(f"  {headline(report.inputs)}")
    if looks_like := sentence(report.support, monitor.data.input_columns):
        echo(f"  {looks_like}")
    echo(f"  {join(monitor.location, report.interval, 'report.html')}")
