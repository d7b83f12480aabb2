"""The `adversarial` command."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from adversarial.errors import DriftMonitorError

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
    for name, value in manifest.training.items():
        typer.echo(f"{name:<13} {value}")


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
