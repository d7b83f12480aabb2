import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from adversarial.statistics import entropy, mcnemar_test, placements, roc_area


def test_entropy_is_scipys() -> None:
    p = np.random.default_rng(0).dirichlet([0.3] * 5, 20)
    p[0] = [1, 0, 0, 0, 0]
    np.testing.assert_allclose(entropy(p), stats.entropy(p, axis=1), atol=1e-12)


def test_the_area_counts_pairs_in_the_right_order_and_ties_half() -> None:
    normal, attacked = np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0, 0.0])
    pairs_won = [np.mean([(a > b) + (a == b) / 2 for b in normal]) for a in attacked]
    np.testing.assert_allclose(placements(attacked, among=normal), pairs_won)
    assert roc_area(normal, attacked) == pytest.approx(np.mean(pairs_won))


def test_the_area_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    normal, attacked = rng.normal(0, 1, 300).round(1), rng.normal(1, 1, 200).round(1)
    expected = roc_auc_score(np.repeat([0, 1], [300, 200]), np.concatenate([normal, attacked]))
    assert roc_area(normal, attacked) == pytest.approx(expected)


def test_a_score_that_is_no_number_gives_no_area() -> None:
    known, unknown = np.array([1.0, 2.0]), np.array([np.nan, 3.0])
    assert np.isnan(roc_area(known, unknown))
    assert np.isnan(roc_area(unknown, known))


@pytest.mark.parametrize("counts", [(59, 6, 16, 80), (5, 9, 0, 5), (0, 0, 3, 0)])
def test_mcnemars_test_asks_whether_differing_rows_are_a_fair_coin(
    counts: tuple[int, ...],
) -> None:
    first = np.repeat([True, True, False, False], counts)
    second = np.repeat([True, False, True, False], counts)
    only_first, only_second = counts[1:3]
    n = only_first + only_second
    assert mcnemar_test(first, second) == stats.binomtest(only_first, n).pvalue
    greater = stats.binomtest(only_first, n, alternative="greater").pvalue
    assert mcnemar_test(first, second, "greater") == greater


def test_mcnemars_test_of_the_same_rows_sees_no_difference() -> None:
    hits = np.array([True, False, True])
    assert mcnemar_test(hits, hits) == 1
    assert mcnemar_test(hits, hits, "greater") == 1
