"""The commands for committed results: `report`, `labels`, `rows`, `compare` and `export`."""

import shlex
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adversarial.cli.echo import echo
from adversarial.errors import DriftMonitorError
from drift_monitor.cli.options import DATE_FORMATS, EndOption, MonitorFile, StartOption

if TYPE_CHECKING:
    import pyarrow as pa

    from drift_monitor.config import Monitor
    from drift_monitor.results.read import Result

ROWS_SHOWN = 20
HEADINGS = {
    "row_id": "id",
    "prediction": "predicted",
    "reconstruction_prediction": "rebuilt",
    "corrected_prediction": "corrected",
    "adversarial_score": "score",
    "probability_correct": "p(right)",
    "logged_prediction": "served",
}
"""Shorter headings for columns with long names, for the terminal."""


class Outcome(StrEnum):
    """Which rows the command `rows` lists."""

    HARMFUL = "harmful"
    HARMLESS = "harmless"


def report(
    monitor: MonitorFile,
    date: Annotated[
        datetime | None,
        typer.Option(formats=DATE_FORMATS, help="Only this interval; all of them by default."),
    ] = None,
) -> None:
    """Write the HTML pages of committed intervals again, without scoring."""
    from drift_monitor.config import load_monitor
    from drift_monitor.job.write import rerender, write_index
    from drift_monitor.results.store import Store

    config = load_monitor(monitor)
    failed = 0
    intervals = [config.interval(date).id] if date else Store(config.location).committed()
    for interval in intervals:
        try:
            echo(f"Wrote {rerender(config, interval)}")
        except DriftMonitorError as error:
            failed += 1
            echo(f"{interval}: Error: {error}", fg="red", err=True)
    echo(f"Wrote {write_index(config)}")
    if failed:
        raise DriftMonitorError(
            f"{failed} of {len(intervals)} pages could not be written; the reasons are above"
        )


def labels(
    monitor: MonitorFile,
    labels: Annotated[
        str, typer.Option(help="Labels: Parquet or CSV file, directory, glob or URL.")
    ],
    start: StartOption,
    end: EndOption,
    id_column: Annotated[
        str | None,
        typer.Option("--id", help="Column with the row ids; data.row_id or row_id by default."),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option("--label", help="Column with the labels; data.label or label by default."),
    ] = None,
) -> None:
    """Re-judge committed intervals with labels that arrived later, without scoring."""
    if end < start:
        raise typer.BadParameter(f"{end:%Y-%m-%d} is before --start", param_hint="--end")
    from drift_monitor.config import load_monitor
    from drift_monitor.job.labelling import label_interval, plan_labelling
    from drift_monitor.job.write import write_index

    config = load_monitor(monitor)
    intervals = config.intervals(start, end)
    plan = plan_labelling(config, labels, intervals, id_column, label_column)
    echo(plan.describe())
    failed = 0
    for interval in plan.intervals:
        try:
            echo(label_interval(config, interval, plan.labels).describe())
        except (DriftMonitorError, OSError) as error:
            failed += 1
            echo(f"{interval.id}: Error: {error}", fg="red", err=True)
    echo(f"Wrote {write_index(config)}")
    if failed:
        raise DriftMonitorError(
            f"{failed} of {len(plan.intervals)} intervals failed and are unchanged; the reasons "
            "are above. Fix them and run the same command again"
        )


def rows(
    monitor: MonitorFile,
    date: Annotated[
        datetime, typer.Option(formats=DATE_FORMATS, help="Date (or hour) of the interval.")
    ],
    outcome: Annotated[Outcome | None, typer.Option(help="Only rows of this outcome.")] = None,
    flagged: Annotated[bool, typer.Option("--flagged", help="Only flagged rows.")] = False,
    random: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Draw this many of them at random. With --output, of those without a label; the "
            "file has their inputs and an empty column 'label': fill it in, and pass the file to "
            "'labels'.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"At most this many; by default {ROWS_SHOWN} on a terminal, all in a file."
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="File or URL to write the rows to, .csv or .parquet.")
    ] = None,
) -> None:
    """List the rows of a committed interval by descending score, or a random sample of them."""
    from adversarial.storage.opening import join
    from drift_monitor.config import load_monitor
    from drift_monitor.errors import ConfigError
    from drift_monitor.results.read import read_result
    from drift_monitor.results.row_list import list_rows
    from drift_monitor.results.table_file import check_local, check_suffix, write_table

    if output:
        check_suffix(output)
        if random:
            check_local("--output", output, "a sheet is filled in by hand and so written to disk")
    config = load_monitor(monitor)
    result = read_result(join(config.location, config.interval(date).id))
    redacts = config.data.row_id in config.data.redact
    if random and output and redacts:
        raise ConfigError(
            f"{monitor}: data.redact names {config.data.row_id!r}, by which labels are joined: a "
            "sheet without it cannot be read back"
        )
    listed = list_rows(
        result.report,
        result.scores,
        outcome=outcome,
        flagged=flagged,
        random=random,
        unlabelled=output is not None,
        redact_ids=redacts,
    )
    shown = listed.slice(0, limit if limit or output else ROWS_SHOWN)
    if output:
        write_table(_sheet(config, result, shown, Path(output)) if random else shown, output)
        echo(f"Wrote {output}: {len(shown):,} of {len(listed):,} rows")
        if random:
            echo(f"Fill in its column 'label', then: {_labels_command(config, date, output)}")
        return
    if len(shown):
        _print_rows(shown)
    echo(f"{len(shown):,} of {len(listed):,} rows")


def compare(
    a: Annotated[str, typer.Argument(help="Directory or URL of an interval, or its report.json.")],
    b: Annotated[str, typer.Argument(help="The other one; differences are B minus A.")],
    json_file: Annotated[
        str | None,
        typer.Option("--json", help="File or URL to write the comparison to, as JSON."),
    ] = None,
) -> None:
    """Compare two committed intervals, or two detectors on the same interval: B minus A."""
    from adversarial.reporting.terminal_table import print_table
    from adversarial.storage.copies import replace_at
    from drift_monitor.analysis.interval_comparison import compare_results
    from drift_monitor.cli.comparison_table import differences, on_same_rows, side_by_side
    from drift_monitor.results.read import read_result

    comparison = compare_results(read_result(a), read_result(b))
    print_table(["", "A", "B"], side_by_side(comparison))
    headings = ["B minus A", "difference", "95 % interval", "p"]
    print_table(headings, differences(comparison), right=headings[1:])
    if same := comparison.same_rows:
        echo(
            f"On the {same.n:,} rows that both have ({same.only_in_a:,} only in A, "
            f"{same.only_in_b:,} only in B), predictions agree on {same.same_prediction:.1%}:"
        )
        headings = ["", "rows", "agree", "only A", "only B", "points", "95 % interval", "McNemar p"]
        print_table(headings, on_same_rows(comparison), right=headings[1:])
    for note in comparison.notes:
        echo(f"Note: {note}")
    if json_file:
        with replace_at(json_file) as scratch:
            scratch.write_text(comparison.to_json(), encoding="utf-8")
        echo(f"Wrote {json_file}")


def export(
    monitor: MonitorFile,
    output: Annotated[
        str | None,
        typer.Option(
            help="File or URL for one row per interval, metric and slice, .csv or .parquet; CSV on "
            "stdout if neither file is given."
        ),
    ] = None,
    prometheus: Annotated[
        Path | None,
        typer.Option(help="File (*.prom) for the latest interval, in Prometheus' text format."),
    ] = None,
) -> None:
    """Write the numbers of all committed intervals for a dashboard."""
    from drift_monitor.config import load_monitor
    from drift_monitor.results.export import history_table
    from drift_monitor.results.read import read_reports
    from drift_monitor.results.table_file import check_local, check_suffix, to_csv, write_table

    if output:
        check_suffix(output)
    if prometheus:
        check_local("--prometheus", prometheus, "node_exporter collects metrics from a disk")
    config = load_monitor(monitor)
    reports, unreadable = read_reports(config.location)
    for reason in unreadable:
        echo(f"Error: {reason}", fg="red", err=True)
    if not reports:
        raise DriftMonitorError(
            f"{config.location} has no committed interval that can be read: run one first "
            "(drift-monitor run)"
        )
    if output:
        write_table(history_table(reports), output)
        echo(f"Wrote {output}: {len(reports):,} intervals")
    if prometheus:
        from drift_monitor.results.prometheus import write_metrics

        write_metrics(reports[-1], prometheus)
        echo(f"Wrote {prometheus}: {reports[-1].interval}")
    if not output and not prometheus:
        text = to_csv(history_table(reports))
        if sys.stdout.isatty():
            echo(text, nl=False)
        else:
            sys.stdout.write(text)
    if unreadable:
        raise DriftMonitorError(
            f"{len(unreadable)} of {len(reports) + len(unreadable)} intervals are left out; the "
            "reasons are above"
        )


def _sheet(config: "Monitor", result: "Result", rows: "pa.Table", output: Path) -> "pa.Table":
    from drift_monitor.errors import BatchError
    from drift_monitor.job.label_sheet import check_unlabelled, empty_sheet, label_sheet

    check_unlabelled(output)
    try:
        return label_sheet(config, result, rows, output)
    except BatchError as error:
        echo(f"Warning: the rows are listed without inputs: {error}", fg="yellow", err=True)
        return empty_sheet(rows)


def _labels_command(config: "Monitor", date: datetime, output: str) -> str:
    interval = config.interval(date).id
    words = ["drift-monitor", "labels", config.file, "--labels", output]
    return shlex.join([*words, "--start", interval, "--end", interval])


def _print_rows(table: "pa.Table") -> None:
    from adversarial.reporting.terminal_table import print_table

    def text(value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    headings = [HEADINGS.get(name, name) for name in table.column_names]
    print_table(headings, [[text(value) for value in row.values()] for row in table.to_pylist()])
