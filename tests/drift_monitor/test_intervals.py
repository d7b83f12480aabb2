"""Intervals of a monitor: they hold their moment, leave no gap, and end with the last date."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.intervals import Interval
from tests.support.job.monitors import BERLIN, NEW_YORK, monitor


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


INTERVALS: list[tuple[str, str, datetime | date, str, str, str]] = [
    # every, zone, when, start and end in UTC, id
    ("hour", "UTC", utc("2026-11-20T06:59:59"), "2026-11-20T06", "2026-11-20T07", "2026-11-20T06"),
    ("hour", "UTC", naive("2026-11-20T23:00"), "2026-11-20T23", "2026-11-21T00", "2026-11-20T23"),
    ("hour", "UTC", date(2026, 11, 20), "2026-11-20T00", "2026-11-20T01", "2026-11-20T00"),
    ("day", "UTC", utc("2026-11-20T00:00"), "2026-11-20T00", "2026-11-21T00", "2026-11-20"),
    ("day", "UTC", utc("2026-11-20T23:59:59"), "2026-11-20T00", "2026-11-21T00", "2026-11-20"),
    ("day", "UTC", naive("2026-11-20T12:00"), "2026-11-20T00", "2026-11-21T00", "2026-11-20"),
    ("day", "UTC", date(2028, 2, 29), "2028-02-29T00", "2028-03-01T00", "2028-02-29"),
    ("week", "UTC", date(2026, 11, 16), "2026-11-16T00", "2026-11-23T00", "2026-11-16"),
    ("week", "UTC", utc("2026-11-22T23:59"), "2026-11-16T00", "2026-11-23T00", "2026-11-16"),
    ("week", "UTC", date(2027, 1, 1), "2026-12-28T00", "2027-01-04T00", "2026-12-28"),
    ("day", BERLIN, utc("2026-11-20T23:30"), "2026-11-20T23", "2026-11-21T23", "2026-11-21"),
    ("day", BERLIN, naive("2026-11-20T23:30"), "2026-11-19T23", "2026-11-20T23", "2026-11-20"),
    ("day", NEW_YORK, utc("2026-11-21T04:59"), "2026-11-20T05", "2026-11-21T05", "2026-11-20"),
    ("day", NEW_YORK, date(2026, 11, 20), "2026-11-20T05", "2026-11-21T05", "2026-11-20"),
    # 23 hours, and 25, of which one comes twice
    ("day", BERLIN, utc("2026-03-29T12:00"), "2026-03-28T23", "2026-03-29T22", "2026-03-29"),
    ("day", BERLIN, naive("2026-03-29T02:30"), "2026-03-28T23", "2026-03-29T22", "2026-03-29"),
    ("day", BERLIN, utc("2026-10-25T00:30"), "2026-10-24T22", "2026-10-25T23", "2026-10-25"),
    ("day", BERLIN, utc("2026-10-25T01:30"), "2026-10-24T22", "2026-10-25T23", "2026-10-25"),
    ("day", NEW_YORK, utc("2026-03-08T12:00"), "2026-03-08T05", "2026-03-09T04", "2026-03-08"),
    ("day", NEW_YORK, utc("2026-11-01T12:00"), "2026-11-01T04", "2026-11-02T05", "2026-11-01"),
    ("week", BERLIN, date(2026, 3, 29), "2026-03-22T23", "2026-03-29T22", "2026-03-23"),
    ("week", NEW_YORK, utc("2026-11-02T04:30"), "2026-10-26T04", "2026-11-02T05", "2026-10-26"),
    # Where midnight itself is skipped, and where it comes twice
    ("day", "Atlantic/Azores", date(2026, 3, 29), "2026-03-29T01", "2026-03-30T00", "2026-03-29"),
    (
        "day",
        "Atlantic/Azores",
        utc("2026-10-25T00:30"),
        "2026-10-25T00",
        "2026-10-26T01",
        "2026-10-25",
    ),
    (
        "day",
        "Atlantic/Azores",
        utc("2026-10-25T01:30"),
        "2026-10-25T00",
        "2026-10-26T01",
        "2026-10-25",
    ),
]


@pytest.mark.parametrize(("every", "zone", "when", "start", "end", "name"), INTERVALS)
def test_the_interval_that_holds_a_moment(
    every: str, zone: str, when: datetime | date, start: str, end: str, name: str
) -> None:
    interval = monitor(every=every, timezone=zone).interval(when)
    assert interval.start.astimezone(UTC) == utc(start)
    assert interval.end.astimezone(UTC) == utc(end)
    assert interval.id == name
    assert interval.is_hourly == (every == "hour")


@given(
    when=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", BERLIN, NEW_YORK, "Asia/Kolkata", "Australia/Lord_Howe"]),
    every=st.sampled_from(["hour", "day", "week"]),
)
def test_intervals_hold_their_moment_and_leave_no_gap(
    when: datetime, zone: str, every: str
) -> None:
    of = monitor(every=every, timezone="UTC" if every == "hour" else zone)
    interval = of.interval(when)
    start, end = interval.start.astimezone(UTC), interval.end.astimezone(UTC)
    assert start <= when < end
    assert of.interval(start) == of.interval(end - timedelta(microseconds=1)) == interval
    following = of.interval(end)
    assert following.start.astimezone(UTC) == end
    assert following.id > interval.id


@pytest.mark.parametrize(
    ("every", "zone", "start", "end", "ids"),
    [
        ("day", "UTC", (2026, 11, 20), (2026, 11, 20), ["2026-11-20"]),
        ("day", "UTC", (2026, 2, 27), (2026, 3, 1), ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ("day", BERLIN, (2026, 3, 28), (2026, 3, 30), ["2026-03-28", "2026-03-29", "2026-03-30"]),
        ("day", BERLIN, (2026, 10, 24), (2026, 10, 26), ["2026-10-24", "2026-10-25", "2026-10-26"]),
        ("day", NEW_YORK, (2026, 11, 1), (2026, 11, 2), ["2026-11-01", "2026-11-02"]),
        ("week", "UTC", (2026, 11, 18), (2026, 11, 29), ["2026-11-16", "2026-11-23"]),
        ("week", "UTC", (2026, 11, 18), (2026, 11, 30), ["2026-11-16", "2026-11-23", "2026-11-30"]),
        ("week", BERLIN, (2026, 3, 23), (2026, 3, 30), ["2026-03-23", "2026-03-30"]),
        (
            "hour",
            "UTC",
            (2026, 3, 1),
            (2026, 3, 1),
            [f"2026-03-01T{hour:02}" for hour in range(24)],
        ),
    ],
)
def test_a_range_of_intervals_includes_its_last_date(
    every: str, zone: str, start: tuple[int, ...], end: tuple[int, ...], ids: list[str]
) -> None:
    found = monitor(every=every, timezone=zone).intervals(date(*start[:3]), date(*end[:3]))
    assert [interval.id for interval in found] == ids


@pytest.mark.parametrize(
    ("every", "start", "end", "first", "last"),
    [
        ("day", "2026-11-20", "2026-11-22", "2026-11-20", "2026-11-22"),
        ("day", "2026-11-20T18:00", "2026-11-22T06:00", "2026-11-20", "2026-11-22"),
        ("week", "2026-11-18", "2026-11-29", "2026-11-16", "2026-11-23"),
        ("hour", "2026-11-20T06:00", "2026-11-20T09:00", "2026-11-20T06", "2026-11-20T09"),
    ],
)
def test_a_range_may_be_given_by_times(
    every: str, start: str, end: str, first: str, last: str
) -> None:
    found = monitor(every=every).intervals(naive(start), naive(end))
    assert (found[0].id, found[-1].id) == (first, last)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        ("2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00", "2026-11-20"),
        ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-03-29"),
        ("2026-11-20T05:00:00+00:00", "2026-11-20T06:00:00+00:00", "2026-11-20T05"),
    ],
)
def test_the_id_of_an_interval_read_from_json_is_the_same(start: str, end: str, name: str) -> None:
    interval = Interval.model_validate_json(f'{{"start": "{start}", "end": "{end}"}}')
    assert interval.id == name


def test_an_interval_is_given_in_the_monitors_zone() -> None:
    interval = monitor(timezone=BERLIN).interval(utc("2026-11-20T23:30"))
    assert interval.start.utcoffset() == timedelta(hours=1)
    assert interval.start.tzinfo == ZoneInfo(BERLIN)


@pytest.mark.parametrize(
    ("every", "schedule", "cron"),
    [
        ("hour", "auto", "0 * * * *"),
        ("day", "auto", "0 0 * * *"),
        ("week", "auto", "0 0 * * 1"),
        ("day", "0 6 * * *", "0 6 * * *"),
        ("day", None, None),
    ],
)
def test_the_schedule_follows_the_interval_unless_given(
    every: str, schedule: str | None, cron: str | None
) -> None:
    assert monitor(every=every, schedule=schedule).cron == cron
