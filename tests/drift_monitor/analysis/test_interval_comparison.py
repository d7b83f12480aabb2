"""Two results against each other: laws, pairing, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from adversarial.runtimes.guard_figures import ScoredBy
from adversarial.storage.local_folder import LocalFolder
from drift_monitor.analysis.interval_comparison import (
    IntervalComparison,
    compare_paired,
    compare_results,
)
from drift_monitor.cli.comparison_table import differences, on_same_rows, side_by_side
from drift_monitor.errors import ComparisonError, StoreError
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.read import Result, read_result
from drift_monitor.stats.proportions import rate, rate_difference
from tests.support.analysis.estimates import ends, negated
from tests.support.reports.cases import Case
from tests.support.reports.make import make

QUIET = Case("no_drift", rows=600, examples=0, labels=True, seed=3)
HARMED = replace(QUIET, verdict="harmful_drift", seed=4)


def result(case: Case, name: str = "here", sha256: str = "aa") -> Result:
    report, scores = make(case)
    report = report.model_copy(deep=True)
    path = "part-0.parquet" if case.row_ids else scores["file"][0].as_py()
    report.data = [DataFile(path=path, rows=len(scores), sha256=sha256 * 32)]
    return Result(LocalFolder(Path(name)), report, scores, digest="")


def with_column(found: Result, name: str, values: Sequence[object]) -> Result:
    at = found.scores.schema.get_field_index(name)
    column = pa.array(values, found.scores.schema.field(name).type)
    return replace(found, scores=found.scores.set_column(at, name, column))


@pytest.mark.parametrize("case", [QUIET, HARMED, replace(QUIET, labels=False, row_ids=False)])
def test_a_result_does_not_differ_from_itself(case: Case) -> None:
    found = compare_results(result(case), result(case))
    assert found.a == found.b
    for difference in (found.harm_difference, found.flagged_difference):
        assert ends(difference)[0] == 0
    assert found.score_distance
    assert (found.score_distance.statistic, found.score_distance.p_value) == (0, 1)
    same = found.same_rows
    assert same
    assert (same.n, same.only_in_a, same.only_in_b, same.same_prediction) == (600, 0, 0, 1)
    for both in (same.flagged, same.harmful, same.correct):
        if both:
            assert (both.agree, both.only_a, both.only_b, both.p_value) == (1, 0, 0, 1)
            assert both.difference.low <= 0 <= both.difference.high
    assert found.notes == []


@pytest.mark.parametrize("sha256", ["aa", "bb"])
def test_swapping_the_two_negates_every_difference(sha256: str) -> None:
    a, b = result(QUIET), result(HARMED, sha256=sha256)
    one, other = compare_results(a, b), compare_results(b, a)
    for name in ("harm_difference", "accuracy_difference", "flagged_difference"):
        assert ends(getattr(one, name)) == pytest.approx(negated(getattr(other, name)))
        assert getattr(one, name).estimate != 0
    assert one.score_distance
    assert other.score_distance
    assert one.score_distance.statistic == other.score_distance.statistic
    assert one.score_distance.p_value == pytest.approx(other.score_distance.p_value)
    assert (one.same_rows is None) == (other.same_rows is None) == (sha256 == "bb")
    if one.same_rows and other.same_rows:
        mine, theirs = one.same_rows.flagged, other.same_rows.flagged
        assert (mine.only_a, mine.only_b) == (theirs.only_b, theirs.only_a)
        assert mine.p_value == theirs.p_value
        assert ends(mine.difference) == pytest.approx(negated(theirs.difference))


def test_differences_are_newcombes_of_b_minus_a() -> None:
    a, b = result(QUIET), result(HARMED, sha256="bb")
    found = compare_results(a, b)
    sides = [side.report.harm.current for side in (b, a)]
    one, other = (rate(side.count, side.n) for side in sides if side)
    assert one
    assert other
    assert ends(found.harm_difference) == pytest.approx(ends(rate_difference(one, other)))
    assert ends(found.harm_difference)[0] > 0
    samples = [side.scores["adversarial_score"].to_numpy() for side in (a, b)]
    assert found.score_distance
    assert found.score_distance.statistic == stats.ks_2samp(*samples).statistic
    assert found.score_distance.low < found.score_distance.statistic < found.score_distance.high


def test_two_detectors_on_the_same_rows_are_paired_whatever_the_order() -> None:
    a = result(QUIET)
    flagged = np.array(a.scores["flagged"].to_pylist())
    flags = flagged.copy()
    flags[np.flatnonzero(flagged)[:2]] = False
    flags[np.flatnonzero(~flagged)[:9]] = True
    b = with_column(result(QUIET, "there"), "flagged", flags.tolist())
    b.report.detector.fingerprint = "e9a1" * 16
    shuffled = np.random.default_rng(0).permutation(len(flags))[:-5]
    b = replace(b, scores=b.scores.take(pa.array(shuffled)))
    found = compare_results(a, b)
    same = found.same_rows
    assert same
    assert (same.n, same.only_in_a, same.only_in_b) == (595, 5, 0)
    only_a = sum(bool(flagged[i] and not flags[i]) for i in shuffled)
    only_b = sum(bool(flags[i] and not flagged[i]) for i in shuffled)
    assert (same.flagged.only_a, same.flagged.only_b) == (only_a, only_b)
    assert only_b > only_a
    assert same.flagged.p_value == stats.binomtest(only_a, only_a + only_b).pvalue
    assert same.flagged.agree == pytest.approx(1 - (only_a + only_b) / 595)
    assert same.harmful
    assert same.correct
    assert (same.harmful.agree, same.correct.agree) == (1, 1)
    assert found.notes == [
        "the detectors differ, so scores and flags differ because of them too, not only because of "
        "the data"
    ]


def test_results_that_were_scored_differently_are_named() -> None:
    a, b, older = result(QUIET), result(QUIET, "there"), result(QUIET, "older")
    a.report.scored_by = ScoredBy(runtime="openvino", precision="float32")
    b.report.scored_by = ScoredBy(runtime="openvino", precision="bfloat16")
    [note] = compare_results(a, b).notes
    assert note.startswith("A was scored by OpenVINO in float32, B by OpenVINO in bfloat16")
    [note] = compare_results(a, older).notes
    assert "B by TensorFlow in float32" in note


def test_mcnemars_test_is_the_exact_one() -> None:
    first = np.repeat([True, True, False, False], [59, 6, 16, 80])
    second = np.repeat([True, False, True, False], [59, 6, 16, 80])
    found = compare_paired(first, second)
    assert found.p_value == pytest.approx(0.0524790, abs=1e-6)
    assert ends(found.difference) == pytest.approx((0.0621, 0.0046, 0.1186), abs=1e-4)


def test_without_row_ids_the_same_content_in_another_place_is_the_same_row() -> None:
    case = replace(QUIET, row_ids=False)
    a, b = result(case), result(case, "there")
    b = with_column(b, "file", ["elsewhere.parquet"] * len(b.scores))
    b.report.data = [b.report.data[0].model_copy(update={"path": "elsewhere.parquet"})]
    same = compare_results(a, b).same_rows
    assert same
    assert same.n == 600


def test_two_files_of_the_same_content_are_not_confused() -> None:
    a = result(replace(QUIET, row_ids=False))
    half = len(a.scores) // 2
    a = with_column(a, "file", ["one"] * half + ["two"] * half)
    a = with_column(a, "row", [*range(half), *range(half)])
    a.report.data = [DataFile(path=path, rows=half, sha256="aa" * 32) for path in ("one", "two")]
    same = compare_results(a, a).same_rows
    assert same
    assert (same.n, same.flagged.agree) == (600, 1)


@pytest.mark.parametrize("ids", [["r"] * 600, [None] + [f"r{i}" for i in range(599)]])
def test_rows_whose_ids_name_no_single_row_are_not_paired(ids: list[str | None]) -> None:
    found = with_column(result(QUIET), "row_id", ids)
    comparison = compare_results(found, found)
    assert comparison.same_rows is None
    assert comparison.notes == [
        "the data are the same, but row ids repeat or are missing: rows are not paired"
    ]


def test_rows_that_are_named_otherwise_are_not_paired() -> None:
    comparison = compare_results(result(QUIET), result(replace(QUIET, row_ids=False)))
    assert comparison.same_rows is None
    assert "named differently" in comparison.notes[0]


def test_harm_that_is_judged_in_two_ways_is_not_compared() -> None:
    found = compare_results(result(QUIET), result(replace(QUIET, labels=False)))
    assert found.harm_difference is None
    assert found.same_rows
    assert (found.same_rows.harmful, found.same_rows.correct) == (None, None)
    assert "judged by labels in A and by detector in B" in found.notes[0]
    assert found.accuracy_difference is None


def test_two_monitors_on_two_sets_of_data_are_told() -> None:
    other = result(replace(HARMED, monitor="other"), sha256="bb")
    assert "no single cause" in compare_results(result(QUIET), other).notes[0]


def test_different_classes_are_refused_and_another_order_is_not() -> None:
    pets = replace(QUIET, classes=("cat", "dog"))
    with pytest.raises(
        ComparisonError,
        match=r"here and there .*only in the first: dog; only in the second: owl\)",
    ):
        compare_results(result(pets), result(replace(pets, classes=("cat", "owl")), "there"))
    a, b = result(pets), result(pets)
    b.report.detector.class_names = ["dog", "cat"]
    same = compare_results(a, b).same_rows
    assert same
    assert same.correct
    assert (same.same_prediction, same.correct.agree) == (1, 1)


def test_an_interval_without_scored_rows_can_be_set_beside_another() -> None:
    empty = result(replace(QUIET, verdict="insufficient_data", rows=0), sha256="bb")
    found = compare_results(result(QUIET), empty)
    assert (found.harm_difference, found.score_distance, found.same_rows) == (None, None, None)
    assert differences(found) == []
    IntervalComparison.model_validate(json.loads(found.to_json()))


def test_the_tables_hold_both_sides_and_every_difference() -> None:
    found = compare_results(result(QUIET), result(HARMED))
    sides = {row[0]: row[1:] for row in side_by_side(found)}
    assert sides["verdict"] == ("no_drift", "harmful_drift")
    assert set(sides) >= {f"test {test.name}" for test in found.a.tests}
    assert "score, 50% quantile" in sides
    assert [row[0] for row in differences(found)] == [
        *("harm rate, points", "accuracy realised, points", "flagged, points"),
        "D of the scores",
    ]
    assert [row[0] for row in on_same_rows(found)] == ["flagged", "harmful", "correct"]
    assert {len(row) for row in on_same_rows(found)} == {8}
    assert IntervalComparison.model_validate_json(found.to_json()) == found


def test_a_result_is_read_from_its_directory_or_its_report(tmp_path: Path) -> None:
    report, scores = make(QUIET)
    with pytest.raises(StoreError, match="has not been committed"):
        read_result(tmp_path)
    (tmp_path / "report.json").write_text(report.to_json(), encoding="utf-8")
    with pytest.raises(StoreError, match=r"scores\.parquet cannot be read"):
        read_result(tmp_path)
    pq.write_table(scores.slice(1), tmp_path / "scores.parquet")
    with pytest.raises(StoreError, match=r"has 599 rows, but report\.json beside it counts 600"):
        read_result(tmp_path)
    pq.write_table(scores, tmp_path / "scores.parquet")
    assert read_result(tmp_path).report == read_result(tmp_path / "report.json").report == report
