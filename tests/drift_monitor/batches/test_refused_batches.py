"""What is not a batch: refused by file, with a remedy."""

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial.bundle.manifest import InputSpec
from drift_monitor.errors import BatchError, MissingBatchError
from tests.support.batches import (
    FLAT,
    GREY,
    batch,
    binary,
    fixed_size_list,
    random_pixels,
    tensor_column,
)

ROWS = fixed_size_list([[1, 2], [3, 4]], 2)
NOT_A_BATCH: dict[str, tuple[pa.Table, dict[str, Any], InputSpec, list[str]]] = {
    "input column missing": (
        pa.table({"y": ROWS}),
        {},
        FLAT,
        ["no column 'x'", "it has y", "Name the right column"],
    ),
    "row id missing": (pa.table({"x": ROWS}), {"row_id": "id"}, FLAT, ["'id'", "Name the right"]),
    "timestamp missing": (pa.table({"x": ROWS}), {"timestamp": "t"}, FLAT, ["'t'", "Name the"]),
    "prediction missing": (pa.table({"x": ROWS}), {"prediction": "p"}, FLAT, ["'p'", "Name the"]),
    "clean prediction missing": (
        pa.table({"x": ROWS}),
        {"clean_prediction": "c"},
        FLAT,
        ["'c'", "Name the right column"],
    ),
    "segment missing": (pa.table({"x": ROWS}), {"segments": ["s"]}, FLAT, ["'s'", "Name the"]),
    "one of the numeric columns missing": (
        pa.table({"a": [1.0]}),
        {"input": ["a", "b"]},
        FLAT,
        ["no column 'b'", "Name the right column"],
    ),
    "list of another size": (
        pa.table({"x": fixed_size_list([[1, 2, 3]], 3)}),
        {},
        FLAT,
        ["(3,)", "(2,)", "data.shape"],
    ),
    "list without its shape": (
        pa.table({"x": fixed_size_list([[0.0] * 12], 12)}),
        {},
        GREY,
        ["(12,)", "(4, 3, 1)", "set data.shape"],
    ),
    "list with another shape": (
        pa.table({"x": fixed_size_list([[0.0] * 12], 12)}),
        {"shape": [3, 4, 1]},
        GREY,
        ["(3, 4, 1)", "(4, 3, 1)", "fix data.shape"],
    ),
    "tensor of another shape": (
        pa.table({"x": tensor_column(np.zeros((2, 3, 4, 1)))}),
        {},
        GREY,
        ["(3, 4, 1)", "(4, 3, 1)", "name the right column"],
    ),
    "images for a classifier of flat rows": (
        pa.table({"x": binary(random_pixels(1, 4, 3, 1))}),
        {},
        FLAT,
        ["image files", "(2,)"],
    ),
    "images for a classifier of two channels": (
        pa.table({"x": binary(random_pixels(1, 4, 3, 1))}),
        {},
        InputSpec(shape=(4, 3, 2)),
        ["image files", "(4, 3, 2)"],
    ),
    "strings": (pa.table({"x": ["1", "2"]}), {}, FLAT, ["string", "expected"]),
    "lists of dates": (
        pa.table({"x": pa.array([[0, 1]], pa.list_(pa.date32()))}),
        {},
        FLAT,
        ["list<element: date32", "lists of numbers"],
    ),
    "lists of strings": (
        pa.table({"x": fixed_size_list([["a", "b"]], 2, pa.string())}),
        {},
        FLAT,
        ["string", "expected"],
    ),
    "struct without bytes": (
        pa.table({"x": [{"path": "a.png"}]}),
        {},
        GREY,
        ["path: string", "a struct with 'bytes'"],
    ),
    "a string among numeric columns": (
        pa.table({"a": [1.0], "b": ["2"]}),
        {"input": ["a", "b"]},
        FLAT,
        ["'b'", "string", "expected a number"],
    ),
    "too few numeric columns": (
        pa.table({"a": [1.0]}),
        {"input": ["a"]},
        FLAT,
        ["1 numeric columns", "(2,)"],
    ),
    "no rows": (pa.table({"x": ROWS}).slice(0, 0), {}, FLAT, ["no rows", "check the job"]),
    "the column twice": (
        pa.Table.from_arrays([ROWS, ROWS], ["x", "x"]),
        {},
        FLAT,
        ["'x'"],
    ),
}


@pytest.mark.parametrize("case", NOT_A_BATCH)
def test_what_is_not_a_batch_is_refused_by_file_and_with_a_remedy(
    case: str, tmp_path: Path
) -> None:
    table, data, spec, expected = NOT_A_BATCH[case]
    pq.write_table(table, tmp_path / "bad.parquet")
    with pytest.raises(BatchError) as error:
        batch(tmp_path / "bad.parquet", spec, **data)
    assert not isinstance(error.value, MissingBatchError)
    for text in [str(tmp_path / "bad.parquet"), *expected]:
        assert text in str(error.value)


def test_of_several_files_the_bad_one_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": ROWS}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"y": ROWS}), tmp_path / "b.parquet")
    with pytest.raises(BatchError, match=r"b\.parquet has no column 'x'"):
        batch(tmp_path / "*.parquet", FLAT)


def test_other_features_than_the_detectors_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.0], "b": [2.0]}), tmp_path / "x.parquet")
    spec = InputSpec(shape=(2,), feature_names=("a", "b"))
    with pytest.raises(BatchError, match=r"fitted on \['a', 'b'\].*same order"):
        batch(tmp_path / "x.parquet", spec, input=["b", "a"])


@pytest.mark.parametrize("path", ["{}/none.parquet", "{}/*.parquet", "memory://none{}/x.parquet"])
def test_a_missing_file_is_named_with_what_to_check(path: str, tmp_path: Path) -> None:
    path = path.format(tmp_path)
    with pytest.raises(MissingBatchError) as error:
        batch(path, FLAT)
    assert path in str(error.value)
    assert "data.path" in str(error.value)


def test_a_url_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(BatchError, match=r"^nowhere://bucket/x\.parquet cannot be reached"):
        batch("nowhere://bucket/x.parquet", FLAT)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("remote", [False, True], ids=["local", "url"])
def test_a_file_cut_short_is_named_with_a_remedy(keep: float, remote: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut.parquet"
    pq.write_table(pa.table({"x": fixed_size_list([[1, 2]] * 500, 2)}), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    url = f"memory://{tmp_path.name}/cut.parquet"
    with fsspec.open(url, "wb") as file:
        file.write(path.read_bytes())
    with pytest.raises(BatchError, match=r"cut\.parquet cannot be read .*write it again"):
        batch(url if remote else path, FLAT)


@pytest.mark.parametrize("group", [0, 1, 2])
def test_damage_within_a_file_is_named_with_a_remedy(group: int, tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    table = pa.table({"x": fixed_size_list([[i, i] for i in range(30)], 2)})
    pq.write_table(table, path, row_group_size=10, use_dictionary=False)
    start = pq.read_metadata(path).row_group(group).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 16] = b"\xff" * 16
    path.write_bytes(content)
    damaged = batch(path, FLAT)
    with pytest.raises(BatchError, match=r"damaged\.parquet cannot be read .*write it again"):
        list(damaged.chunks(4))


def test_a_segment_of_lists_is_refused(tmp_path: Path) -> None:
    table = pa.table({"x": fixed_size_list([[1, 2]], 2), "tags": [["a", "b"]]})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(BatchError, match="'tags' has type list"):
        batch(tmp_path / "x.parquet", FLAT, segments=["tags"])
