"""Values of every Arrow type as text, and times that no calendar holds."""

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.arrow_values import utc_times, value_text

ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
OBJECT_ID = bytes.fromhex("65a1b2c3d4e5f60718293a4b")
INFINITY = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([ID.bytes, None], pa.binary()), [str(ID), None]),
        (pa.array([ID.bytes, None], pa.binary(16)), [str(ID), None]),
        (pa.array([ID.bytes, None], pa.uuid()), [str(ID), None]),
        (pa.array([ID.bytes], pa.binary_view()), [str(ID)]),
        (pa.array([ID.bytes, ID.bytes]).dictionary_encode(), [str(ID)] * 2),
        (pa.array([OBJECT_ID, b""], pa.large_binary()), [OBJECT_ID.hex(), ""]),
        (pa.array([OBJECT_ID], pa.binary(12)), [OBJECT_ID.hex()]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), ["MonthDayNano(months=1, days=2, "]),
        (pa.array([5], pa.duration("s")), ["5"]),
        (pa.array([True, None]), ["true", None]),
        (pa.array([None, None]), [None, None]),
        (pa.array([1.5], pa.float16()), ["1.5"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_value_has_a_text(values: pa.Array, expected: list[str | None]) -> None:
    for column in (values, pa.chunked_array([values, values[:0]])):
        found = value_text(column)
        assert found.type == pa.string()
        for text, wanted in zip(found.to_pylist(), expected, strict=True):
            assert text == wanted or (wanted and text.startswith(wanted))


def test_lists_name_no_row() -> None:
    with pytest.raises(pa.ArrowNotImplementedError):
        value_text(pa.array([[1], [2]]))


def test_bytes_of_a_text_that_are_no_utf8_are_replaced() -> None:
    broken = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(np.array([0, 2, 3], np.int32)), pa.py_buffer(b"a\xffb")],
    )
    assert value_text(broken).to_pylist() == ["a\ufffd", "b"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_infinite_times_are_null(unit: str) -> None:
    values = pa.array([0, INFINITY, -INFINITY, None], pa.timestamp(unit))
    assert utc_times(values).to_pylist() == [EPOCH, None, None, None]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.sampled_from(["s", "ms", "us", "ns"]))
def test_times_are_never_others_than_they_were(ticks: list[int], unit: str) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    for tick, found in zip(
        ticks, utc_times(pa.array(ticks, pa.timestamp(unit))).to_pylist(), strict=True
    ):
        if found is not None:
            microseconds = (found - EPOCH) // timedelta(microseconds=1)
            assert abs(microseconds * per_second - tick * 10**6) < max(per_second, 10**6)


def test_dates_are_times_at_midnight() -> None:
    for kind, day in ((pa.date32(), 1), (pa.date64(), 86_400_000)):
        values = pa.array([0, day, 2**31 - 1 if kind == pa.date32() else 2**62], kind)
        assert utc_times(values).to_pylist() == [
            EPOCH,
            EPOCH + timedelta(days=1),
            None,
        ]
