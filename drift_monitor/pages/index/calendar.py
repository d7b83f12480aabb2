"""The verdict calendar: days in weeks by month, hours by day, or weeks by year."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from drift_monitor.pages.index.history import Entry, History

DAY = timedelta(days=1)


class Cell(NamedTuple):
    """A place in the calendar: an interval, a missing interval, or empty if it has no text."""

    text: str
    entry: Entry | None = None


class Block(NamedTuple):
    """A titled grid of cells, filled row by row."""

    title: str
    headings: list[str]
    cells: list[Cell]


def blocks(history: History) -> list[Block]:
    """Return the calendar; the longest interval decides which kind."""
    cells = {
        entry.report.data_interval.start.replace(tzinfo=None): Cell("", entry)
        for entry in history.entries
    }
    if not cells:
        return []
    intervals = [report.data_interval for report in history.reports]
    longest = max(intervals, key=lambda interval: interval.end - interval.start)
    if longest.is_hourly:
        return list(_hours(cells))
    return list(_weeks(cells) if longest.end - longest.start > 2 * DAY else _days(cells))


def _days(cells: dict[datetime, Cell]) -> Iterator[Block]:
    first, last = min(cells).date(), max(cells).date()
    days = {when.date(): cell for when, cell in cells.items()}
    for (year, month), group in groupby(_dates(first, last), key=lambda d: (d.year, d.month)):
        dates = list(group)
        blank = [Cell("")] * dates[0].weekday()
        yield Block(
            date(year, month, 1).strftime("%B %Y"),
            ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"],
            blank + [days.get(d, Cell(""))._replace(text=str(d.day)) for d in dates],
        )


def _weeks(cells: dict[datetime, Cell]) -> Iterator[Block]:
    mondays = {_monday(when.date()): cell for when, cell in cells.items()}
    weeks = [d for d in _dates(min(mondays), max(mondays)) if not d.weekday()]
    for year, group in groupby(weeks, key=lambda d: d.isocalendar().year):
        result = list(group)
        blank = [Cell("")] * ((result[0].isocalendar().week - 1) % 13)
        numbered = [
            mondays.get(d, Cell(""))._replace(text=str(d.isocalendar().week)) for d in result
        ]
        yield Block(f"Weeks of {year}", [], blank + numbered)


def _hours(cells: dict[datetime, Cell]) -> Iterator[Block]:
    first, last = min(cells), max(cells)
    for day in _dates(first.date(), last.date()):
        hours = [datetime.combine(day, datetime.min.time()).replace(hour=h) for h in range(24)]
        yield Block(
            f"{day:%a %d %b %Y}",
            [],
            [
                cells.get(hour, Cell(""))._replace(text=f"{hour.hour}")
                if first <= hour <= last
                else Cell("")
                for hour in hours
            ],
        )


def _dates(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + offset * DAY


def _monday(day: date) -> date:
    return day - day.weekday() * DAY
