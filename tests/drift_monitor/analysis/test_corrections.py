"""Corrections: offered where they are likelier, counted by pair, their gain row by row."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_monitor.analysis.corrections import (
    corrected_classes,
    correction_gain,
    correction_pairs,
    offered,
    proposed,
)
from drift_monitor.scoring.scored_rows import ScoredRows
from tests.support.analysis.score_tables import (
    CLASSES,
    UNLABELLED,
    Rows,
    compare,
    from_rows,
    scores,
    table_rows,
)

names = st.sampled_from(CLASSES)
shares = st.floats(0, 1)
one_row = st.tuples(names, names, st.one_of(st.none(), names), st.booleans(), shares, shares)


def made(rows: list[Any], *, with_map: bool = True) -> ScoredRows:
    prediction, rebuilt, label, flagged, before, after = zip(*rows, strict=True)
    table = scores(prediction, rebuilt=rebuilt, label=label, flagged=flagged)
    if with_map:
        table = table.append_column("probability_correct", pa.array(before, pa.float64()))
        table = table.append_column(
            "reconstruction_probability_correct", pa.array(after, pa.float64())
        )
    return ScoredRows.of(table, CLASSES, ())


@settings(deadline=None)
@given(rows=st.lists(one_row, min_size=1, max_size=40), with_map=st.booleans())
def test_a_correction_is_offered_where_flagged_another_class_and_likelier(
    rows: list[Any], with_map: bool
) -> None:
    found = made(rows, with_map=with_map)
    changes = [flagged and before != after for before, after, _, flagged, _, _ in rows]
    likelier = [p_after > p_before or not with_map for *_, p_before, p_after in rows]
    assert proposed(found).tolist() == changes
    assert offered(found).tolist() == [a and b for a, b in zip(changes, likelier, strict=True)]
    classes = [
        after if a and b else before
        for (before, after, *_), a, b in zip(rows, changes, likelier, strict=True)
    ]
    assert [CLASSES[i] for i in corrected_classes(found)] == classes


@settings(deadline=None)
@given(rows=st.lists(one_row, min_size=1, max_size=40))
def test_the_gain_is_that_of_every_row_by_itself(rows: list[Any]) -> None:
    found = correction_gain(made(rows))
    given_rows = offered(made(rows))
    change = [after - before for *_, before, after in rows]
    assert found.expected is not None
    expected = sum(c for c, is_given in zip(change, given_rows, strict=True) if is_given)
    assert found.expected.estimate == pytest.approx(expected / len(rows), abs=1e-12)
    assert found.expected.estimate >= 0  # only what is likelier is offered
    labelled = [row for row in rows if row[2]]
    if not labelled:
        assert found.realised is None
        return
    realised = sum(
        (after == label) - (before == label)
        for (before, after, label, *_), is_given in zip(rows, given_rows, strict=True)
        if label and is_given
    )
    assert found.realised == pytest.approx(realised / len(labelled))


def test_without_a_map_nothing_is_expected_and_every_proposal_is_offered() -> None:
    rows = [("cat", "dog", "dog", True, 0, 0), ("cat", "owl", "cat", True, 0, 0)]
    found = correction_gain(made(rows, with_map=False))
    assert (found.proposed, found.offered, found.expected, found.expected_of_all) == (
        2,
        2,
        None,
        None,
    )
    assert found.realised == 0
    assert {
        pair.probability_before for pair in correction_pairs(made(rows, with_map=False), CLASSES)
    } == {None}


def test_the_interval_of_the_gain_holds_what_is_gained() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        after = rng.uniform(0.3, 0.9, 200)
        before = rng.uniform(0, 1 - after)
        draw = rng.random(200)
        label = np.where(draw < after, "dog", np.where(draw < after + before, "cat", "owl"))
        rows = [
            ("cat", "dog", str(name), True, b, a)
            for name, b, a in zip(label, before, after, strict=True)
        ]
        found = correction_gain(made(rows))
        assert found.expected is not None
        assert found.realised is not None
        inside += found.expected.low <= found.realised <= found.expected.high
    assert 0.92 < inside / 400 < 0.98


def test_pairs_are_ranked_by_number_with_their_mean_probabilities() -> None:
    rows = [
        ("cat", "dog", None, True, 0.2, 0.6),
        ("cat", "dog", None, True, 0.6, 0.2),
        ("owl", "cat", None, True, 0.1, 0.5),
        ("owl", "cat", None, False, 0.1, 0.5),
    ]
    first, second = correction_pairs(made(rows), CLASSES)
    assert (first.prediction, first.reconstruction_prediction) == ("cat", "dog")
    assert (first.n, first.offered) == (2, 1)
    assert first.probability_before == pytest.approx(0.4)
    assert first.probability_after == pytest.approx(0.4)
    assert (second.prediction, second.reconstruction_prediction) == ("owl", "cat")
    assert (second.n, second.offered) == (1, 1)


@settings(max_examples=40, deadline=None)
@given(rows=table_rows)
def test_corrections_count_the_flagged_rows_whose_class_changes(rows: Rows) -> None:
    found = compare(from_rows(rows), UNLABELLED).corrections
    changes = [(row[0], row[1]) for row in rows if row[4] and row[0] != row[1]]
    assert {(c.prediction, c.reconstruction_prediction): c.n for c in found} == {
        change: changes.count(change) for change in changes
    }
    assert [c.n for c in found] == sorted((c.n for c in found), reverse=True)
