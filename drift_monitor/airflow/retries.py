"""Which errors are worth retrying."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from adversarial.errors import DriftMonitorError, TransientError


@contextmanager
def no_useless_retries() -> Iterator[None]:
    """Fail the task at once on an error that needs a person.

    What may pass (a batch that has not arrived yet or is still being written, a storage that cannot
    be reached) and unforeseen errors are retried as Airflow is configured.
    """
    try:
        yield
    except TransientError:
        raise
    except DriftMonitorError as error:
        raise AirflowFailException(str(error)) from error
