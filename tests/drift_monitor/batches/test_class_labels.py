"""Class names and class numbers of a column."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.class_labels import class_indices, class_names
from drift_monitor.errors import BatchError

NAMES = ["cat", "dog", "owl"]


def chunk_of(n: int) -> Chunk:
    x = np.zeros((n, 2), np.float32)
    return Chunk("b.parquet", 10 + np.arange(n), x, pa.table({"label": np.zeros(n)}))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["owl", None, "cat", "dog"]),
        pa.array(["owl", None, "cat", "dog"], pa.large_string()),
        pa.array(["owl", None, "cat", "dog"]).dictionary_encode(),
        pa.array(["dog", "owl", None, "cat", "dog"])[1:],
        pa.array([2, None, 0, 1], pa.int8()),
        pa.array([2, None, 0, 1], pa.uint64()),
        pa.array([2, None, 0, 1]).dictionary_encode(),
        pa.array([1, 2, None, 0, 1])[1:],
        pa.array([2.0, None, 0.0, 1.0]),
        pa.array([2.0, float("nan"), 0.0, 1.0], pa.float32()),
        pa.array([2, -1, 0, 1]),
        pa.array([2, None, 0, 1], pa.float16()),
        pa.array([2, None, 0, 1], pa.decimal128(5, 2)),
        pa.array([b"owl", None, b"cat", b"dog"]),
        pa.array(["owl", None, "cat", "dog"], pa.string_view()),
    ],
    ids=lambda column: f"{column.type}{'-sliced' * bool(column.offset)}",
)
def test_names_and_numbers_give_class_numbers(column: pa.Array) -> None:
    for chunked in (pa.chunked_array([column]), pa.chunked_array([column[:1], column[1:]])):
        indices = class_indices(chunked, NAMES, "label", chunk_of(4))
        assert indices.tolist() == [2, -1, 0, 1]
        assert indices.dtype == np.int64


def test_a_column_of_nulls_has_no_classes() -> None:
    column = pa.chunked_array([pa.nulls(3)])
    assert class_indices(column, NAMES, "label", chunk_of(3)).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pa.array(["cat", None, "cow"]), "'cow'"),
        (pa.array(["cat", None, "cow"]).dictionary_encode(), "'cow'"),
        (pa.array(["dog", "cat", None, "cow"])[1:], "'cow'"),
        (pa.array(["cat", None, "Cat"]), "'Cat'"),
        (pa.array([0, None, 3]), "3"),
        (pa.array([0, None, -2]), "-2"),
        (pa.array([0, None, 1.5]), "1.5"),
        (pa.array([0, None, 1e30]), "1e+30"),
        (pa.array([0, None, 2**64 - 1], pa.uint64()), str(2**64 - 1)),
    ],
    ids=lambda case: str(case.type) if isinstance(case, pa.Array) else case,
)
def test_a_value_that_is_no_class_is_named_with_file_and_row(column: pa.Array, value: str) -> None:
    with pytest.raises(BatchError) as error:
        class_indices(pa.chunked_array([column]), NAMES, "label", chunk_of(3))
    for text in ("b.parquet, row 12", "'label'", value, "cat, dog, owl", "0 to 2"):
        assert text in str(error.value)


def test_a_column_that_cannot_hold_classes_is_named() -> None:
    column = pa.chunked_array([pa.array([0], pa.date32())])
    with pytest.raises(BatchError, match=r"b\.parquet: column 'label' has type date32"):
        class_indices(column, NAMES, "label", chunk_of(1))


def test_class_names_come_from_the_hugging_face_metadata(tmp_path: Path) -> None:
    features = {"label": {"names": NAMES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"label": [0, 1]}).replace_schema_metadata(metadata)
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    assert class_names(str(path), "label") == NAMES
    for other in ("image", "none", None):
        assert class_names(str(path), other) is None


def test_a_file_without_such_metadata_gives_no_class_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [0, 1]}), tmp_path / "x.parquet")
    assert class_names(str(tmp_path / "x.parquet"), "label") is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["no", "yes"], [0, 1, -1]), (["False", "True"], [0, 1, -1]), (["True", "False"], [1, 0, -1])],
)
def test_truth_values_are_classes_by_number_or_by_name(
    names: list[str], expected: list[int]
) -> None:
    column = pa.chunked_array([pa.array([False, True, None])])
    assert class_indices(column, names, "label", chunk_of(3)).tolist() == expected


@pytest.mark.parametrize("value", [b"\xff\xfe", "\x1b[31m" + 5_000 * "x"], ids=["bytes", "endless"])
def test_an_odd_value_is_named_in_short(value: object) -> None:
    with pytest.raises(BatchError) as error:
        class_indices(pa.chunked_array([pa.array([value])]), NAMES, "label", chunk_of(1))
    assert "b.parquet, row 10: column 'label' is " in str(error.value)
    assert len(str(error.value)) < 400
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[1]",
        b"[" * 100_000,
        b'{"info": []}',
        b'{"info": {"features": {"label": {"names": "cat"}}}}',
        b'{"info": {"features": {"label": {"names": [1, 2]}}}}',
        b'{"info": {"features": {"label": {"names": []}}}}',
    ],
    ids=lambda text: text[:30],
)
def test_odd_hugging_face_metadata_name_no_classes(metadata: bytes, tmp_path: Path) -> None:
    table = pa.table({"label": [0, 1]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "x.parquet")
    assert class_names(str(tmp_path / "x.parquet"), "label") is None


def test_truth_values_are_no_classes_where_there_are_more_than_two() -> None:
    column = pa.chunked_array([pa.array([False, True])])
    with pytest.raises(BatchError, match="column 'label' has type bool; expected class names"):
        class_indices(column, NAMES, "label", chunk_of(2))
