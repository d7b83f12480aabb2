"""A monitor's history from its reports: what is missing, and which alarms survive."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from drift_monitor.results.report import Report, VerdictName
from drift_monitor.stats.multiple_testing import Decision, lord

ALARMS = ("harmful_drift", "drift_harm_unknown", "harmless_drift", "statistical_only")
"""Verdicts that say that something differs from the reference, or that it may."""

FDR = 0.05
"""Largest expected share of false alarms among those that survive."""


class Entry(NamedTuple):
    """An interval and what the online procedure made of its p-value."""

    report: Report
    decision: Decision | None

    @property
    def is_alarm(self) -> bool:
        """Whether the verdict says that something differs from the reference."""
        return self.report.verdict.verdict in ALARMS

    @property
    def survives(self) -> bool:
        """Whether this is an alarm that the online procedure keeps."""
        return self.is_alarm and self.decision is not None and self.decision.rejected


class Gap(NamedTuple):
    """Intervals without a report: the start of the first and of the last, and their number."""

    first: datetime
    last: datetime
    missing: int


class History(NamedTuple):
    """Entries in the order of their data intervals, and the gaps between them."""

    entries: list[Entry]
    gaps: list[Gap]

    @property
    def reports(self) -> list[Report]:
        """The reports in the order of their data intervals."""
        return [entry.report for entry in self.entries]

    @property
    def verdicts(self) -> list[tuple[VerdictName, int]]:
        """How often each verdict was given, most frequent first."""
        return Counter(report.verdict.verdict for report in self.reports).most_common()

    @property
    def alarms(self) -> int:
        """Number of alarms."""
        return sum(entry.is_alarm for entry in self.entries)

    @property
    def surviving(self) -> int:
        """Number of alarms that survive."""
        return sum(entry.survives for entry in self.entries)

    @property
    def missing(self) -> int:
        """Number of intervals in the gaps."""
        return sum(gap.missing for gap in self.gaps)

    @property
    def hourly(self) -> bool:
        """Whether an interval is shorter than a day."""
        return any(report.data_interval.is_hourly for report in self.reports)


def summarise(reports: Sequence[Report]) -> History:
    """Return the history. Neither the order of `reports` nor that of their runs matters."""
    ordered = sorted(reports, key=lambda report: report.data_interval.start)
    decisions = lord([report.verdict.p_value for report in ordered], FDR)
    entries = [Entry(*pair) for pair in zip(ordered, decisions, strict=True)]
    gaps = [gap for pair in pairwise(ordered) if (gap := gap_between(*pair))]
    return History(entries, gaps)


def gap_between(before: Report, after: Report) -> Gap | None:
    """Return the intervals that are missing between two reports, or None if none are."""
    interval = before.data_interval
    length = interval.end - interval.start
    if not interval.is_hourly:  # a local day may have 23 or 25 hours
        length = timedelta(days=round(length / timedelta(days=1)))
    missing = round((after.data_interval.start - interval.end) / length)
    if missing < 1:
        return None
    return Gap(interval.end, interval.end + (missing - 1) * length, missing)
