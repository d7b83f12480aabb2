"""From score tables to findings: splits, tests and their family, break-downs, corrections."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adversarial.detector.detector import Prediction
from drift_monitor.analysis.findings import Findings, analyse
from drift_monitor.analysis.harm import HARMFUL, HARMLESS, LEFT_OUT
from drift_monitor.batches.batch import Chunk
from drift_monitor.config import DataConfig, Policy
from drift_monitor.errors import ConfigError
from drift_monitor.results.report import Counts
from drift_monitor.results.report_findings import TwoSampleTest
from drift_monitor.scoring.score_table import score_chunk
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.chi_squared import chi_squared_test
from drift_monitor.stats.ks import ks_test, minimum_detectable_d
from drift_monitor.stats.multiple_testing import holm
from drift_monitor.verdict.rules import decide

CLASSES = ("cat", "dog", "owl")
Names = Sequence[str | None]


def scores(
    prediction: Names,
    *,
    score: Sequence[float] | None = None,
    flagged: Sequence[bool] | None = None,
    rebuilt: Names | None = None,
    **columns: Sequence[Any],
) -> pa.Table:
    """Return a score table; scores rise from row to row, nothing is flagged or changes."""
    n = len(prediction)
    return pa.table(
        {
            "prediction": pa.array(prediction, pa.string()),
            "confidence": np.linspace(0.5, 0.9, n, dtype=np.float32),
            "entropy": np.linspace(0.9, 0.1, n),
            "adversarial_score": pa.array(score or [i / n for i in range(n)], pa.float64()),
            "flagged": pa.array(flagged or [False] * n, pa.bool_()),
            "reconstruction_prediction": pa.array(rebuilt or prediction, pa.string()),
        }
        | {name: pa.array(values, pa.string()) for name, values in columns.items()}
    )


def population(n: int, seed: int, **moved: float) -> pa.Table:
    """Draw scored rows: 10 % wrong with higher scores, 5 % flagged, half of those rebuilt right."""
    rng = np.random.default_rng(seed)
    names = np.array(CLASSES)
    label = rng.integers(0, 3, n)
    wrong = rng.random(n) < moved.get("harm", 0.1)
    prediction = np.where(wrong, (label + 1) % 3, label)
    score = rng.exponential(np.where(wrong, 2.0, 1.0)) + moved.get("shift", 0.0)
    flagged = score > 3.3
    rebuilt = np.where(flagged & (rng.random(n) < 0.5), label, prediction)
    return scores(
        names[prediction].tolist(),
        score=score.tolist(),
        flagged=flagged.tolist(),
        rebuilt=names[rebuilt].tolist(),
        label=names[label].tolist(),
        site=np.where(rng.random(n) < 0.3, "north", "south").tolist(),
    )


def compare(
    current: pa.Table,
    reference: pa.Table,
    segments: Sequence[str] = (),
    **policy: Any,
) -> Findings:
    here, there = (ScoredRows.of(table, CLASSES, segments) for table in (current, reference))
    return analyse(here, there, CLASSES, Policy(**policy))


def counts(n: int) -> Counts:
    return Counts(read=n, scored=n, rejected=0, flagged=0, labelled=n, non_finite=0)


def by_name(findings: Findings) -> dict[str, TwoSampleTest]:
    return {test.name: test for test in findings.tests}


# The split

UNLABELLED = scores(["cat"] * 200)
LABELLED = scores(["cat"] * 200, label=["cat"] * 200)
FEW_LABELS = scores(["cat"] * 200, label=["cat"] * 99 + [None] * 101)
JUST_ENOUGH = scores(["cat"] * 200, label=["cat", None] * 100)
NO_LABELS = scores(["cat"] * 200, label=[None] * 200)
PAIRED = scores(["cat"] * 200, label=["cat"] * 200, clean_prediction=["cat"] * 200)
PAIRED_UNLABELLED = scores(["cat"] * 200, clean_prediction=["cat"] * 200)
NOT_PAIRED = scores(["cat"] * 200, label=["cat"] * 200, clean_prediction=[None] * 200)


@pytest.mark.parametrize(
    ("current", "reference", "policy", "harm_by"),
    [
        (LABELLED, LABELLED, "auto", "labels"),
        (JUST_ENOUGH, LABELLED, "auto", "labels"),
        (FEW_LABELS, LABELLED, "auto", "detector"),
        (NO_LABELS, LABELLED, "auto", "detector"),
        (UNLABELLED, LABELLED, "auto", "detector"),
        (LABELLED, UNLABELLED, "auto", "detector"),
        (LABELLED, NO_LABELS, "auto", "detector"),
        (PAIRED, LABELLED, "auto", "paired"),
        (PAIRED, UNLABELLED, "auto", "paired"),
        (PAIRED_UNLABELLED, LABELLED, "auto", "detector"),
        (NOT_PAIRED, LABELLED, "auto", "labels"),
        (PAIRED, LABELLED, "labels", "labels"),
        (PAIRED, LABELLED, "detector", "detector"),
        (PAIRED, UNLABELLED, "paired", "paired"),
        (FEW_LABELS, LABELLED, "labels", "labels"),
        (UNLABELLED, UNLABELLED, "detector", "detector"),
    ],
)
def test_the_split_follows_the_columns_unless_the_policy_names_it(
    current: pa.Table, reference: pa.Table, policy: str, harm_by: str
) -> None:
    assert compare(current, reference, harm_by=policy).harm.by == harm_by


def test_labels_of_rows_that_were_chosen_for_their_scores_do_not_decide() -> None:
    table = population(1400, seed=5)
    score = np.asarray(table["adversarial_score"])
    label = np.asarray(table["label"])

    def labelled(rows: NDArray[np.int64]) -> pa.Table:
        kept = np.isin(np.arange(1400), rows)
        at = table.schema.get_field_index("label")
        return table.set_column(at, "label", pa.array(label, pa.string(), mask=~kept))

    worst = labelled(np.argsort(-score)[:150])
    drawn = labelled(np.random.default_rng(0).permutation(1400)[:150])
    reference = population(1000, seed=6)
    assert compare(worst, reference).harm.by == "detector"
    assert compare(worst, reference, harm_by="labels").harm.by == "labels"
    assert compare(drawn, reference).harm.by == "labels"


@pytest.mark.parametrize(
    ("current", "reference", "policy", "message"),
    [
        (LABELLED, UNLABELLED, "labels", "reference window holds no labels.*set policy.harm_by"),
        (LABELLED, NO_LABELS, "labels", "reference window holds no labels.*set policy.harm_by"),
    ],
)
def test_a_split_without_its_columns_is_refused_with_a_remedy(
    current: pa.Table, reference: pa.Table, policy: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(current, reference, harm_by=policy)


@pytest.mark.parametrize(
    ("current", "harm_by"),
    [(UNLABELLED, "labels"), (PAIRED_UNLABELLED, "paired"), (NOT_PAIRED, "paired")],
)
def test_rows_that_the_split_says_nothing_about_are_left_out_and_counted(
    current: pa.Table, harm_by: str
) -> None:
    findings = compare(current, LABELLED, harm_by=harm_by)
    assert set(findings.outcome) == {LEFT_OUT}
    assert findings.harm.left_out == 200
    assert findings.harm.current is None
    assert findings.harm.difference is None


@pytest.mark.parametrize(
    ("harm_by", "outcome"),
    [
        ("labels", [HARMLESS, HARMFUL, LEFT_OUT, HARMFUL, HARMLESS, HARMFUL]),
        ("paired", [HARMLESS, HARMFUL, LEFT_OUT, HARMLESS, LEFT_OUT, LEFT_OUT]),
        ("detector", [HARMLESS, HARMFUL, HARMFUL, HARMLESS, HARMLESS, HARMLESS]),
    ],
)
def test_each_split_reads_its_own_columns(harm_by: str, outcome: list[int]) -> None:
    current = scores(
        ["cat", "dog", "owl", "dog", "cat", "owl"],
        flagged=[True, True, True, False, False, False],
        rebuilt=["cat", "cat", "cat", "cat", "cat", "owl"],
        label=["cat", "cat", None, "cat", "cat", "dog"],
        clean_prediction=["cat", "cat", "owl", "dog", "dog", None],
    )
    findings = compare(current, LABELLED, harm_by=harm_by)
    assert findings.outcome.tolist() == outcome
    assert findings.harm.left_out == outcome.count(LEFT_OUT)
    assert findings.harm.current is not None
    assert findings.harm.current.count == outcome.count(HARMFUL)
    assert findings.harm.current.n == len(outcome) - outcome.count(LEFT_OUT)


def test_under_labels_what_was_served_counts_in_batch_and_reference() -> None:
    served = scores(
        ["cat"] * 4,
        label=["cat", "cat", "dog", "dog"],
        logged_prediction=["cat", "dog", "dog", None],
    )
    findings = compare(served, served, harm_by="labels")
    assert findings.outcome.tolist() == [HARMLESS, HARMFUL, HARMLESS, HARMFUL]
    assert findings.harm.current == findings.harm.reference


@pytest.mark.parametrize("harm_by", ["paired", "detector"])
def test_elsewhere_the_classifiers_own_prediction_counts(harm_by: str) -> None:
    table = scores(
        ["cat", "cat"],
        label=["cat", "cat"],
        clean_prediction=["cat", "cat"],
        logged_prediction=["dog", "dog"],
    )
    assert compare(table, table, harm_by=harm_by).outcome.tolist() == [HARMLESS, HARMLESS]


@pytest.mark.parametrize("harm_by", ["labels", "detector"])
def test_a_reference_is_split_as_a_batch_is(harm_by: str) -> None:
    table = population(500, seed=1)
    other = population(300, seed=2)
    as_batch = compare(table, other, harm_by=harm_by)
    as_reference = compare(other, table, harm_by=harm_by)
    assert as_batch.harm.current == as_reference.harm.reference
    assert as_batch.harm.reference == as_reference.harm.current
    for name in ("score", "score_harmful", "score_harmless"):
        there, back = by_name(as_batch)[name], by_name(as_reference)[name]
        assert (there.n_reference, there.n_current) == (back.n_current, back.n_reference)
        assert there.statistic == back.statistic


def test_a_reference_row_is_its_own_clean_twin() -> None:
    reference = population(500, seed=1)
    names = reference["prediction"]
    findings = compare(
        reference.append_column("clean_prediction", names), reference, harm_by="paired"
    )
    assert findings.harm.reference is not None
    assert (findings.harm.reference.count, findings.harm.reference.n) == (0, 500)
    assert findings.harm.current == findings.harm.reference


@pytest.mark.parametrize("harm_by", ["labels", "detector", "paired"])
def test_a_batch_that_is_the_reference_shows_no_difference(harm_by: str) -> None:
    table = population(500, seed=3)
    table = table.append_column("clean_prediction", table["prediction"])
    findings = compare(table, table, harm_by=harm_by)
    assert findings.harm.difference is not None
    assert findings.harm.difference.estimate == 0
    for test in findings.tests:
        if test.in_family and not test.skipped:
            assert (test.statistic, test.p_value, test.drift_detected) == (0, 1, False)


# The tests


@pytest.mark.parametrize(
    ("harm_by", "others"),
    [
        ("labels", ["separation"]),
        ("paired", ["separation"]),
        ("detector", []),
    ],
)
def test_the_split_decides_whether_the_separation_is_tested(
    harm_by: str, others: list[str]
) -> None:
    table = population(400, seed=0).append_column("clean_prediction", pa.array(["cat"] * 400))
    tests = compare(table, table, ["site", "unknown"], harm_by=harm_by).tests
    assert [test.name for test in tests if test.in_family] == [
        "score",
        "score_harmful",
        "score_harmless",
        "confidence",
        "entropy",
        "class_mix",
        "segment_mix:site",
    ]
    assert [test.name for test in tests if not test.in_family] == others


def test_each_test_compares_the_rows_it_names() -> None:
    current, reference = population(400, seed=1, shift=0.3), population(300, seed=2)
    findings = compare(current, reference, harm_by="labels", min_effect=0.05)
    tests = by_name(findings)

    def parts(table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        wrong = np.asarray(table["prediction"]) != np.asarray(table["label"])
        return np.asarray(table["adversarial_score"]), wrong

    (x, wrong), (r, reference_wrong) = parts(current), parts(reference)
    pairs = {
        "score": (r, x),
        "score_harmful": (r[reference_wrong], x[wrong]),
        "score_harmless": (r[~reference_wrong], x[~wrong]),
        "separation": (x[~wrong], x[wrong]),
    }
    for name, (a, b) in pairs.items():
        expected = ks_test(a, b, 0.05)
        assert {field: getattr(tests[name], field) for field in expected._fields} == (
            expected._asdict()
        )
        assert tests[name].effect == expected.statistic
    mixes = [
        [np.count_nonzero(np.asarray(table["prediction"]) == name) for name in CLASSES]
        for table in (reference, current)
    ]
    mix = chi_squared_test(*np.array(mixes))
    assert mix is not None
    assert (tests["class_mix"].statistic, tests["class_mix"].effect) == (mix.statistic, mix.effect)
    for name in ("confidence", "entropy"):
        a, b = (np.asarray(table[name], np.float64) for table in (reference, current))
        assert tests[name].statistic == ks_test(a, b).statistic
    family = [test for test in findings.tests if test.in_family]
    adjusted = holm([test.p_value or 0 for test in family])
    assert [test.p_value_adjusted for test in family] == [min(1, 2 * p) for p in adjusted]
    assert tests["separation"].p_value_adjusted is None
    for name, (a, b) in pairs.items():
        level = 0.05 if name == "separation" else 0.05 / 2 / len(family)
        assert tests[name].minimum_detectable == minimum_detectable_d(len(a), len(b), level)
        assert tests[name].threshold == 0.05


def test_a_test_without_rows_is_skipped_and_leaves_the_family() -> None:
    current = scores(["cat"] * 200, score=[i / 100 for i in range(200)], label=["cat"] * 200)
    tests = by_name(compare(current, LABELLED, harm_by="labels"))
    for name in ("score_harmful", "separation"):
        assert tests[name].skipped
        assert tests[name].statistic is None
        assert tests[name].p_value_adjusted is None
        assert tests[name].minimum_detectable is None
        assert not tests[name].drift_detected
    score = tests["score"]
    assert score.skipped is None
    assert score.p_value is not None
    assert tests["class_mix"].skipped  # all rows are of one class
    # Of four tests, score, harmless, confidence and entropy, and twice: half of α is for harm.
    assert score.p_value_adjusted == pytest.approx(2 * 4 * score.p_value)
    assert score.minimum_detectable == minimum_detectable_d(200, 200, 0.05 / 2 / 4)


def test_a_batch_without_rows_skips_every_test() -> None:
    table = LABELLED.append_column("site", LABELLED["label"])
    findings = compare(table.slice(0, 0), table, segments=["site"])
    assert all(test.skipped for test in findings.tests)
    assert findings.harm.current is None
    assert findings.corrections == []
    assert [part.n_current for part in findings.slices] == [0, 0]


@pytest.mark.parametrize(
    ("n", "shift", "min_effect", "detected"),
    [
        (800, 0.0, 0.0, False),
        (800, 0.5, 0.1, True),
        (800, 0.5, 0.9, False),
        (20, 0.5, 0.1, False),  # D = 0.45
    ],
)
def test_drift_needs_significance_and_the_minimum_effect(
    n: int, shift: float, min_effect: float, detected: bool
) -> None:
    current, reference = population(n, seed=1, shift=shift), population(n, seed=2)
    test = compare(current, reference, harm_by="detector", min_effect=min_effect).tests[0]
    assert test.drift_detected == detected


def test_the_separation_never_counts_as_drift() -> None:
    table = population(500, seed=0)
    label = np.asarray(table["label"])
    score = np.where(np.asarray(table["prediction"]) == label, 0.0, 1.0)
    at = table.schema.get_field_index("adversarial_score")
    table = table.set_column(at, "adversarial_score", pa.array(score))
    separation = by_name(compare(table, table, harm_by="labels"))["separation"]
    assert separation.statistic == 1
    assert not separation.in_family
    assert not separation.drift_detected


@pytest.mark.parametrize("harm_by", ["labels", "detector"])
def test_batches_drawn_like_the_reference_are_seldom_called_drift(harm_by: str) -> None:
    repeats = 40
    significant, verdicts = 0, []
    policy = Policy(harm_by=cast("Any", harm_by))
    for seed in range(repeats):
        reference, current = population(1000, 2 * seed), population(600, 2 * seed + 1)
        findings = compare(current, reference, harm_by=harm_by)
        significant += any((test.p_value_adjusted or 1) < 0.05 for test in findings.tests)
        decided = decide(counts(600), findings.harm, findings.accuracy, findings.tests, policy)
        verdicts.append(decided.verdict)
    # Two of forty are expected at most; eight would come by chance once in a thousand times.
    assert significant < 8
    assert verdicts.count("no_drift") > repeats - 8


def test_harm_without_a_visible_move_of_the_scores_is_found() -> None:
    rng = np.random.default_rng(0)
    label = ["cat"] * 5000
    prediction = np.where(rng.random(5000) < 0.04, "dog", "cat").tolist()
    current, reference = scores(prediction, label=label), scores(label, label=label)
    findings = compare(current, reference)
    assert not findings.tests[0].drift_detected
    decided = decide(counts(5000), findings.harm, findings.accuracy, findings.tests, Policy())
    assert decided.verdict == "harmful_drift"


# Break-downs and corrections

values = st.sampled_from(["north", "south", None])
classes = st.sampled_from(CLASSES)
table_rows = st.lists(
    st.tuples(classes, classes, st.one_of(st.none(), classes), values, st.booleans()),
    min_size=1,
    max_size=30,
)
Rows = list[tuple[str, str, str | None, str | None, bool]]


def from_rows(rows: Rows) -> pa.Table:
    prediction, rebuilt, label, site, flagged = zip(*rows, strict=True)
    return scores(prediction, rebuilt=rebuilt, label=label, site=site, flagged=flagged)


@settings(max_examples=40, deadline=None)
@given(current=table_rows, reference=table_rows, harm_by=st.sampled_from(["labels", "detector"]))
def test_the_parts_of_a_break_down_sum_to_the_whole(
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


def test_a_break_down_tells_where_the_harm_is() -> None:
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


@settings(max_examples=40, deadline=None)
@given(rows=table_rows)
def test_corrections_count_the_flagged_rows_whose_class_changes(rows: Rows) -> None:
    found = compare(from_rows(rows), UNLABELLED).corrections
    changes = [(row[0], row[1]) for row in rows if row[4] and row[0] != row[1]]
    assert {(c.prediction, c.reconstruction_prediction): c.n for c in found} == {
        change: changes.count(change) for change in changes
    }
    assert [c.n for c in found] == sorted((c.n for c in found), reverse=True)


# What the job hands over: segments beside the detector's own columns


@pytest.mark.parametrize(
    "segment", ["label", "prediction", "row", "flagged", "reconstruction_prediction"]
)
def test_a_segment_column_never_replaces_a_score_column(segment: str) -> None:
    result = Prediction(
        prediction=np.array([0, 1]),
        defended_prediction=np.array([0, 1]),
        reconstruction_prediction=np.array([0, 1]),
        confidence=np.array([0.9, 0.8], np.float32),
        entropy=np.array([0.3, 0.5]),
        reconstruction_confidence=np.array([0.9, 0.8], np.float32),
        score=np.array([0.1, 0.2]),
        flagged=np.array([False, False]),
    )
    detector: Any = SimpleNamespace(class_names=CLASSES, predict=lambda _: result)
    columns = pa.table({"label": [2, 1]} | {segment: [2, 1]})
    chunk = Chunk("b.parquet", np.arange(2), np.zeros((2, 2), np.float32), columns)
    data = DataConfig(path="b.parquet", input="x", label="label", segments=[segment])
    plain = score_chunk(detector, chunk, data.model_copy(update={"segments": []}))
    table = score_chunk(detector, chunk, data)
    assert table.select(plain.column_names).equals(plain)
