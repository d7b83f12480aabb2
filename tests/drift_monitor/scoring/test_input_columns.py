"""What a bundle keeps of its reference's inputs, and what of a batch is compared with it."""

import doctest

import numpy as np
import pytest

from adversarial.bundle.manifest import InputSpec
from adversarial.descriptors import descriptor_names
from drift_monitor.scoring import input_columns
from drift_monitor.scoring.input_columns import (
    FILE_PROPERTIES,
    describe_inputs,
    input_names,
    missing_in_reference,
    reference_inputs,
)
from drift_monitor.scoring.input_summary import summary_for
from tests.support.inputs import chunk


def test_the_examples_in_the_docstring_hold() -> None:
    tried = doctest.testmod(input_columns)
    assert tried.attempted
    assert not tried.failed


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (InputSpec(shape=(2,), feature_names=("b", "a")), ("b", "a")),
        (InputSpec(shape=(8, 8, 3)), descriptor_names((8, 8, 3))),
        (InputSpec(shape=(8, 8, 4)), None),
        (InputSpec(shape=(24, 7)), None),
    ],
)
def test_inputs_are_columns_or_descriptors(
    spec: InputSpec, expected: tuple[str, ...] | None
) -> None:
    assert input_names(spec) == expected
    rows = chunk(np.zeros((40, *spec.shape)))
    table = reference_inputs([rows], spec)
    assert (table is None) == (expected is None)
    if table is not None:
        assert tuple(table.column_names) == expected


def test_columns_are_kept_as_they_are_in_order() -> None:
    x = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    x[::5, 1] = -0.0
    table = reference_inputs([chunk(x[:200]), chunk(x[200:], [3, 0, 1])], InputSpec(shape=(3,)))
    assert table is not None
    np.testing.assert_array_equal(np.stack([np.asarray(c) for c in table.columns], axis=1), x)
    assert not np.signbit(np.asarray(table["1"])[::5]).any()
    missing = missing_in_reference(table)
    assert missing
    assert (missing.n_read, missing.rows.tolist()) == (504, [3, 0, 1])


def test_of_many_values_every_so_many_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_columns, "MAX_VALUES", 2000)
    monkeypatch.setattr(input_columns, "MIN_ROWS", 50)
    x = np.arange(3000.0)[:, None] + np.zeros(20)
    table = reference_inputs([chunk(x)], InputSpec(shape=(20,)))
    assert table is not None
    kept = np.asarray(table["0"])
    assert len(kept) == 100
    assert (kept[0], kept[-1]) == (0, 2999)
    assert set(np.diff(kept)) <= {30, 31}


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_descriptors_do_not_depend_on_the_units(value_range: tuple[float, float]) -> None:
    low, high = value_range
    x = np.random.default_rng(0).random((5, 8, 8, 1))
    spec = InputSpec(shape=(8, 8, 1), value_range=value_range)
    found = describe_inputs(chunk(low + (high - low) * x), spec)
    expected = describe_inputs(chunk(x), InputSpec(shape=(8, 8, 1)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_reference_of_other_columns_is_none() -> None:
    spec = InputSpec(shape=(2,), feature_names=("a", "b"))
    table = reference_inputs([chunk(np.zeros((9, 2)))], spec)
    assert summary_for(table, spec)
    assert summary_for(table, InputSpec(shape=(2,), feature_names=("a", "c"))) is None
    assert summary_for(None, spec) is None


def test_properties_of_files_count_where_both_sides_have_them() -> None:
    spec = InputSpec(shape=(8, 8, 1))
    rows = chunk(np.zeros((9, 8, 8, 1)))
    table = reference_inputs([rows], spec)
    assert table is not None
    without = summary_for(table, spec, files=True)
    assert without
    assert without.reference.names == descriptor_names(spec.shape)
    for name in FILE_PROPERTIES:
        table = table.append_column(name, [np.ones(9, np.float32)])
    with_files = summary_for(table, spec, files=True)
    assert with_files
    assert with_files.reference.names == (*descriptor_names(spec.shape), *FILE_PROPERTIES)
    assert summary_for(table, spec)
