"""What is attacked: a criterion, compiled for any number of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adversarial.attacks.core.criteria import Aim, All, Criterion

Rows = NDArray[np.float32]
Classes = NDArray[np.int64]
Perturb = Callable[[Rows, Classes, NDArray[np.int64]], Rows]
"""From a batch, its classes and its numbers among all rows to the attacked batch."""

FINGERPRINT_ROWS = 16
"""Rows on which a resumed attack must find the criterion as it was."""


class Victim:
    """A criterion, compiled, that remembers what each row has met, and how often it was shown.

    Parameters
    ----------
    criterion : Criterion
        What the attack is after.
    shape : tuple of int
        Of a row.
    n : int
        Number of rows.

    Attributes
    ----------
    weights : (n,) float32
        Of all criteria but the first of several (`All`), row by row.
    queries : (n,) int64
        Times that each row was shown to the model.
    first_met : (n,) int64
        Times that it met the criterion then; of several, the first.
    """

    def __init__(self, criterion: Criterion, shape: tuple[int, ...], n: int) -> None:
        self.shape = shape
        self.weights = np.ones(n, np.float32)
        self.queries = np.zeros(n, np.int64)
        self.first_met = np.zeros(n, np.int64)
        self._criterion = criterion
        self._aim = self.compile(self.criterion)
        self._with_gradient = self.compile(self.differentiate)

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

    def criterion(self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor) -> Aim:
        """Return how far rows are from the criterion, as tensors."""
        if isinstance(self._criterion, All):
            return self._criterion(x, y, weight)
        return self._criterion(x, y)

    def differentiate(self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, Aim]:
        """Return the gradient of the loss, and the aim, as tensors."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            aim = self.criterion(x, y, weight)
        # A model may have no gradient at all: then it is zero, and an attack without one is due.
        return tape.gradient(aim.loss, x, unconnected_gradients="zero"), aim

    def note(self, rows: NDArray[np.int64], first_met: NDArray[np.bool_]) -> None:
        """Count that these rows were shown to the model once, and which met the first criterion."""
        self.queries[rows] += 1
        self.first_met[rows] += first_met

    def fingerprint(self, x: Rows, y: Classes) -> list[list[float]]:
        """Return losses and margins of the first rows: they tell criteria and models apart."""
        x, y = x[:FINGERPRINT_ROWS], y[:FINGERPRINT_ROWS]
        aim = self._aim(x, y, np.ones(len(x), np.float32))
        return [aim.loss.numpy().tolist(), aim.margin.numpy().tolist()]

    def aim(self, x: Rows, y: Classes, rows: NDArray[np.int64]) -> Aim:
        """Return how far the rows are from the criterion, as arrays."""
        aim = Aim(*(tensor.numpy() for tensor in self._aim(x, y, self.weights[rows])))
        self.note(rows, aim.first_met)
        return aim

    def with_gradient(self, x: Rows, y: Classes, rows: NDArray[np.int64]) -> tuple[Rows, Aim]:
        """Return the gradient of the loss with respect to x, and the aim, as arrays."""
        gradient, tensors = self._with_gradient(x, y, self.weights[rows])
        aim = Aim(*(tensor.numpy() for tensor in tensors))
        self.note(rows, aim.first_met)
        return gradient.numpy(), aim
