"""Which batch a DAG run processes. Airflow has many dates; only this module chooses among them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor
from drift_monitor.intervals import Interval

BATCH_DATE = "batch_date"


def resolve_interval(monitor: Monitor, context: Mapping[str, Any]) -> Interval:
    """Return the data interval that a DAG run processes.

    It is the first of these that the run has:

    1. the parameter `batch_date`, set by hand;
    2. the partition key;
    3. in a run started by hand (`airflow dags test`, `airflow dags trigger -l`, REST), the logical
       date. Airflow infers a data interval before that date, or before now, but someone who names
       a day means that day. A moment inside an interval, such as the time of a click, does not name
       a day: the last interval that was complete by then is taken;
    4. the start of the data interval (scheduled runs and backfills).

    Parameters
    ----------
    monitor : Monitor
        Gives the time zone and the length of an interval.
    context : mapping
        Airflow's task context.

    Raises
    ------
    DriftMonitorError
        If the run has no date, or one that cannot be parsed.
    """
    given = (context.get("params") or {}).get(BATCH_DATE)
    if given:
        return monitor.interval(parse_date(given, BATCH_DATE))
    dag_run = context["dag_run"]
    if dag_run.partition_key:
        return monitor.interval(parse_date(dag_run.partition_key, "the partition key"))
    if dag_run.run_type == "manual" and dag_run.logical_date is not None:
        return _named_interval(monitor, dag_run.logical_date)
    if dag_run.data_interval_start is not None:
        return monitor.interval(dag_run.data_interval_start)
    raise DriftMonitorError(
        f"the DAG run has no date: trigger it with the parameter {BATCH_DATE}, as in "
        f'--conf \'{{"{BATCH_DATE}": "2026-11-20"}}\''
    )


def _named_interval(monitor: Monitor, logical_date: datetime) -> Interval:
    interval = monitor.interval(logical_date)
    if logical_date == interval.start:
        return interval
    # A bare date on Airflow's command line is midnight UTC, whatever the monitor's zone.
    in_utc = logical_date.astimezone(UTC)
    if in_utc.time() == time() and monitor.every != "hour":
        return monitor.interval(in_utc.date())
    return monitor.interval(interval.start - timedelta(seconds=1))


def parse_date(text: str, what: str) -> date | datetime:
    """Return the date or time that a run's parameter gives.

    Raises
    ------
    DriftMonitorError
        If it is neither; the message names `what`.
    """
    try:
        if len(text) == len("2026-11-20"):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise DriftMonitorError(
            f"{what} is {text!r}: expected a date (2026-11-20) or a time (2026-11-20T06:00)"
        ) from None
