"""Which errors Airflow tries again."""

import pytest
from airflow.sdk.exceptions import AirflowFailException

from drift_monitor.airflow.retries import no_useless_retries
from drift_monitor.errors import (
    BatchError,
    ChangedBatchError,
    ConfigError,
    MissingBatchError,
    NotReadyError,
    StorageError,
)


@pytest.mark.parametrize(
    "kind", [MissingBatchError, ChangedBatchError, NotReadyError, StorageError, KeyError]
)
def test_what_may_pass_is_tried_again(kind: type[Exception]) -> None:
    with pytest.raises(kind), no_useless_retries():
        raise kind("once more")


@pytest.mark.parametrize("kind", [BatchError, ConfigError])
def test_what_needs_a_person_fails_at_once_and_shows_no_secret(kind: type[Exception]) -> None:
    with pytest.raises(AirflowFailException) as error, no_useless_retries():
        raise kind("https://me:hunter2@store/a.parquet is damaged")
    assert str(error.value) == "https://***@store/a.parquet is damaged"
