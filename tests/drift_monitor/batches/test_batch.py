"""Batches: files, row groups and chunks in the order of the input."""

import hashlib
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.batches import (
    FLAT,
    batch,
    fixed_size_list,
    read,
)


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, first in (("b", 10), ("c", 20), ("a", 0)):
        table = pa.table({"x": fixed_size_list([[first, i] for i in range(2)], 2)})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    files = batch(tmp_path / "*.parquet", FLAT)
    x, rows, _ = read(files)
    assert x.tolist() == [[0, 0], [0, 1], [10, 0], [10, 1], [20, 0], [20, 1]]
    assert rows == [0, 1, 0, 1, 0, 1]
    assert [Path(file.path).name for file in files.files()] == [
        "a.parquet",
        "b.parquet",
        "c.parquet",
    ]
    assert [file.rows for file in files.files()] == [2, 2, 2]
    assert files.n_rows == 6


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("row_group_size", [1, 2, 4, 100])
def test_chunks_and_row_groups_do_not_change_what_is_read(
    size: int, row_group_size: int, tmp_path: Path
) -> None:
    values = np.arange(22, dtype=np.float32).reshape(11, 2)
    table = pa.table({"x": fixed_size_list(list(values), 2), "id": np.arange(11)})
    for name, part in (("a", table.slice(0, 4)), ("b", table.slice(4))):
        pq.write_table(part, tmp_path / f"{name}.parquet", row_group_size=row_group_size)
    sliced = batch(tmp_path / "*.parquet", FLAT, row_id="id")
    x, rows, _ = read(sliced, size)
    np.testing.assert_array_equal(x, values)
    assert rows == [*range(4), *range(7)]
    ids = [i for chunk in sliced.chunks(size) for i in chunk.columns["id"].to_pylist()]
    assert ids == list(range(11))


@pytest.mark.parametrize(
    "empty",
    [
        pa.table({"x": fixed_size_list([[1, 2]], 2)}).slice(0, 0),
        pa.table({"x": pa.array([], pa.null())}),
        pa.table({}),
    ],
    ids=["as the others", "of null type", "without columns"],
)
def test_a_file_without_rows_beside_others_is_read(empty: pa.Table, tmp_path: Path) -> None:
    table = pa.table({"x": fixed_size_list([[1, 2]], 2)})
    pq.write_table(empty, tmp_path / "a.parquet")
    pq.write_table(table, tmp_path / "b.parquet")
    x, rows, _ = read(batch(tmp_path / "*.parquet", FLAT))
    assert x.tolist() == [[1, 2]]
    assert rows == [0]


def test_the_hash_is_of_the_files_bytes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), tmp_path / "x.parquet")
    expected = hashlib.sha256((tmp_path / "x.parquet").read_bytes()).hexdigest()
    assert batch(tmp_path / "x.parquet", FLAT).files()[0].sha256 == expected


@pytest.mark.parametrize("pattern", ["memory://lake/{0}/*.parquet", "memory://lake/{0}/a.parquet"])
def test_a_url_reads_the_same_as_a_local_path(pattern: str, tmp_path: Path) -> None:
    column = fixed_size_list([[1, 2], None, [3, 4]], 2)
    pq.write_table(pa.table({"x": column}), tmp_path / "a.parquet")
    local = batch(tmp_path / "a.parquet", FLAT)
    url = pattern.format(tmp_path.name)
    with fsspec.open(f"memory://lake/{tmp_path.name}/a.parquet", "wb") as file:
        file.write((tmp_path / "a.parquet").read_bytes())
    remote = batch(url, FLAT)
    for got, expected in zip(read(remote), read(local), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert remote.files()[0].sha256 == local.files()[0].sha256
    assert remote.files()[0].path.startswith("memory://")


def test_a_path_that_holds_glob_characters_and_exists_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run[1]" / "x.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), path)
    assert batch(path, FLAT).n_rows == 1


def test_a_label_may_arrive_later(tmp_path: Path) -> None:
    table = pa.table({"x": fixed_size_list([[1, 2], [3, 4]], 2)})
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.append_column("label", [[0, 1]]), tmp_path / "b.parquet")
    chunks = list(batch(tmp_path / "*.parquet", FLAT, label="label").chunks(10))
    assert [chunk.columns.column_names for chunk in chunks] == [[], ["label"]]
    assert [len(chunk.rows) for chunk in chunks] == [2, 2]


def test_columns_that_directories_name_are_those_of_every_row(tmp_path: Path) -> None:
    for country, first in (("CH", 0), ("FR%2FOM", 10), ("__HIVE_DEFAULT_PARTITION__", 20)):
        directory = tmp_path / "date=2026-11-20" / f"country={country}"
        directory.mkdir(parents=True)
        column = fixed_size_list([[first, 1], [first, 2]], 2)
        table = pa.table({"x": column, "date": ["in the file"] * 2})
        pq.write_table(table, directory / "a.parquet")
    path = tmp_path / "date=2026-11-20" / "**" / "*.parquet"
    found = batch(path, FLAT, segments=["date", "country"])
    chunks = list(found.chunks(3))
    columns = pa.concat_tables([chunk.columns for chunk in chunks])
    assert columns["country"].to_pylist() == ["CH", "CH", "FR/OM", "FR/OM", None, None]
    assert set(columns["date"].to_pylist()) == {"in the file"}
    assert np.concatenate([chunk.x for chunk in chunks])[:, 0].tolist() == [0, 0, 10, 10, 20, 20]


def test_a_file_that_a_glob_finds_in_several_ways_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "hour" / "part" / "x.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), path)
    found = batch(tmp_path / "**" / "**" / "*.parquet", FLAT)
    assert found.rows_of == {str(path): 1}
    assert read(found)[0].tolist() == [[1, 2]]


def test_a_directory_stands_for_the_parquet_files_in_it(tmp_path: Path) -> None:
    directory = tmp_path / "day.parquet"
    (directory / "nested").mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "_SUCCESS", "nested/c.parquet"):
        pq.write_table(pa.table({"x": fixed_size_list([[1, 2]], 2)}), directory / name)
    found = [Path(file).name for file in batch(directory, FLAT).rows_of]
    assert found == ["a.parquet", "b.parquet"]
