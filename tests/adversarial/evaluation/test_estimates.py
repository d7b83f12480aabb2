import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from adversarial.evaluation.estimates import area_under_roc, mean, ratio_of_means, roc, share


def test_the_interval_of_a_share_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for truth in (0.05, 0.5, 0.93):
        intervals = [share(rng.random(200) < truth) for _ in range(400)]
        held = np.mean([found.low <= truth <= found.high for found in intervals])
        assert 0.92 < held < 0.98


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).normal(3, 2, 40)
    found = mean(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx(values.mean())


def test_the_area_is_that_of_scikit_learn_and_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    normal, attacked = rng.normal(0, 1, 300).round(1), rng.normal(1, 1, 200).round(1)
    found = area_under_roc(normal, attacked, paired=False)
    expected = roc_auc_score(np.repeat([0, 1], [300, 200]), np.concatenate([normal, attacked]))
    assert found.value == pytest.approx(expected)
    fpr, tpr = roc(normal, attacked)
    assert np.trapezoid(tpr, fpr) == pytest.approx(expected)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_the_bootstrap_of_the_area_is_as_wide_as_theory_says() -> None:
    """Hanley & McNeil (1982), for independent groups; pairs that agree narrow it."""
    rng = np.random.default_rng(1)
    normal = rng.exponential(1, 400)
    attacked = rng.exponential(3, 400)
    found = area_under_roc(normal, attacked, paired=False)
    area = found.value
    both = area / (2 - area) + 2 * area**2 / (1 + area) - 2 * area**2
    error = np.sqrt((area * (1 - area) + 399 * both) / 400**2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.12)
    raised = normal + rng.normal(0.3, 0.05, 400)
    pairs = area_under_roc(normal, raised, paired=True)
    apart = area_under_roc(normal, raised, paired=False)
    assert pairs.high - pairs.low < 0.5 * (apart.high - apart.low)


def test_the_interval_of_a_ratio_holds_it() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for turn in range(60):
        found = ratio_of_means(rng.exponential(4, 150), rng.exponential(2, 150), seed=turn)
        held += found.low <= 2 <= found.high
    assert held >= 52


def test_nothing_is_said_of_no_rows() -> None:
    none = np.zeros(0)
    for found in (
        share(none.astype(bool)),
        mean(none),
        area_under_roc(none, np.ones(3), paired=False),
        ratio_of_means(none, np.ones(3)),
    ):
        assert found.n == 0
        assert math.isnan(found.value)
