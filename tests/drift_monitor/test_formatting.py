"""How numbers are written: never as zero what is not, never far from what it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.formatting import p_text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (None, "–"),
        (1.0, "1"),
        (0.031, "0.031"),
        (3.2e-17, "3.2e-17"),
        (1e-300, "1e-300"),
        (5e-324, "< 1e-300"),
        (0.0, "< 1e-300"),
    ],
)
def test_a_p_value_is_written_for_reading(p: float | None, text: str) -> None:
    assert p_text(p) == text


@given(p=st.one_of(st.floats(0, 1), st.floats(0, 1e-290), st.floats(1e-5, 1e-3)))
def test_a_p_value_is_never_written_as_zero_nor_far_from_itself(p: float) -> None:
    *relation, written = p_text(p).split()
    assert float(written) > 0
    if relation:
        assert p < float(written)
    else:
        assert float(written) == pytest.approx(p, rel=0.06)
