"""NaN and infinity never enter silently: they are counted, and no test or estimate sees them."""

import numpy as np
import pyarrow as pa
import pytest

from drift_monitor.analysis.findings import analyse
from drift_monitor.analysis.harm import LEFT_OUT
from drift_monitor.config import Policy
from drift_monitor.scoring.scored_rows import ScoredRows
from tests.support.analysis.score_tables import CLASSES, population


def spoilt(table: pa.Table, column: str, value: float, rows: int) -> pa.Table:
    values = np.asarray(table[column]).copy()
    values[:rows] = value
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values))


@pytest.mark.parametrize("column", ["adversarial_score", "confidence", "entropy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_tests_are_those_of_the_other_rows(column: str, value: float) -> None:
    reference, current = population(500, seed=0), population(400, seed=1)
    broken = ScoredRows.of(spoilt(current, column, value, 30), CLASSES, ())
    whole, rest, other = (
        ScoredRows.of(table, CLASSES, ()) for table in (current, current.slice(30), reference)
    )
    assert np.count_nonzero(~broken.finite) == 30
    policy = Policy(harm_by="detector")
    found = analyse(broken, other, CLASSES, policy)
    expected = analyse(rest, other, CLASSES, policy)
    for name in range(5):  # those on numbers; the mix of classes counts every row
        assert found.tests[name].statistic == expected.tests[name].statistic
    assert found.tests[0].n_current == 370
    assert set(found.outcome[:30]) == {LEFT_OUT}
    assert found.harm.left_out == 30
    assert analyse(whole, other, CLASSES, policy).tests[0].n_current == 400


def test_a_batch_without_any_finite_row_is_tested_on_nothing() -> None:
    reference, current = population(500, seed=0), population(200, seed=1)
    broken = ScoredRows.of(spoilt(current, "adversarial_score", np.nan, 200), CLASSES, ())
    found = analyse(
        broken, ScoredRows.of(reference, CLASSES, ()), CLASSES, Policy(harm_by="detector")
    )
    assert all(test.skipped for test in found.tests if test.kind == "ks")
    assert found.harm.current is None
