"""The logistic model behind an accuracy estimator: which of two classes is right, if either.

Pure functions of score tables' columns (`accuracy_estimator` says what is modelled, and why).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.support.sample import log_odds_of, log_score

PENALTY = 1e-4
"""Weight of the squared coefficients relative to the mean log-likelihood."""

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]


class Rows(NamedTuple):
    """The model's input for n rows and, where there are labels, which class is right.

    Attributes
    ----------
    features : (n, 4) float64
        φ.
    prediction, reconstruction : (n,) int64
        Class of M(x), and of M(AE(x)).
    right : (n,) int64
        Where labels are known: 0 where the prediction is right, 1 where only the reconstruction's
        class is, 2 where neither is.
    """

    features: Floats
    prediction: Classes
    reconstruction: Classes
    right: Classes

    def classes(self) -> tuple[Classes, Classes, Classes]:
        """Return the classes that the three parts of the model are about."""
        return self.prediction, self.prediction, self.reconstruction

    def take(self, rows: NDArray[np.bool_]) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.features[rows], self.prediction[rows], self.reconstruction[rows], self.right[rows]
        )


def read_rows(table: pa.Table, class_names: Sequence[str], first: int = 0) -> Rows:
    """Return the model's input for a score table's rows; messages count them from `first`.

    Raises
    ------
    ModelError
        If a class is not among the names; names row and column.
    """

    def scaled_log_odds(name: str) -> Floats:
        return (log_odds_of(table, name) - 3) / 2

    def classes(name: str) -> Classes:
        result = pc.index_in(table[name], pa.array(class_names, pa.string()))
        if result.null_count:
            row = result.is_valid().index(False).as_py()
            raise ModelError(
                f"row {first + row}: {name} is {table[name][row].as_py()!r}, which is not a class "
                f"of the accuracy estimator ({', '.join(class_names)}): give rows that its "
                "detector scored"
            )
        indices: Classes = result.to_numpy().astype(np.int64)
        return indices

    prediction, reconstruction = classes("prediction"), classes("reconstruction_prediction")
    score = (log_score(table) + 3) / 2
    right = np.zeros(len(table), np.int64)
    if "label" in table.column_names:
        label = classes("label")
        right = np.where(prediction == label, 0, np.where(reconstruction == label, 1, 2))
    return Rows(
        np.stack(
            [
                np.ones(len(table)),
                scaled_log_odds("confidence"),
                scaled_log_odds("reconstruction_confidence"),
                score,
            ],
            axis=1,
        ),
        prediction,
        reconstruction,
        right,
    )


def probabilities(rows: Rows, coefficients: Floats) -> tuple[Floats, Floats]:
    """Return the probabilities that the prediction, and the reconstruction's class, is right.

    Parameters
    ----------
    rows : Rows
        n rows.
    coefficients : (3, 1 + n_classes, 4) float64
        For rows whose two classes agree, then for the prediction and for the reconstruction's class
        where they differ.

    Returns
    -------
    (n,) float64, (n,) float64
    """
    same, first, second = log_odds(rows, coefficients)
    agree = rows.prediction == rows.reconstruction
    total = np.logaddexp(0, np.logaddexp(first, second))
    equal = scipy.special.expit(same)
    return (
        np.where(agree, equal, np.exp(first - total)),
        np.where(agree, equal, np.exp(second - total)),
    )


def log_odds(rows: Rows, coefficients: Floats) -> Floats:
    """Return φ · b of the three parts, (3, n), each with the b of its class."""
    parts = zip(coefficients, rows.classes(), strict=True)
    return np.stack(
        [
            np.einsum("ij,ij->i", rows.features, part[0] + part[1:][classes])
            for part, classes in parts
        ]
    )


def fit_coefficients(
    rows: Rows, weights: Floats, n_classes: int, start: Floats | None = None
) -> Floats:
    """Return the coefficients that maximise the penalised likelihood.

    Parameters
    ----------
    rows : Rows
        n rows whose labels are known.
    weights : (n,) float64
        One weight per row; their sum is 1.
    n_classes : int
        Number of classes.
    start : (3, 1 + n_classes, 4) float64, optional
        Where the search begins.

    Returns
    -------
    (3, 1 + n_classes, 4) float64
        As `probabilities` takes them.
    """
    n = len(weights)
    shape = (3, 1 + n_classes, rows.features.shape[1])
    agree = rows.prediction == rows.reconstruction
    is_right = np.stack([rows.right == 0, rows.right == 0, rows.right == 1]).astype(np.float64)
    members = [
        scipy.sparse.csr_array((np.ones(n), (classes, np.arange(n))), (n_classes, n))
        for classes in rows.classes()
    ]
    penalty = np.full(shape, PENALTY)
    penalty[:, 0, 0] = 0

    def loss(flat: Floats) -> tuple[float, Floats]:
        coefficients = flat.reshape(shape)
        odds = log_odds(rows, coefficients)
        total = np.where(agree, np.logaddexp(0, odds[0]), np.logaddexp(0, np.logaddexp(*odds[1:])))
        counted = np.stack([agree, ~agree, ~agree]) * weights
        residual = counted * (np.exp(np.minimum(odds - total, 0)) - is_right)
        gradient = penalty * coefficients
        for part, member in enumerate(members):
            moments = residual[part][:, None] * rows.features
            gradient[part, 0] += moments.sum(axis=0)
            gradient[part, 1:] += member @ moments
        likelihood = (counted * is_right * odds).sum() - (weights * total).sum()
        return float((penalty * coefficients**2).sum() / 2 - likelihood), gradient.ravel()

    first = np.zeros(shape) if start is None else start
    result = scipy.optimize.minimize(
        loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-6}
    )
    fitted: Floats = result.x.reshape(shape)
    return fitted


def move_to_accuracy(rows: Rows, coefficients: Floats) -> Floats:
    """Shift all log-odds by one number, so that the mean estimate is the accuracy.

    Half a right row and half a wrong row are added to the count, so that an accuracy of 0 or 1 can
    be reached.
    """
    target = (np.count_nonzero(rows.right == 0) + 0.5) / (len(rows.right) + 1)

    def moved(by: float) -> Floats:
        changed = coefficients.copy()
        changed[:2, 0, 0] += by
        return changed

    def excess(by: float) -> float:
        return float(probabilities(rows, moved(by))[0].mean() - target)

    return moved(float(scipy.optimize.brentq(excess, -50, 50)))
