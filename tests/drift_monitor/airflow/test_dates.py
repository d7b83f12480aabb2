"""The one resolver of batch dates, for every way in which a DAG run can start."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from adversarial.errors import DriftMonitorError
from drift_monitor.airflow.dates import resolve_interval
from drift_monitor.config import DataConfig, Monitor


def monitor(every: str = "day", timezone: str = "UTC") -> Monitor:
    return Monitor(
        name="m",
        detector="d",
        data=DataConfig(path="{date}.parquet", input="image"),
        every=every,  # type: ignore[arg-type]
        timezone=timezone,
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def context(
    *,
    run_type: str = "scheduled",
    logical_date: datetime | None = None,
    data_interval_start: datetime | None = None,
    partition_key: str | None = None,
    batch_date: str | None = None,
) -> dict[str, object]:
    return {
        "params": {"batch_date": batch_date},
        "dag_run": SimpleNamespace(
            run_type=run_type,
            logical_date=logical_date,
            data_interval_start=data_interval_start,
            partition_key=partition_key,
        ),
    }


D, EVE = at("2026-11-20"), at("2026-11-19")

CASES = {
    "scheduled": (context(logical_date=D, data_interval_start=D), "2026-11-20"),
    "scheduled at six": (
        context(logical_date=at("2026-11-20T06:00"), data_interval_start=at("2026-11-20T06:00")),
        "2026-11-20",
    ),
    "backfill": (
        context(run_type="backfill", logical_date=D, data_interval_start=D),
        "2026-11-20",
    ),
    "asset-triggered with a partition key": (
        context(run_type="asset_triggered", partition_key="2026-11-20"),
        "2026-11-20",
    ),
    "trigger with batch_date": (
        context(run_type="manual", batch_date="2026-11-20"),
        "2026-11-20",
    ),
    "batch_date beats every other date": (
        context(
            run_type="manual", logical_date=EVE, data_interval_start=EVE, batch_date="2026-11-20"
        ),
        "2026-11-20",
    ),
    "dags test D and REST with logical_date only": (
        context(run_type="manual", logical_date=D, data_interval_start=EVE),
        "2026-11-20",
    ),
    "trigger -l D, whose interval is the last before now": (
        context(run_type="manual", logical_date=D, data_interval_start=at("2026-12-24")),
        "2026-11-20",
    ),
    "a click: the logical date is now": (
        context(run_type="manual", logical_date=at("2026-11-21T10:41:07"), data_interval_start=D),
        "2026-11-20",
    ),
    "REST with an interval and no logical date": (
        context(run_type="manual", data_interval_start=D),
        "2026-11-20",
    ),
}


@pytest.mark.parametrize(("run", "expected"), CASES.values(), ids=CASES.keys())
def test_every_kind_of_run_processes_the_right_day(run: dict[str, object], expected: str) -> None:
    assert resolve_interval(monitor(), run).id == expected


@pytest.mark.parametrize(
    ("zone", "run", "expected"),
    [
        # Midnight in Berlin is 23:00 UTC the day before.
        ("Europe/Berlin", context(data_interval_start=at("2026-11-19T23:00")), "2026-11-20"),
        ("America/New_York", context(data_interval_start=at("2026-11-20T05:00")), "2026-11-20"),
        # A bare date on the command line is midnight UTC.
        ("Europe/Berlin", context(run_type="manual", logical_date=D), "2026-11-20"),
        ("America/New_York", context(run_type="manual", logical_date=D), "2026-11-20"),
        (
            "Europe/Berlin",
            context(run_type="manual", logical_date=at("2026-11-19T23:00")),
            "2026-11-20",
        ),
    ],
)
def test_a_day_is_the_monitors_own(zone: str, run: dict[str, object], expected: str) -> None:
    assert resolve_interval(monitor(timezone=zone), run).id == expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (context(data_interval_start=at("2026-11-20T06:00")), "2026-11-20T06"),
        (context(run_type="manual", logical_date=at("2026-11-20T06:00")), "2026-11-20T06"),
        (context(run_type="manual", logical_date=at("2026-11-20T06:20")), "2026-11-20T05"),
        (context(batch_date="2026-11-20T06:00"), "2026-11-20T06"),
    ],
)
def test_hours(run: dict[str, object], expected: str) -> None:
    assert resolve_interval(monitor(every="hour"), run).id == expected


def test_a_run_without_any_date_is_an_error_that_says_how_to_give_one() -> None:
    with pytest.raises(DriftMonitorError, match="batch_date"):
        resolve_interval(monitor(), context(run_type="manual"))


def test_a_date_that_cannot_be_read_is_named() -> None:
    with pytest.raises(DriftMonitorError, match=r"'20\.11\.2026'"):
        resolve_interval(monitor(), context(batch_date="20.11.2026"))
