"""How far a command is, on stderr: a bar on a terminal, otherwise a line every few seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from adversarial.cli.echo import echo

if TYPE_CHECKING:
    from drift_monitor.job.run import Progress

SECONDS_PER_LINE = 10
CHANGED_ROWS = "Changed rows for the estimate of accuracy"


@contextmanager
def show_progress(what: str) -> Iterator["Progress"]:
    """Show how many rows of something are done, and about how long the others will take."""
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
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return

    started = last = monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= SECONDS_PER_LINE:
            last = now
            left = (now - started) * (total - done) / max(1, done)
            echo(f"{what}: {done:,} of {total:,} rows, about {about(left)} left", err=True)

    yield line


def about(seconds: float) -> str:
    """Return a duration as a person would say it.

    Examples
    --------
    >>> about(0.4), about(42.3), about(130), about(7_500)
    ('1 s', '42 s', '2 min', '2 h 5 min')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
