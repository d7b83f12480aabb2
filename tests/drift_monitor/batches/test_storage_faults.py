"""A storage that fails: asked again, and never taken for a damaged file."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial.errors import TransientError
from drift_monitor.batches import parquet_files, remote_files
from drift_monitor.batches.parquet_files import damaged, find_files, storage_error
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.errors import (
    BatchError,
    ChangedBatchError,
    MissingBatchError,
    NotReadyError,
    StorageError,
)
from tests.support.fault_server import Fault, FaultServer, serve

TABLE = pa.table({"a": np.random.default_rng(0).random(4_000)})
SECRET = "X-Amz-Signature=hunter2"  # noqa: S105 - the one that must not be shown


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setattr(parquet_files, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(remote_files, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(remote_files, "FOOTER_BYTES", 2_000)
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=1_000, use_dictionary=False)
    with serve() as running:
        running.files["/a.parquet"] = (tmp_path / "a.parquet").read_bytes()
        yield running


def read(url: str, seconds: float) -> pa.Table:
    [file] = find_files(url, retry_seconds=seconds)
    return ParquetSource(file, seconds).read(["a"])


@pytest.mark.parametrize("after", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("fault", ["500", "503", "hang up", "cut"])
def test_a_storage_that_recovers_is_asked_again(
    server: FaultServer, fault: Fault, after: int
) -> None:
    server.fault, server.after, server.times = fault, after, 3
    assert read(f"{server.url}/a.parquet?{SECRET}", seconds=30).equals(TABLE)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("fault", ["500", "503", "hang up", "cut"])
def test_a_storage_that_does_not_recover_is_no_damaged_file(
    server: FaultServer, fault: Fault, after: int
) -> None:
    server.fault, server.after = fault, after
    with pytest.raises(StorageError) as error:
        read(f"{server.url}/a.parquet?{SECRET}", seconds=0.02)
    assert isinstance(error.value, TransientError)
    assert str(error.value).startswith(f"{server.url}/a.parquet?X-Amz-Signature=*** cannot be read")
    assert "damaged" not in str(error.value)
    # Nor does a traceback show what the storage's own error says.
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_nobody_at_the_address_is_a_fault_that_may_pass() -> None:
    with pytest.raises(StorageError, match=r"http://127\.0\.0\.1:9/a\.parquet cannot be read"):
        read("http://127.0.0.1:9/a.parquet", seconds=0)


def test_a_directory_of_a_web_server_is_listed_and_a_file_is_not_fetched_for_that(
    server: FaultServer,
) -> None:
    assert find_files(f"{server.url}/") == [f"{server.url}/a.parquet"]
    server.asked.clear()
    assert find_files(f"{server.url}/a.parquet?x=1") == [f"{server.url}/a.parquet?x=1"]
    assert server.asked == ["/a.parquet?x=1"]  # HEAD


@pytest.mark.parametrize(("fault", "kind"), [("403", NotReadyError), ("404", MissingBatchError)])
def test_what_asking_again_cannot_help_is_not_asked_again(
    server: FaultServer, fault: Fault, kind: type[BatchError]
) -> None:
    server.fault = fault
    with pytest.raises(kind):
        read(f"{server.url}/a.parquet", seconds=60)
    assert len(server.asked) <= 4


@pytest.mark.parametrize("etags", [True, False])
def test_a_file_that_is_replaced_while_it_is_fetched_is_not_ready(
    server: FaultServer, tmp_path: Path, etags: bool
) -> None:
    server.etags = etags
    other = pa.table({"a": np.random.default_rng(1).random(4_000)})
    pq.write_table(other, tmp_path / "b.parquet", row_group_size=1_000, use_dictionary=False)
    assert (tmp_path / "b.parquet").stat().st_size == len(server.files["/a.parquet"])
    tables = ParquetSource(f"{server.url}/a.parquet", 0).tables(100, ["a"])
    next(tables)
    server.files["/a.parquet"] = (tmp_path / "b.parquet").read_bytes()
    with pytest.raises(ChangedBatchError):
        list(tables)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), StorageError),
        (RuntimeError("Slow Down"), StorageError),
        (OSError(errno.EIO, "Input/output error"), StorageError),
        (PermissionError("Forbidden"), NotReadyError),
        (FileNotFoundError("bucket/a"), MissingBatchError),
        (ImportError("Install s3fs"), BatchError),
        (ValueError("Protocol not known"), BatchError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_of_a_storage_has_a_kind_and_a_text(
    error: Exception, kind: type[BatchError]
) -> None:
    found = storage_error("s3://bucket/a", error)
    assert type(found) is kind
    assert str(found).startswith("s3://bucket/a ")
    assert "()" not in str(found)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ESTALE, "Stale file handle"), StorageError),
        (FileNotFoundError(errno.ENOENT, "No such file"), NotReadyError),
        (PermissionError(errno.EACCES, "Permission denied"), NotReadyError),
        (OSError("Couldn't deserialize thrift"), BatchError),
        (pa.ArrowInvalid(""), BatchError),
    ],
)
def test_what_a_disk_does_is_no_damage(error: Exception, kind: type[BatchError]) -> None:
    assert type(damaged("a.parquet", error)) is kind


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.parquet")
    with pytest.raises(BatchError, match=r"a\.parquet is no file: name Parquet files"):
        ParquetSource(str(tmp_path / "a.parquet"))
