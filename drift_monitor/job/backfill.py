"""Many intervals of one monitor, one after the other."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from adversarial.bundle.read import read_bundle
from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor
from drift_monitor.intervals import Interval
from drift_monitor.job.run import Progress, run_interval
from drift_monitor.results.report import Report
from drift_monitor.results.store import Store

if TYPE_CHECKING:
    from adversarial.detector.scorer import Scorer

logger = logging.getLogger(__name__)

Run = Report | Exception
"""The outcome of one interval: its report, or the error that stopped it."""


@dataclass(frozen=True)
class Backfill:
    """What a backfill did; intervals are named by their `id`, in time order.

    Attributes
    ----------
    reports : dict of str to Report
        The reports of the intervals that were run.
    failed : dict of str to Exception
        Why other intervals could not be run. Nothing was committed for them.
    skipped : list of str
        Intervals that were committed before and were left as they are.
    """

    reports: dict[str, Report] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def committed_intervals(
    monitor: Monitor, start: datetime | date, end: datetime | date
) -> list[Interval]:
    """Return the intervals from `start` to `end`, both included, that have a finished result."""
    store = Store(monitor.location)
    return [i for i in monitor.intervals(start, end) if store.is_committed(i.id)]


def backfill(
    monitor: Monitor,
    start: datetime | date,
    end: datetime | date,
    *,
    overwrite: bool = False,
    detector: "Scorer | None" = None,
    progress: Callable[[Interval], AbstractContextManager[Progress | None]] | None = None,
    on_done: Callable[[Interval, Run], None] | None = None,
) -> Backfill:
    """Run the intervals from `start` to `end`; one that fails does not stop the others.

    The detector is verified and loaded once, and only if there is something to run.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    start, end : datetime or date
        The first and the last interval are those that contain them; see `Monitor.intervals`.
    overwrite : bool
        Run committed intervals again.
    detector : Scorer, optional
        The monitor's detector, if it is already loaded.
    progress : callable, optional
        Called with each interval before it runs. Returns a context manager that gives the callback
        for rows done and total rows (or None); it is left when the interval ends.
    on_done : callable, optional
        Called after each interval with its report or the error that stopped it.

    Returns
    -------
    Backfill
        What was run, what failed and why, and what was skipped.

    Raises
    ------
    DriftMonitorError
        If the detector is damaged or cannot be loaded: then no interval can be run.
    """
    committed = [] if overwrite else committed_intervals(monitor, start, end)
    result = Backfill(skipped=[interval.id for interval in committed])
    missing = [i for i in monitor.intervals(start, end) if i.id not in result.skipped]
    bundle = read_bundle(monitor.detector, monitor.detector_key) if missing else None
    if bundle and detector is None:
        from adversarial.detector.loading import load_scorer

        detector = load_scorer(
            bundle, monitor.trust, runtime=monitor.runtime, precision=monitor.precision
        )
    for interval in missing:
        run: Run
        try:
            with progress(interval) if progress else nullcontext() as rows_done:
                run = run_interval(
                    monitor, interval, detector=detector, bundle=bundle, progress=rows_done
                )
        except Exception as error:
            if not isinstance(error, DriftMonitorError | OSError):
                logger.exception("%s: a defect of drift-monitor, please report it", interval.id)
            run = result.failed[interval.id] = error
        else:
            result.reports[interval.id] = run
        if on_done:
            on_done(interval, run)
    return result
