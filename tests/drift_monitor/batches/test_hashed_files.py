"""Rows and SHA-256 from one pass: what is read, what is kept, and files that change meanwhile."""

import errno
import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_monitor.batches import hashed_files, remote_files
from drift_monitor.batches.hashed_files import LocalFile
from drift_monitor.batches.remote_files import RemoteFile
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.errors import BatchError, ChangedBatchError
from tests.support.counted_files import CountedFileSystem


@pytest.fixture(params=["local", "url"])
def place(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Return a function that gives the path or URL of a local file."""

    def put(path: Path) -> str:
        return str(path) if request.param == "local" else upload(path)

    return put


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files of a test be as large beside blocks and memory as gigabytes are otherwise."""
    monkeypatch.setattr(remote_files, "BLOCK_BYTES", 3_000)
    monkeypatch.setattr(hashed_files, "HASHED_BYTES", 1_000)
    monkeypatch.setattr(remote_files, "KEPT_IN_MEMORY", 5_000)
    monkeypatch.setattr(remote_files, "FOOTER_BYTES", 2_000)


def upload(path: Path) -> str:
    url = f"counted://lake/{path.parent.name}/{path.name}"
    with fsspec.open(url, "wb") as file:
        file.write(path.read_bytes())
    CountedFileSystem.fetched = 0
    return url


def table(rows: int, columns: int = 3, seed: int = 0) -> pa.Table:
    """Return a table that does not get smaller when it is compressed."""
    values = np.random.default_rng(seed).random((columns, rows))
    return pa.table({f"c{i}": values[i] for i in range(columns)})


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("columns", [["c0"], ["c1", "c2"], ["c2"], ["c0", "c1", "c2"]], ids=str)
@pytest.mark.parametrize("row_group_size", [100, 700, 5_000])
@pytest.mark.parametrize("size", [64, 1_000, 9_000])
def test_rows_and_hash_come_from_one_pass(
    place: Callable[[Path], str],
    columns: list[str],
    row_group_size: int,
    size: int,
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5_000), path, row_group_size=row_group_size)
    source = ParquetSource(place(path))
    found = pa.concat_tables(source.tables(size, columns))
    assert found.equals(pq.read_table(path, columns=columns))
    described = source.describe()
    assert (described.rows, described.sha256) == (5_000, sha256(path))
    if source.name != str(path):
        assert CountedFileSystem.fetched <= 1.05 * path.stat().st_size


@pytest.mark.parametrize(
    ("rows", "columns", "row_group_size"),
    [(10, 2, 10), (2_000, 3, 2_000), (20_000, 3, 20_000), (400, 300, 10), (200_000, 4, 50_000)],
    ids=["smaller than a footer", "two footers", "one row group", "large footer", "ten megabytes"],
)
def test_a_remote_file_is_fetched_once(
    rows: int, columns: int, row_group_size: int, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(rows, columns), path, row_group_size=row_group_size)
    source = ParquetSource(upload(path))
    assert sum(len(part) for part in source.tables(512, ["c0"])) == rows
    assert source.describe().sha256 == sha256(path)
    assert CountedFileSystem.fetched <= 1.05 * path.stat().st_size


def test_the_hash_alone_fetches_a_remote_file_once(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(200_000, 4), path)
    source = ParquetSource(upload(path))
    assert [source.describe().sha256 for _ in range(2)] == [sha256(path)] * 2
    assert CountedFileSystem.fetched == path.stat().st_size


def test_a_local_file_is_not_read_for_its_hash_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5_000), path, row_group_size=500)
    source = ParquetSource(str(path))
    for _ in source.tables(512, ["c0"]):
        pass
    monkeypatch.setattr(LocalFile, "sha256", lambda _: pytest.fail("read again"))
    assert source.describe().sha256 == sha256(path)


@pytest.mark.usefixtures("small_blocks")
def test_no_more_than_a_row_group_of_a_remote_file_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(20_000), path, row_group_size=1_000)
    kept = []
    read = remote_files.RemotePass.read

    def watched(self: remote_files.RemotePass, size: int = -1) -> bytes:
        found = read(self, size)
        kept.append(self._window_end - self._window_start)
        return found

    monkeypatch.setattr(remote_files.RemotePass, "read", watched)
    for _ in ParquetSource(upload(path)).tables(100, ["c0", "c1", "c2"]):
        pass
    group = pq.read_metadata(path).row_group(0).total_byte_size
    # As much may lie before the row group as behind it, until it is worth a copy; and two blocks.
    assert max(kept) <= 2 * group + 2 * remote_files.BLOCK_BYTES
    assert path.stat().st_size > 5 * max(kept)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_remote_file_can_be_read_from_any_place(data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=1, max_size=300))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_files, "BLOCK_BYTES", data.draw(st.integers(1, 100)))
        patch.setattr(remote_files, "FOOTER_BYTES", data.draw(st.integers(1, 100)))
        patch.setattr(remote_files, "KEPT_IN_MEMORY", data.draw(st.integers(1, 100)))
        with fsspec.open("counted://any/place", "wb") as file:
            file.write(content)
        remote = RemoteFile("counted://any/place")
        with remote.footer():
            pass
        with remote.one_pass() as reading:
            for _ in range(data.draw(st.integers(0, 8))):
                start, size = (data.draw(st.integers(0, len(content))) for _ in range(2))
                assert reading.seek(start) == start
                assert reading.read(size) == content[start : start + size]
                assert reading.tell() == min(start + size, len(content))
                reading.reached(data.draw(st.integers(0, len(content))), len(content))
            assert reading.sha256() == hashlib.sha256(content).hexdigest()


# Files that change


def replaced(path: Path) -> None:
    new = path.with_name("new")
    pq.write_table(table(5_000, seed=1), new, row_group_size=500)
    new.replace(path)


def written_to(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1_000] ^= 255
    path.write_bytes(content)


def appended_to(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5_000])


def removed(path: Path) -> None:
    path.unlink()


CHANGES = [replaced, written_to, appended_to, cut, removed]


def change_at(source: ParquetSource, path: Path, change: Callable[[Path], None]) -> None:
    change(path)
    if source.name != str(path):
        filesystem, inner = fsspec.core.url_to_fs(source.name)
        filesystem.rm(inner)
        if path.exists():
            upload(path)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_file_that_changes_while_it_is_read_is_named(
    place: Callable[[Path], str], change: Callable[[Path], None], after: int, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5_000), path, row_group_size=500)
    source = ParquetSource(place(path))
    tables = source.tables(1_000, ["c0", "c2"])
    list(itertools.islice(tables, after))
    change_at(source, path, change)
    with pytest.raises(ChangedBatchError, match=r"x\.parquet changed while.*run again"):
        list(tables)


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_before_it_is_hashed_is_named(
    place: Callable[[Path], str], change: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5_000), path)
    source = ParquetSource(place(path))
    change_at(source, path, change)
    with pytest.raises(ChangedBatchError, match=r"x\.parquet changed"):
        source.describe()


def test_a_file_that_is_read_twice_is_the_same_file(
    place: Callable[[Path], str], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5_000), path, row_group_size=500)
    source = ParquetSource(place(path))
    for _ in range(2):
        assert source.read(["c0"]).equals(pq.read_table(path, columns=["c0"]))
    os.utime(path)  # nothing but the time of writing
    change_at(source, path, os.utime)
    with pytest.raises(ChangedBatchError):
        source.read(["c0"])


def test_a_storage_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(200_000), path)
    source = ParquetSource(upload(path), retry_seconds=0)

    def fail(*_: object) -> bytes:
        raise RuntimeError("503 Slow Down")  # no OSError: each storage has errors of its own

    monkeypatch.setattr("tests.support.counted_files.CountedFile._fetch_range", fail)
    with pytest.raises(BatchError, match=r"^counted://.*x\.parquet cannot be read: 503 Slow Down"):
        source.read(["c0"])


def test_a_disk_that_cannot_hold_a_row_group_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(20_000), path)
    source = ParquetSource(upload(path))

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpooledTemporaryFile, "write", refuse)
    with pytest.raises(BatchError, match=r"cannot hold it \(No space left on device\).*set TMPDIR"):
        source.read(["c0"])


def test_a_pass_that_is_given_up_leaves_no_thread(
    place: Callable[[Path], str], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5_000), path, row_group_size=500)
    tables: Iterator[pa.Table] = ParquetSource(place(path)).tables(100, ["c0"])
    next(tables)
    assert any(thread.name.startswith("sha256") for thread in threading.enumerate())
    tables.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("sha256") for thread in threading.enumerate())


def test_a_file_url_is_a_local_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(50), path)
    source = ParquetSource(f"file://{path}")
    assert source.read(["c0"]).equals(pq.read_table(path, columns=["c0"]))
    assert source.describe().path == f"file://{path}"
    assert source.describe().sha256 == sha256(path)
