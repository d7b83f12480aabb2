"""Which rows a batch is compared with: the detector's own window, or recent good intervals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import AccuracyEstimator
from adversarial.bundle.manifest import REFERENCE, BundleError
from adversarial.bundle.read import Bundle
from adversarial.storage.opening import join
from drift_monitor.config import Monitor
from drift_monitor.errors import StoreError
from drift_monitor.intervals import Interval
from drift_monitor.results.read import read_result
from drift_monitor.results.report import Report
from drift_monitor.results.score_columns import IDENTITY, SCORED, ScoreColumn, without_columns
from drift_monitor.results.store import Store

UNFIT = ("harmful_drift", "drift_harm_unknown", "insufficient_data")
"""Verdicts that keep an interval out of a trailing window.

Where harm is unknown, the interval may be the fault: later ones must not be compared with it.
"""


@dataclass(frozen=True)
class ReferenceWindow:
    """A reference window, and what else the bundle says about normal rows.

    All of it is read under the bundle's lock, so that it belongs to one detector.

    Attributes
    ----------
    table : pyarrow.Table
        Score table of the window.
    own_score : (n,) float64 array
        Scores in the bundle's own window, in nats.
    accuracy_estimator : AccuracyEstimator, optional
        The bundle's, if it has one.
    novel_held_out : pair of int, optional
        Novel rows among the held-out normal rows of the bundle's index of novelty, and all of them.
    intervals : tuple of str
        Intervals that make up the window, latest last; none if it is the detector's own.
    scores_sha256 : tuple of str
        SHA-256 of their score tables.
    note : str, optional
        Why it is the detector's own although the monitor asks for a trailing one.
    """

    table: pa.Table
    own_score: NDArray[np.float64]
    accuracy_estimator: AccuracyEstimator | None = None
    novel_held_out: tuple[int, int] | None = None
    intervals: tuple[str, ...] = ()
    scores_sha256: tuple[str, ...] = ()
    note: str | None = None


def reference_window(monitor: Monitor, bundle: Bundle, interval: Interval) -> ReferenceWindow:
    """Return the window that the monitor's batch of `interval` is compared with.

    Raises
    ------
    BundleError
        If the bundle's own window lacks a column, or its accuracy estimator cannot be read: it was
        made by another version.
    StoreError
        If the scores of an interval in a trailing window cannot be read.
    """
    own = bundle.reference()
    own_score = own[ScoreColumn.SCORE].to_numpy()
    accuracy_estimator = bundle.accuracy_estimator()
    index = bundle.novelty()
    held_out = None if index is None else (index.n_novel, index.n_held_out)
    if monitor.reference.kind == "fixed":
        return ReferenceWindow(_checked(own, bundle), own_score, accuracy_estimator, held_out)
    wanted = monitor.reference.intervals
    names = trailing_intervals(monitor, bundle.fingerprint, interval.id)
    if len(names) < wanted:
        return ReferenceWindow(
            _checked(own, bundle),
            own_score,
            accuracy_estimator,
            held_out,
            note=f"the detector's own, because only {len(names)} of {wanted} intervals before "
            "this one are committed, scored by this detector and fit to be a reference",
        )
    results = [read_result(join(monitor.location, name)) for name in names]
    table = pa.concat_tables([r.scores for r in results], promote_options="permissive")
    return ReferenceWindow(
        without_columns(table, IDENTITY),
        own_score,
        accuracy_estimator,
        held_out,
        intervals=tuple(names),
        scores_sha256=tuple(Judged.of(result.report).scores for result in results),
    )


def _checked(table: pa.Table, bundle: Bundle) -> pa.Table:
    if missing := set(SCORED) - set(table.column_names):
        raise BundleError(
            f"{bundle.file(REFERENCE)} has no column {', '.join(sorted(missing))}: the bundle is "
            "of an older version; renew its reference with 'drift-monitor reference'"
        )
    return table


class Judged(NamedTuple):
    """What decides whether an interval is in a window, and tells whether it has changed since."""

    interval: str
    fingerprint: str
    verdict: str
    scores: str

    @classmethod
    def of(cls, report: Report) -> Self:
        """Return it from a report; earlier versions do not name the scores' SHA-256."""
        scores = report.files.scores.sha256 if report.files else ""
        return cls(report.interval, report.detector.fingerprint, report.verdict.verdict, scores)


def trailing_intervals(monitor: Monitor, fingerprint: str, before: str) -> list[str]:
    """Return the last committed intervals that may serve as reference for the interval `before`.

    They are at most as many as the monitor asks for, were scored by the detector `fingerprint`, and
    their verdicts are not in `UNFIT`.
    """
    store = Store(monitor.location)

    def latest_first() -> Iterator[Judged]:
        for name in reversed(store.committed()):
            try:
                yield Judged.of(store.read(name))
            except StoreError:  # the index names it; the window uses reports that can be read
                continue

    found = _fit(latest_first(), fingerprint, before, monitor.reference.intervals)
    return [judged.interval for judged in found]


def trailing_window(
    monitor: Monitor, fingerprint: str, interval: str, earlier: Iterable[Judged]
) -> list[Judged]:
    """Return the window that an interval is to be compared with, latest last.

    Parameters
    ----------
    monitor : Monitor
        The monitor.
    fingerprint : str
        The detector that has scored the interval.
    interval : str
        The interval.
    earlier : iterable of Judged
        The committed intervals before it, in time order.

    Returns
    -------
    list of Judged
        None if it is to be compared with the detector's own window.
    """
    wanted = monitor.reference.intervals
    found = _fit(reversed(list(earlier)), fingerprint, interval, wanted)
    return found if len(found) == wanted else []


def _fit(
    latest_first: Iterable[Judged], fingerprint: str, before: str, wanted: int
) -> list[Judged]:
    """Return the last intervals that may serve as reference, latest last."""
    result: list[Judged] = []
    for judged in latest_first:
        if len(result) == wanted:
            break
        is_fit = judged.fingerprint == fingerprint and judged.verdict not in UNFIT
        if is_fit and judged.interval < before:
            result.append(judged)
    return result[::-1]
