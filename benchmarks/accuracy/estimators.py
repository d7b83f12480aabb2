"""Estimators of a batch's accuracy from its outputs, each made from a labelled reference."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import AccuracyEstimator


class Estimate(NamedTuple):
    """An estimated accuracy, and its standard deviation where the estimator gives one."""

    accuracy: float
    deviation: float = float("nan")


Estimator = Callable[[pa.Table], Estimate]
"""From a score table, (n rows), to its estimated accuracy."""


def fit_estimator(
    reference: pa.Table, changed: pa.Table, class_names: tuple[str, ...]
) -> Estimator:
    """Return this project's estimator, fitted on normal and changed rows."""
    fitted = AccuracyEstimator.fit(reference, changed, class_names)
    before = float(fitted.predict(reference)[0].mean())

    def estimate(table: pa.Table) -> Estimate:
        p = fitted.predict(table)[0]
        chance = np.sqrt((p * (1 - p)).sum()) / len(p)
        return Estimate(
            float(p.mean()), float(np.hypot(chance, fitted.drop_error(before - p.mean())))
        )

    return estimate


def without_score(table: pa.Table) -> pa.Table:
    """Return the rows with one score for all, so that an estimator cannot learn from it."""
    return _replaced(table, adversarial_score=pa.repeat(1.0, len(table)))


def without_reconstruction(table: pa.Table) -> pa.Table:
    """Return the rows with nothing in them that the autoencoder had a part in."""
    return _replaced(
        without_score(table),
        reconstruction_prediction=table["prediction"],
        reconstruction_confidence=table["confidence"],
    )


def _replaced(table: pa.Table, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def average_confidence() -> Estimator:
    """Return the estimator that believes the classifier."""
    return lambda table: Estimate(float(table["confidence"].to_numpy().mean()))


def thresholded_confidence(
    reference: pa.Table, sureness: Callable[[pa.Table], NDArray[np.floating]]
) -> Estimator:
    """Return ATC (Garg et al. 2022): the share of rows that are surer than a threshold.

    The threshold is the one at which that share is the accuracy of the reference.

    Parameters
    ----------
    reference : pyarrow.Table
        Normal rows with labels.
    sureness : callable
        From a score table to its greatest confidences, or its negative entropies, (n,).
    """
    right = np.asarray(reference["prediction"]) == np.asarray(reference["label"])
    threshold = np.quantile(sureness(reference), 1 - right.mean())
    return lambda table: Estimate(float(np.mean(sureness(table) > threshold)))
