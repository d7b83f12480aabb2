"""What is attacked: a criterion, as a rule compiled for any number of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.attacks.core.criteria import All, Criterion, CriterionResult

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
Perturb = Callable[[Rows, Classes, NDArray[np.int64]], Rows]
"""Maps a batch, its classes and its row numbers among all rows to the attacked batch."""

FINGERPRINT_ROWS = 16
"""Rows on which the criterion must be the same when an attack is resumed."""


class Victim:
    """A criterion that counts how often each row was shown to the model.

    Parameters
    ----------
    criterion : Criterion
        What the attack is to achieve.
    shape : tuple of int
        Shape of one row.
    n : int
        Number of rows.
    compiled : bool
        Whether to compile it, which pays if it is called more than a few times.

    Attributes
    ----------
    weights : (n,) float32
        For each row, the weight of all criteria but the first of several (`All`).
    queries : (n,) int64
        How often each row was shown to the model.
    first_met : (n,) int64
        How often it then met the criterion, or the first of several.
    """

    def __init__(
        self, criterion: Criterion, shape: tuple[int, ...], n: int, *, compiled: bool = True
    ) -> None:
        self.shape = shape
        self.weights = np.ones(n, np.float32)
        self.queries = np.zeros(n, np.int64)
        self.first_met = np.zeros(n, np.int64)
        self._criterion = criterion
        prepare = self.compile if compiled else _eager
        self._evaluate = prepare(self.criterion)
        self._gradient = prepare(self.differentiate)

    def compile(self, function: Callable[..., Any], *more: tf.TensorSpec) -> Callable[..., Any]:
        """Compile a function of rows, classes, weights and `more`, for any number of rows."""
        specs = [
            tf.TensorSpec([None, *self.shape], tf.float32),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None], tf.float32),
            *more,
        ]
        # XLA is several times slower on CPUs.
        compiled: Callable[..., Any] = tf.function(
            function, input_signature=specs, jit_compile=False
        )
        return compiled

    def criterion(self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor) -> CriterionResult:
        """Return how far rows are from the criterion, as tensors."""
        if isinstance(self._criterion, All):
            return self._criterion(x, y, weight)
        result = self._criterion(x, y)
        return result._replace(first_met=result.met) if result.first_met is None else result

    def differentiate(
        self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor, CriterionResult]:
        """Return the gradient of the loss, and how far rows are from the criterion, as tensors."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = self.criterion(x, y, weight)
        # Zero if the model has no gradient at all: then it takes an attack that needs none.
        return tape.gradient(result.loss, x, unconnected_gradients="zero"), result

    def count(self, rows: NDArray[np.int64], first_met: NDArray[np.bool_]) -> None:
        """Count that these rows were shown to the model, and which met the first criterion.

        `evaluate` and `gradient` count by themselves; functions that an attack compiles with
        `compile` do not.
        """
        self.queries[rows] += 1
        self.first_met[rows] += first_met

    def fingerprint(self, x: Rows, y: Classes) -> list[list[float]]:
        """Return losses and margins of the first rows: they tell criteria and models apart."""
        x, y = x[:FINGERPRINT_ROWS], y[:FINGERPRINT_ROWS]
        result = self._evaluate(x, y, np.ones(len(x), np.float32))
        return [result.loss.numpy().tolist(), result.margin.numpy().tolist()]

    def evaluate(self, x: Rows, y: Classes, rows: NDArray[np.int64]) -> CriterionResult:
        """Return how far rows are from the criterion, as arrays.

        Parameters
        ----------
        x : (n, *input_shape) float32
            Rows.
        y : (n,) int64
            Their classes.
        rows : (n,) int64
            Their numbers among all attacked rows.
        """
        return self._counted(self._evaluate(x, y, self.weights[rows]), rows)

    def gradient(
        self, x: Rows, y: Classes, rows: NDArray[np.int64]
    ) -> tuple[Rows, CriterionResult]:
        """Return the gradient of the loss with respect to x, and the same as `evaluate`."""
        gradient, tensors = self._gradient(x, y, self.weights[rows])
        return gradient.numpy(), self._counted(tensors, rows)

    def _counted(self, tensors: CriterionResult, rows: NDArray[np.int64]) -> CriterionResult:
        result = CriterionResult(*(tensor.numpy() for tensor in tensors))
        self.count(rows, result.first_met)
        return result


def _eager(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tensors as one of arrays."""
    return lambda *arrays: function(*map(tf.convert_to_tensor, arrays))
