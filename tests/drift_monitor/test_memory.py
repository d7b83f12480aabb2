"""How much memory rows take, and how much they may."""

import os

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from adversarial.memory import default_limit
from drift_monitor.memory import largest_value, pieces, row_bytes, value_bytes

TEXTS = st.lists(st.none() | st.text(max_size=9), max_size=30)


def test_by_default_a_batch_takes_no_more_than_a_quarter_of_the_machine() -> None:
    assert 0 < default_limit() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


@given(TEXTS, st.integers(1, 40))
def test_pieces_are_the_rows_in_order_and_no_larger_than_told(
    texts: list[str | None], most: int
) -> None:
    plain = pa.array(texts, pa.string())
    for column in (plain, plain.dictionary_encode()):
        table = pa.table({"x": column})
        found = list(pieces(table, most))
        assert [value for piece in found for value in piece["x"].to_pylist()] == texts
        if pa.types.is_dictionary(column.type):
            assert all(len(piece) < 2 or row_bytes(piece).sum() <= most for piece in found)


@given(TEXTS)
def test_no_value_is_larger_than_the_largest(texts: list[str | None]) -> None:
    plain = pa.array(texts, pa.string())
    struct = pa.StructArray.from_arrays([plain, pa.array(range(len(texts)))], ["bytes", "n"])
    for values in (plain, plain.dictionary_encode(), struct, struct.slice(1)):
        column = pa.chunked_array([values.slice(0, 3), values.slice(3)])
        assert largest_value(column) == value_bytes(column).max(initial=0)
    sparse = pa.chunked_array([plain.dictionary_encode().slice(2)])
    assert largest_value(sparse) >= value_bytes(sparse).max(initial=0)


@given(TEXTS)
def test_shared_values_count_for_each_row(texts: list[str | None]) -> None:
    plain = pa.array(texts, pa.string())
    expected = [len((text or "").encode()) for text in texts]
    assert row_bytes(pa.table({"x": plain})).tolist() == expected
    assert row_bytes(pa.table({"x": plain.dictionary_encode()})).tolist() == expected
    struct = pa.StructArray.from_arrays([plain.dictionary_encode()], ["bytes"])
    assert row_bytes(pa.table({"x": struct})).tolist() == expected
