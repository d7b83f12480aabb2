"""The tests of a report: what they compare, when they are skipped, and what counts as drift."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from drift_monitor.stats.chi_squared import chi_squared_test
from drift_monitor.stats.ks import ks_test, minimum_detectable_d
from drift_monitor.stats.multiple_testing import holm
from tests.support.analysis.score_tables import (
    CLASSES,
    LABELLED,
    by_name,
    compare,
    population,
    scores,
)


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
    assert [test.p_value_adjusted for test in family] == [min(1, 4 * p) for p in adjusted]
    assert tests["separation"].p_value_adjusted is None
    for name, (a, b) in pairs.items():
        level = 0.05 if name == "separation" else 0.05 / 4 / len(family)
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
    # Of four tests, score, harmless, confidence and entropy; a quarter of α is theirs.
    assert score.p_value_adjusted == pytest.approx(4 * 4 * score.p_value)
    assert score.minimum_detectable == minimum_detectable_d(200, 200, 0.05 / 4 / 4)


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
