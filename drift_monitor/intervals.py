"""Data intervals: the half-open spans of time that batches are of; zones and schedules of them."""

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name!r} is not an IANA name such as Europe/Berlin") from None
    return name


def _cron(schedule: str) -> str:
    if schedule == "auto":
        raise ValueError("'auto' is for batches: give a cron expression such as 0 6 * * 1, or null")
    return _schedule(schedule)


def _schedule(schedule: str) -> str:
    if schedule != "auto" and not re.fullmatch(r"@[a-z]+|\S+( \S+){4}", schedule):
        raise ValueError(f"{schedule!r} is neither 'auto' nor a cron expression such as 0 6 * * *")
    return schedule


ZoneName = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
Schedule = Annotated[str, AfterValidator(_schedule)]
"""A cron expression, or `auto`: at the end of each interval."""

Every = Literal["hour", "day", "week"]

STEPS: dict[Every, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
CRONS: dict[Every, str] = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 1"}
"""When an interval of each length ends."""


class Interval(BaseModel):
    """One data interval: half-open, in the monitor's time zone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime
    end: datetime

    @property
    def id(self) -> str:
        """Name of the interval's directory: `2026-11-20`, or `2026-11-20T06` for hours."""
        return f"{self.start:%Y-%m-%d}" + (f"T{self.start:%H}" if self.is_hourly else "")

    @property
    def is_hourly(self) -> bool:
        """Whether the interval is shorter than a day."""
        return self.end - self.start < timedelta(hours=23)


def interval_at(when: datetime | date, every: Every, zone: ZoneInfo) -> Interval:
    """Return the interval that holds `when`.

    A date, or a time without a zone, is of `zone`. Weeks begin on Monday.
    """
    if not isinstance(when, datetime):
        when = datetime.combine(when, time())
    local = when.astimezone(zone) if when.tzinfo else when.replace(tzinfo=zone)
    start = local.replace(minute=0, second=0, microsecond=0)
    if every != "hour":
        start = start.replace(hour=0, fold=0)
    if every == "week":
        start -= timedelta(days=start.weekday())
    return Interval(start=start, end=start + STEPS[every])


def intervals_between(
    start: datetime | date, end: datetime | date, every: Every, zone: ZoneInfo
) -> list[Interval]:
    """Return the intervals from the one that holds `start` to the one that holds `end`.

    A date without a time stands for the whole day.
    """
    last = interval_at(end, every, zone)
    if every == "hour" and not isinstance(end, datetime):
        last = interval_at(last.start + timedelta(hours=23), every, zone)
    intervals = [interval_at(start, every, zone)]
    while intervals[-1].start < last.start:
        intervals.append(interval_at(intervals[-1].end, every, zone))
    return intervals
