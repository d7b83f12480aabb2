from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from adversarial.attacks import All, Criterion, CriterionResult, Unflagged
from adversarial.attacks.core.victim import Victim
from adversarial.errors import ModelError


@dataclass(frozen=True)
class Above(Criterion):
    """The first value of a row is above a limit."""

    limit: float

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> CriterionResult:  # noqa: ARG002  # any class
        return CriterionResult(x[:, 0], self.limit - x[:, 0], x[:, 0] > self.limit)


X = tf.constant([[0.1], [0.4], [0.9]])
Y = tf.zeros(3, tf.int64)


def test_two_criteria_are_met_where_both_are() -> None:
    both = Above(0.0) & Above(0.5)
    assert both == All((Above(0.0), Above(0.5)))
    result = both(X, Y)
    np.testing.assert_array_equal(result.met, [False, False, True])
    np.testing.assert_array_equal(result.first_met, [True, True, True])
    np.testing.assert_allclose(result.margin, [0.4, 0.1, 0], atol=1e-6)
    np.testing.assert_allclose(result.loss, 2 * X[:, 0])


def test_a_third_criterion_joins_the_two_and_brackets_and_weights_are_kept() -> None:
    a, b, c = Above(0.1), Above(0.2), Above(0.3)
    assert a & b & c == All((a, b, c))
    assert a & (b & c) == All((a, All((b, c))))
    weighted = All((a, b), weights=(1, 2))
    assert weighted & c == All((weighted, c))
    selective = All((a, b), selective=True)
    assert selective & c == All((selective, c))


def test_a_criterion_alone_is_its_own_first() -> None:
    result = Victim(Above(0.3), (1,), 3).evaluate(X.numpy(), Y.numpy(), np.arange(3))
    np.testing.assert_array_equal(result.first_met, result.met)
    np.testing.assert_array_equal(result.met, [False, True, True])


def test_a_score_that_is_a_function_needs_a_threshold() -> None:
    def score(x: tf.Tensor) -> tf.Tensor:
        return x[:, 0]

    np.testing.assert_array_equal(Unflagged(score, 0.4)(X, Y).met, [True, True, False])
    with pytest.raises(ModelError, match="expected a threshold"):
        Unflagged(score)
