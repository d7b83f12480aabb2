"""Joining labels to a score table by row: laws, and what is refused."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.errors import LabelError
from drift_monitor.job.label_deliveries import (
    Delivery,
    Origin,
    labelled_rows,
    with_deliveries,
)
from drift_monitor.job.late_labels import LabelRows, find_labels
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.report import StoredFile
from drift_monitor.results.score_columns import inexact_id, row_keys
from tests.support.animals import CLASSES

IDS = tuple(f"r{i}" for i in range(8))

labellings = st.dictionaries(st.sampled_from([*IDS, "elsewhere"]), st.integers(-1, 2))
tables = st.tuples(
    st.lists(
        st.sampled_from([*IDS, None]),
        min_size=1,
        max_size=12,
        unique_by=lambda key: key or object(),  # ids tell rows apart; several rows may have none
    ),
    st.booleans(),
).map(lambda drawn: score_table(*drawn))


def score_table(ids: list[str | None], labelled: bool) -> pa.Table:
    columns = {"row_id": pa.array(ids, pa.string()), "prediction": ["cat"] * len(ids)}
    columns["reconstruction_confidence"] = [0.5] * len(ids)
    if labelled:
        columns["label"] = pa.array(["owl" if i % 2 else None for i in range(len(ids))])
    return pa.table(columns | {"site": ["north"] * len(ids)})


def labels(*files: dict[str, int]) -> LabelRows:
    return LabelRows.of(
        [pa.array(list(file), pa.string()) for file in files],
        [np.array(list(file.values()), np.int64) for file in files],
        [f"file{i}.parquet" for i in range(len(files))],
    )


def labelled(table: pa.Table, *files: dict[str, int]) -> pa.Table:
    given = find_labels(table, labels(*files), CLASSES)
    file = StoredFile(path="labels/0001.parquet", sha256="")
    origin = Origin(labels=[DataFile(path="labels.csv", rows=9, sha256="")], batch=[])
    delivery = Delivery(file, labelled_rows(table, given), origin)
    return with_deliveries(table, [delivery], [], CLASSES)[0]


@given(tables, labellings, labellings)
def test_in_two_steps_as_at_once(
    table: pa.Table, first: dict[str, int], second: dict[str, int]
) -> None:
    later = {key: label for key, label in second.items() if label >= 0}
    assert labelled(labelled(table, first), second).equals(labelled(table, first | later))


@given(tables, labellings)
def test_the_same_labels_again_change_nothing(table: pa.Table, given: dict[str, int]) -> None:
    once = labelled(table, given)
    assert labelled(once, given).equals(once)


@given(tables, labellings)
def test_rows_named_get_the_label_and_others_keep_theirs(
    table: pa.Table, given: dict[str, int]
) -> None:
    found = labelled(table, given)
    named = len(table) - find_labels(table, labels(given), CLASSES).null_count
    before = table["label"].to_pylist() if "label" in table.column_names else [None] * len(table)
    known = {key: CLASSES[label] for key, label in given.items() if label >= 0}
    ids = table["row_id"].to_pylist()
    expected = [known.get(key, old) for key, old in zip(ids, before, strict=True)]
    if "label" not in found.column_names:
        assert expected == [None] * len(table)
        return
    assert found["label"].to_pylist() == expected
    assert named == sum(key in known for key in ids)
    assert found.drop_columns("label").equals(
        table.drop_columns("label") if "label" in table.column_names else table
    )


@given(tables, labellings)
def test_which_labels_are_of_rows_in_the_table(table: pa.Table, given: dict[str, int]) -> None:
    rows = labels(given)
    ids = set(table["row_id"].to_pylist())
    assert rows.within(table).tolist() == [key in ids for key in rows.key.to_pylist()]


def test_the_same_label_twice_is_one_label() -> None:
    rows = labels({"r0": 1, "r1": 2}, {"r1": 2, "r2": 0})
    table = score_table(["r2", "r1", "r0", "r3"], labelled=False)
    assert find_labels(table, rows, CLASSES).to_pylist() == ["cat", "owl", "dog", None]
    assert rows.source.tolist() == [0, 0, 1, 1]


def test_rows_without_a_label_are_counted_and_left_out() -> None:
    rows = labels({"r0": -1, "r1": 2})
    assert (rows.key.to_pylist(), rows.unlabelled) == (["r1"], 1)


def test_a_new_label_column_stands_where_scoring_would_put_it() -> None:
    table = score_table(["r0"], labelled=False)
    assert labelled(table, {"r0": 0}).column_names == [
        "row_id", "prediction", "reconstruction_confidence", "label", "site"
    ]  # fmt: skip
    logged = table.add_column(3, "logged_prediction", [["cat"]])
    assert labelled(logged, {"r0": 0}).column_names[3:] == ["logged_prediction", "label", "site"]


def test_two_labels_of_one_row_are_refused_with_both_places() -> None:
    with pytest.raises(LabelError, match=r"file0\.parquet, row 1 and file1\.parquet, row 2: 'r1'"):
        labels({"r0": 0, "r1": 1}, {"r2": 0, "r3": -1, "r1": 2})


def test_a_label_of_no_row_is_refused_and_a_gap_is_not() -> None:
    rows = pa.array(["r0", None, None], pa.string())
    with pytest.raises(LabelError, match=re.escape("file0, row 2: it has a label, but no id")):
        LabelRows.of([rows], [np.array([0, -1, 1])], ["file0"])
    assert len(LabelRows.of([rows], [np.array([0, -1, -1])], ["file0"]).label) == 1


@pytest.mark.parametrize("number", [pa.int32(), pa.uint64(), pa.float64()])
def test_file_and_row_name_a_row_whatever_the_type_of_the_number(number: pa.DataType) -> None:
    rows = pa.array([1, 11, None]).cast(number)
    table = pa.table({"file": ["1 of b", "b", "b"], "row": rows})
    assert row_keys(table).to_pylist() == ["row 1 of 1 of b", "row 11 of b", None]


def test_ids_that_are_numbers_are_those_of_the_score_table() -> None:
    for ids in (pa.array([7, 8]), pa.array([7.0, 8.0]), pa.array(["7", "8"]).dictionary_encode()):
        assert row_keys(pa.table({"row_id": ids})).to_pylist() == ["7", "8"]


def test_large_ids_are_told_apart_in_floats_as_far_as_floats_can() -> None:
    large = pa.array([12345678901.0, 20000000000.0, None, float("nan"), 0.5])
    keys = row_keys(pa.table({"row_id": large}))
    assert keys.to_pylist() == ["12345678901", "20000000000", None, None, "0.5"]
    assert inexact_id(keys) is None
    assert inexact_id(row_keys(pa.table({"row_id": [1.0, 2.0**53]}))) == "9.007199254740992e+15"


@pytest.mark.parametrize("text", ["1731234567890.0", "1.73123456789e+12", "1.73123456789E12"])
def test_ids_that_pandas_wrote_as_floats_are_those_of_the_batch(text: str) -> None:
    numbers = [pa.array([1731234567890]), pa.array([1731234567890.0]), pa.array(["1731234567890"])]
    for ids in (*numbers, pa.array([text])):
        assert row_keys(pa.table({"row_id": ids})).to_pylist() == ["1731234567890"]


def test_ids_that_only_look_like_numbers_are_left_alone() -> None:
    ids = ["007", "1e5", "3e12", "1.50", "2.5e-3", "1.0.0", "v1.0", "-"]
    assert row_keys(pa.table({"row_id": ids})).to_pylist() == ids


def test_an_id_of_several_rows_takes_no_label() -> None:
    scores = pa.table({"row_id": ["a", "a", "b"], "label": pa.nulls(3, pa.string())})
    given = LabelRows.of([pa.array(["a"])], [np.array([1])], ["f"])
    with pytest.raises(LabelError, match="2 scored rows have the id 'a'"):
        find_labels(scores, given, ("cat", "dog"))
    other = LabelRows.of([pa.array(["b"])], [np.array([1])], ["f"])
    assert find_labels(scores, other, ("cat", "dog")).to_pylist() == [None, None, "dog"]
