"""Running a Typer application so that its errors are one line."""

import os
import signal
import sys

import typer

from adversarial.errors import DriftMonitorError


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
