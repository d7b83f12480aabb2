"""Corrections: offered where they are likelier and known not to harm, counted by pair."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift_monitor.analysis import corrections
from drift_monitor.analysis.accuracy import NO_ESTIMATOR, Unlabelled
from drift_monitor.analysis.corrections import (
    corrected_classes,
    correction_gain,
    correction_pairs,
    likelier,
    offered,
    proposed,
)
from drift_monitor.results.report_findings import CorrectionGain, Support
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
from tests.support.analysis.verdicts import explanation

names = st.sampled_from(CLASSES)
shares = st.floats(0, 1)
one_row = st.tuples(
    names, names, st.one_of(st.none(), names), st.booleans(), shares, shares, st.booleans()
)


def made(rows: list[Any], *, with_map: bool = True, with_novelty: bool = True) -> ScoredRows:
    prediction, rebuilt, label, flagged, before, after, novel = zip(*rows, strict=True)
    table = scores(prediction, rebuilt=rebuilt, label=label, flagged=flagged)
    if with_map:
        table = table.append_column("probability_correct", pa.array(before, pa.float64()))
        table = table.append_column(
            "reconstruction_probability_correct", pa.array(after, pa.float64())
        )
    if with_novelty:
        table = table.append_column("novel", pa.array(novel))
    return ScoredRows.of(table, CLASSES, ())


def knowing(*explanations: dict[str, float]) -> Unlabelled:
    """Return what is known of a batch with these likely explanations."""
    known = {"gain": 0.0, "gain_error": 0.0}
    found = [explanation("normal", **known | one) for one in explanations]
    return Unlabelled(Support(explanation=found[0], alternatives=found[1:]), 0.0, 0.0)


def gaining(n: int, before: float, after: float, others: int = 0) -> ScoredRows:
    """Return n rows with corrections of these probabilities, and others without."""
    row = ("cat", "dog", None, True, before, after, False)
    return made([row] * n + [("cat", "cat", None, False, 0.9, 0.9, False)] * others)


@settings(deadline=None)
@given(
    rows=st.lists(one_row, min_size=1, max_size=40),
    with_map=st.booleans(),
    with_novelty=st.booleans(),
)
def test_a_correction_needs_a_flag_another_class_support_and_the_higher_probability(
    rows: list[Any], with_map: bool, with_novelty: bool
) -> None:
    found = made(rows, with_map=with_map, with_novelty=with_novelty)
    changes = [flagged and before != after for before, after, _, flagged, *_ in rows]
    known = with_map and with_novelty
    better = [known and p_after > p_before and not novel for *_, p_before, p_after, novel in rows]
    expected = [a and b for a, b in zip(changes, better, strict=True)]
    assert proposed(found).tolist() == changes
    assert likelier(found).tolist() == expected
    classes = [
        after if is_given else before
        for (before, after, *_), is_given in zip(rows, expected, strict=True)
    ]
    assert [CLASSES[i] for i in corrected_classes(found, likelier(found))] == classes


@settings(deadline=None)
@given(rows=st.lists(one_row, min_size=1, max_size=40))
def test_the_gain_is_that_of_every_row_by_itself(rows: list[Any]) -> None:
    found = correction_gain(made(rows), knowing({}))
    mask = likelier(made(rows))
    change = [after - before for *_, before, after, _ in rows]
    total = sum(c for c, is_given in zip(change, mask, strict=True) if is_given)
    assert found.likelier == mask.sum()
    assert (found.expected is None) == (not mask.any())
    if found.expected:
        assert found.expected.estimate == pytest.approx(total / len(rows), abs=1e-12)
        assert found.expected.low <= found.expected.estimate <= found.expected.high
        assert -mask.mean() <= found.expected.low
        assert found.expected.high <= mask.mean()
    labelled = [row for row in rows if row[2]]
    if not labelled:
        assert found.realised is None
        return
    realised = sum(
        (after == label) - (before == label)
        for (before, after, label, *_), is_given in zip(rows, mask, strict=True)
        if label and is_given
    )
    assert found.realised == pytest.approx(realised / len(labelled))


CERTAIN = gaining(60, 0.0, 1.0, others=40)
WITHHELD: dict[str, tuple[ScoredRows, Unlabelled | None, str]] = {
    "no estimator": (
        made([("cat", "dog", None, True, 0, 1, False)], with_map=False),
        None,
        NO_ESTIMATOR,
    ),
    "older detector": (
        made([("cat", "dog", None, True, 0, 1, False)], with_novelty=False),
        Unlabelled(Support(missing="it keeps no calibration rows"), 0.0, 0.0),
        corrections.NO_NOVELTY,
    ),
    "nothing within support": (
        made([("cat", "dog", None, True, 0, 1, True)]),
        knowing({}),
        corrections.ALL_NOVEL,
    ),
    "none likelier": (gaining(5, 0.6, 0.4), knowing({}), corrections.NONE_LIKELIER),
    "nothing to liken to": (
        CERTAIN,
        Unlabelled(Support(missing="no row can be described"), 0.0, 0.0),
        "no row can be described",
    ),
    "scored by an older version": (
        CERTAIN,
        Unlabelled(Support(explanation=explanation()), 0.0, 0.0),
        corrections.NOT_BOUNDED,
    ),
    "like rows of which corrections are wrong": (
        CERTAIN,
        knowing({"gain": -0.68}),
        corrections.MAY_LOSE,
    ),
    "perhaps like rows of which corrections are wrong": (
        CERTAIN,
        knowing({}, {"gain": -0.68}),
        corrections.MAY_LOSE,
    ),
    "few calibration rows of the kind": (
        CERTAIN,
        knowing({"gain_error": 0.4}),
        corrections.MAY_LOSE,
    ),
    "like no rows": (CERTAIN, knowing({"unexplained": 0.2}), corrections.MAY_LOSE),
    "as likely wrong as right": (gaining(30, 0.49, 0.51), knowing({}), corrections.MAY_LOSE),
}


@pytest.mark.parametrize("case", WITHHELD)
def test_no_correction_is_offered_without_a_bound_behind_it(case: str) -> None:
    rows, unlabelled, reason = WITHHELD[case]
    gain = correction_gain(rows, unlabelled)
    assert gain.proposed
    assert (gain.offered, gain.withheld) == (0, reason)
    given_rows = offered(rows, gain)
    assert not given_rows.any()
    assert {pair.offered for pair in correction_pairs(rows, given_rows, CLASSES)} == {0}


def test_corrections_are_offered_where_nothing_can_be_lost() -> None:
    gain = correction_gain(CERTAIN, knowing({}))
    assert (gain.within_support, gain.likelier, gain.offered) == (60, 60, 60)
    assert gain.withheld is None
    assert offered(CERTAIN, gain).sum() == 60


def test_where_nothing_is_proposed_nothing_is_withheld() -> None:
    gain = correction_gain(made([("cat", "cat", None, True, 0.5, 0.5, False)]), None)
    assert gain == CorrectionGain(
        proposed=0, within_support=0, likelier=0, offered=0, expected=None, realised=None
    )


def test_rows_of_which_nothing_is_known_may_all_be_lost_or_gained() -> None:
    """60 of 100 rows are corrected; 4 · 0.05 of them are like none that are known."""
    found = correction_gain(CERTAIN, knowing({"unexplained": 0.05}), alpha=0.05)
    reach = 1.959964 * 0.15 * 0.6  # no chance is left: the estimator's own error alone
    assert found.expected is not None
    assert found.expected.low == pytest.approx(2 / 3 * (0.6 - reach) - 0.2, abs=1e-6)
    assert found.expected.high == pytest.approx(0.6)


def test_the_bounds_hold_for_every_likely_explanation() -> None:
    rows = gaining(60, 0.2, 0.6, others=40)
    one, other = (correction_gain(rows, knowing({"gain": g})).expected for g in (0.0, -0.1))
    both = correction_gain(rows, knowing({"gain": 0.0}, {"gain": -0.1})).expected
    assert one
    assert other
    assert both
    assert (both.estimate, both.low, both.high) == (one.estimate, other.low, one.high)
    assert other.estimate == pytest.approx(one.estimate - 0.1)


def test_the_bounds_of_the_gain_hold_what_is_gained() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        after = rng.uniform(0.3, 0.9, 200)
        before = rng.uniform(0, 1 - after)
        draw = rng.random(200)
        label = np.where(draw < after, "dog", np.where(draw < after + before, "cat", "owl"))
        rows = [
            ("cat", "dog", str(name), True, b, a, False)
            for name, b, a in zip(label, before, after, strict=True)
        ]
        found = correction_gain(made([row for row in rows if row[5] > row[4]]), knowing({}))
        assert found.expected is not None
        assert found.realised is not None
        inside += found.expected.low <= found.realised <= found.expected.high
    assert inside / 400 > 0.95


def test_pairs_are_ranked_by_number_with_their_mean_probabilities() -> None:
    rows = made(
        [
            ("cat", "dog", None, True, 0.2, 0.6, False),
            ("cat", "dog", None, True, 0.6, 0.2, False),
            ("owl", "cat", None, True, 0.1, 0.5, False),
            ("owl", "cat", None, False, 0.1, 0.5, False),
        ]
    )
    first, second = correction_pairs(rows, likelier(rows), CLASSES)
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
