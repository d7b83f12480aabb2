"""Repeated ids: counted as a set of all ids would count them."""

import doctest

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.scoring import repeated_ids
from drift_monitor.scoring.repeated_ids import count_repeats, text_hashes

IDS = st.lists(st.none() | st.text("ab", max_size=3) | st.text(max_size=20), max_size=40)


def pieces(ids: list[str | None], cut: int) -> pa.ChunkedArray:
    """Return ids in two chunks that begin in the middle of their memory."""
    given = pa.array(["before", *ids], pa.string())
    return pa.chunked_array([given.slice(1, cut), given.slice(1 + cut)])


@given(IDS, st.integers(0, 20))
def test_repeats_are_what_a_set_lacks(ids: list[str | None], cut: int) -> None:
    known = [name for name in ids if name is not None]
    assert count_repeats(pieces(ids, cut)) == len(known) - len(set(known))


@given(IDS)
def test_texts_with_the_same_hash_are_still_told_apart(ids: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeated_ids, "text_hashes", lambda texts: text_hashes(texts) % 2)
        known = [name for name in ids if name is not None]
        assert count_repeats(pieces(ids, 3)) == len(known) - len(set(known))


def test_texts_that_differ_in_one_byte_have_other_hashes() -> None:
    text = "a" * 20
    texts = [text[:at] + "b" + text[at + 1 :] for at in range(20)]
    texts += [text[:size] for size in range(21)]
    assert len(set(text_hashes(pa.chunked_array([texts])).tolist())) == len(texts)


def test_examples() -> None:
    assert doctest.testmod(repeated_ids).failed == 0
