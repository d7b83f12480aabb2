"""Which rows of a batch are shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.scoring.diverse_examples import PER_KIND, ScoredExample, keep_examples

KINDS = ["ab", "ac", "ba", "bb", "ca"]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, float("nan"), float("inf")]),
        st.sampled_from(KINDS),
    ),
    max_size=40,
)


def kept(rows: list[tuple[float, str]], most: int, size: int) -> list[ScoredExample]:
    found: list[ScoredExample] = []
    for first in range(0, len(rows), size):
        chunk = rows[first : first + size]
        keep_examples(
            found,
            np.array([score for score, _ in chunk]),
            np.array([KINDS.index(kind) for _, kind in chunk], np.int64),
            np.arange(first, first + len(chunk), dtype=np.float32)[:, None],
            first=first,
            most=most,
        )
    return sorted(found, reverse=True)


@given(rows=ROWS, most=st.integers(0, 6), size=st.integers(1, 41))
def test_the_highest_scores_are_kept_two_of_a_kind_whatever_the_chunks(
    rows: list[tuple[float, str]], most: int, size: int
) -> None:
    expected: list[int] = []
    places = [i for i, (score, _) in enumerate(rows) if np.isfinite(score)]
    for i in sorted(places, key=lambda i: (-rows[i][0], i)):
        if len(expected) < most and sum(rows[j][1] == rows[i][1] for j in expected) < PER_KIND:
            expected.append(i)
    found = kept(rows, most, size)
    assert [-example.position for example in found] == expected
    assert [float(example.x[0]) for example in found] == expected


def test_near_identical_rows_do_not_fill_the_page() -> None:
    rows = [(9.0 + i / 100, "ab") for i in range(100)] + [(1.0, "ba"), (0.5, "ca")]
    assert [example.score for example in kept(rows, 12, 32)] == [
        *(pytest.approx(9.99), pytest.approx(9.98)),
        *(1.0, 0.5),
    ]
