"""A process that spares the processor what a command has no use for."""

import atexit
import gc
import os

OPENBLAS_WAIT = "4"
"""Binary logarithm of the clock ticks that the threads of NumPy's and SciPy's matrix products wait
for the next product before they sleep. By default they spin for 67 million, on cores that the
models could use."""
COLLECT_EVERY = 50_000
"""New objects after which Python looks for those that only refer to each other. By default it looks
every 700, and most of what a short command makes are modules, which stay."""


def spare_processor() -> None:
    """Let threads that have nothing to do sleep, and the collector of objects rest.

    This is for programs, before they import NumPy. `OPENBLAS_THREAD_TIMEOUT` stays as it is where
    it is set.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", OPENBLAS_WAIT)
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)  # a process that ends need not look through all it has made
