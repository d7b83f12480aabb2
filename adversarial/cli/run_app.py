"""Running a Typer application so that its errors are one line."""

import atexit
import gc
import os
import signal
import sys

import typer

from adversarial.cli.echo import echo
from adversarial.errors import DriftMonitorError
from adversarial.tensorflow_log import quieten_tensorflow

COLLECT_EVERY = 50_000
"""New objects after which Python looks for those that only refer to each other. By default it looks
every 700, and most of what a short command makes are modules, which stay."""
OPENBLAS_WAIT = "4"
"""Binary logarithm of the clock ticks that the threads of NumPy's and SciPy's matrix products wait
for the next product before they sleep. By default they spin for 67 million, on cores that the
models could use."""


def run_app(application: typer.Typer) -> None:
    """Run a Typer application: foreseeable errors as one paragraph on stderr, exit code 1."""
    quieten_tensorflow()
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", OPENBLAS_WAIT)  # read when NumPy is imported
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)  # a process that ends need not look through all it has made
    # As after an interrupt, what is half done is cleaned up on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        application()
    except (DriftMonitorError, OSError) as error:
        echo(f"Error: {error}", fg="red", err=True)
        sys.exit(1)
