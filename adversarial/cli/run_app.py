"""Running a Typer application so that its errors are one line."""

import signal
import sys

import typer

from adversarial.cli.echo import echo
from adversarial.cli.lean_process import spare_processor
from adversarial.errors import DriftMonitorError
from adversarial.tensorflow_log import quieten_tensorflow


def run_app(application: typer.Typer) -> None:
    """Run a Typer application: foreseeable errors as one paragraph on stderr, exit code 1."""
    quieten_tensorflow()
    spare_processor()
    # As after an interrupt, what is half done is cleaned up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        application()
    except (DriftMonitorError, OSError) as error:
        echo(f"Error: {error}", fg="red", err=True)
        sys.exit(1)
