"""Slices: their contributions sum to the whole, and they tell where the harm is."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.analysis.score_tables import (
    UNLABELLED,
    Rows,
    compare,
    from_rows,
    scores,
    table_rows,
)


@settings(max_examples=40, deadline=None)
@given(current=table_rows, reference=table_rows, harm_by=st.sampled_from(["labels", "detector"]))
def test_the_slices_of_a_column_sum_to_the_whole(
    current: Rows, reference: Rows, harm_by: str
) -> None:
    assume(harm_by == "detector" or any(row[2] for row in reference))
    findings = compare(from_rows(current), from_rows(reference), ["site"], harm_by=harm_by)
    for by, column in (("prediction", 0), ("site", 3)):
        parts = [part for part in findings.slices if part.by == by]
        found = [part.value for part in parts]
        expected = {row[column] or "(missing)" for row in [*current, *reference]}
        assert sorted(found) == sorted(expected)
        assert sum(part.n_current for part in parts) == len(current)
        assert sum(part.n_reference for part in parts) == len(reference)
        assert sum(part.share_current for part in parts) == pytest.approx(1)
        assert sum(part.share_reference or 0 for part in parts) == pytest.approx(1)
        for side in ("current", "reference"):
            total = getattr(findings.harm, side)
            rates = [r for part in parts if (r := getattr(part, side))]
            assert sum(r.n for r in rates) == (total.n if total else 0)
            assert sum(r.count for r in rates) == (total.count if total else 0)
        if findings.harm.difference:
            harm = sum(part.harm_contribution or 0 for part in parts)
            assert harm == pytest.approx(findings.harm.difference.estimate)
        drift = sum(part.drift_contribution or 0 for part in parts)
        assert drift == pytest.approx(findings.tests[0].statistic)


def test_slices_tell_where_the_harm_is() -> None:
    current = scores(
        ["cat"] * 4, label=["cat", "dog", "dog", "cat"], site=["south", "north", "north", None]
    )
    reference = scores(["cat"] * 2, label=["cat", "cat"], site=["south", "west"])
    parts = {
        part.value: part
        for part in compare(current, reference, ["site"], harm_by="labels").slices
        if part.by == "site"
    }
    assert list(parts) == ["north", "south", "(missing)", "west"]  # most harm, then most drift
    harmful = {value: part.current and part.current.count for value, part in parts.items()}
    assert harmful == {"(missing)": 0, "north": 2, "south": 0, "west": None}
    assert parts["north"].reference is None
    assert (parts["north"].share_current, parts["north"].share_reference) == (0.5, 0)


def test_a_segment_that_the_reference_lacks_has_no_reference() -> None:
    current = scores(["cat"] * 2, site=["north", "south"])
    parts = compare(current, UNLABELLED, ["site"]).slices
    assert [part.share_reference for part in parts if part.by == "site"] == [None, None]
    assert [part.drift_contribution for part in parts if part.by == "site"] == [None, None]
    assert [part.share_reference for part in parts if part.by == "prediction"] == [1]
