"""Which errors are worth another attempt at a task."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from adversarial.errors import DriftMonitorError
from drift_monitor.errors import MissingBatchError


@contextmanager
def no_useless_retries() -> Iterator[None]:
    """Fail the task at once on an error that needs a person.

    Rows that are not there yet, and errors nobody foresaw, are retried as often as Airflow is told.
    """
    try:
        yield
    except MissingBatchError:
        raise
    except DriftMonitorError as error:
        raise AirflowFailException(str(error)) from error
