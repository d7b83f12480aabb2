"""From score tables to findings: what tells harm, and how often drift is called."""

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from drift_monitor.analysis.harm import HARMFUL, HARMLESS, LEFT_OUT
from drift_monitor.config import Policy
from drift_monitor.errors import ConfigError
from drift_monitor.results.report import Counts
from drift_monitor.verdict.rules import Evidence, decide
from tests.support.analysis.score_tables import (
    LABELLED,
    UNLABELLED,
    by_name,
    compare,
    population,
    scores,
)


def counts(n: int) -> Counts:
    return Counts(read=n, scored=n, rejected=0, flagged=0, labelled=n, non_finite=0)


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


@pytest.mark.parametrize("harm_by", ["labels", "detector"])
def test_batches_drawn_like_the_reference_are_seldom_called_drift(harm_by: str) -> None:
    repeats = 40
    significant, verdicts = 0, []
    policy = Policy(harm_by=cast("Any", harm_by))
    for seed in range(repeats):
        reference, current = population(1000, 2 * seed), population(600, 2 * seed + 1)
        findings = compare(current, reference, harm_by=harm_by)
        significant += any((test.p_value_adjusted or 1) < 0.05 for test in findings.tests)
        decided = decide(
            Evidence(counts(600), findings.harm, findings.accuracy, findings.tests), policy
        )
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
    decided = decide(
        Evidence(counts(5000), findings.harm, findings.accuracy, findings.tests), Policy()
    )
    assert decided.verdict == "harmful_drift"
