"""The `drift-monitor` command. Heavy imports wait until a command needs them."""

from pathlib import Path
from typing import Annotated

import typer

from adversarial.cli.lean_arrow import keep_pandas_out
from adversarial.cli.run_app import run_app
from drift_monitor.cli.candidate import evaluate, promote
from drift_monitor.cli.detector import reference, threshold
from drift_monitor.cli.fit import fit
from drift_monitor.cli.results import compare, export, labels, report, rows
from drift_monitor.cli.run import backfill, run, validate

app = typer.Typer(
    help="Say whether drift harms a classifier's predictions, batch by batch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _command in (
    *(fit, threshold, reference),
    *(run, backfill, validate),
    *(report, labels, rows, compare, export),
    *(evaluate, promote),
):
    app.command()(_command)


@app.callback()
def drift_monitor() -> None:
    """Say whether drift harms a classifier's predictions, batch by batch."""
    keep_pandas_out()


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
