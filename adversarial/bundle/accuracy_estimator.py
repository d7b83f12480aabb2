"""The probability that a prediction is right, estimated from a detector's outputs alone.

A logistic model, fitted where labels are known: on normal rows, and on corrupted and attacked
copies of them (`adversarial.calibration.calibration_rows`). Plain NumPy and SciPy; its file is
JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat

from adversarial.bundle.accuracy_model import (
    Rows,
    fit_coefficients,
    move_to_accuracy,
    probabilities,
    read_rows,
)
from adversarial.errors import ModelError
from adversarial.support.sample import OUTPUTS

MIN_ROWS = 50
"""Labelled normal rows that an estimator needs: with fewer, even their own accuracy is vague."""
CLEAN_SHARE = 0.5
"""Share of the weight in the fit that normal rows have together."""
WITHIN_95 = 1.96
"""Standard deviations to each side that hold 95 % of a normal distribution."""
SMALLEST_DROP = 0.01
"""Smaller drops count as this one in the ratio of error to drop."""
ATTACKS = ("fgsm", "pgd", "ddn")
"""Families that are attacks (`adversarial.calibration.calibration_rows`)."""
ROWS_AT_ONCE = 65_536
"""Bounds the memory of a prediction."""
CLEAN = ""
"""The family of normal rows."""

Floats = NDArray[np.float64]
Names = NDArray[np.str_]
Coefficients = tuple[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat], ...]


class AccuracyEstimator(BaseModel):
    """Maps a row's score, confidences and classes to the probability that its class is right.

    Let φ = (1, log-odds of the confidence of M(x), those of M(AE(x)), ln(S(x) + 0.001)), each but
    the first shifted and scaled by fixed numbers, and let b be a vector shared by all classes plus
    one for the class at hand, which the penalty draws towards zero:

    - where M(x) and M(AE(x)) give the same class, it is right with probability σ(φ · b);
    - where they differ, the prediction, the reconstruction's class, or neither is right, with
      probabilities proportional to exp(φ · b₁), exp(φ · b₂) and 1.

    Each class has a vector of its own because degraded inputs do not spread evenly over the
    classes: faded images, for example, end up in a few of them.

    Attributes
    ----------
    class_names : tuple of str
        The detector's classes.
    agreeing : tuple of 4-tuples of float
        b: the shared vector, then one per class.
    prediction, reconstruction : tuple of 4-tuples of float
        b₁, by the class of M(x), and b₂, by that of M(AE(x)).
    drop_error_ratio : float
        Ratio of the estimator's own error to the drop it estimates (`drop_error`), measured by
        leaving out one corruption at a time.
    n_clean, n_changed : int
        Rows that it was fitted on: normal ones, and corrupted or attacked ones.
    families : tuple of str
        Corruptions and attacks among them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1"] = "1"
    class_names: tuple[str, ...]
    agreeing: Coefficients
    prediction: Coefficients
    reconstruction: Coefficients
    drop_error_ratio: FiniteFloat
    n_clean: int
    n_changed: int
    families: tuple[str, ...]

    @classmethod
    def fit(
        cls, clean: pa.Table, changed: pa.Table, class_names: Sequence[str]
    ) -> AccuracyEstimator:
        """Fit an estimator.

        Normal rows get half of the weight, and the families of changed rows share the rest equally.
        All log-odds are then shifted by one number, so that the mean estimate of the normal rows is
        their accuracy.

        Parameters
        ----------
        clean : pyarrow.Table
            Normal rows: the columns of `Prediction.to_table` and `label`, the true class by name.
        changed : pyarrow.Table
            As `adversarial.calibration.calibration_rows.calibration_rows` returns it.
        class_names : sequence of str
            The detector's classes.

        Raises
        ------
        ModelError
            If fewer than `MIN_ROWS` normal rows are given, or a class is not among the names.
        """
        if len(clean) < MIN_ROWS:
            raise ModelError(
                f"{len(clean)} labelled normal rows are too few for an accuracy estimator: "
                f"give at least {MIN_ROWS}"
            )
        names = tuple(class_names)
        rows = read_rows(pa.concat_tables([clean, changed], promote_options="default"), names)
        family = np.concatenate([np.repeat(CLEAN, len(clean)), np.asarray(changed["family"], str)])
        severity = np.concatenate([np.zeros(len(clean)), changed["severity"].to_numpy()])
        fitted = _fit(rows, family, len(names))
        ratio = _drop_error_ratio(rows, family, severity, fitted)
        agreeing, prediction, reconstruction = (tuple(map(tuple, part.tolist())) for part in fitted)
        return cls(
            class_names=names,
            agreeing=agreeing,
            prediction=prediction,
            reconstruction=reconstruction,
            drop_error_ratio=ratio,
            n_clean=len(clean),
            n_changed=len(changed),
            families=tuple(sorted(set(family) - {CLEAN})),
        )

    def predict(self, window: pa.Table) -> tuple[Floats, Floats]:
        """Return the probabilities that the class of M(x), and that of M(AE(x)), is right.

        Parameters
        ----------
        window : pyarrow.Table
            n rows with the columns of `Prediction.to_table`.

        Returns
        -------
        probability_correct, reconstruction_probability_correct : (n,) float64
            Between 0 and 1. Equal where both give the same class; otherwise their sum is at most 1.

        Raises
        ------
        ModelError
            If a class is not among the estimator's.
        """
        coefficients = (self.agreeing, self.prediction, self.reconstruction)
        fitted = np.array(coefficients)
        outputs = window.select(OUTPUTS)
        prediction, reconstruction = np.empty((2, len(window)))
        for first in range(0, len(window), ROWS_AT_ONCE):
            rows = read_rows(outputs.slice(first, ROWS_AT_ONCE), self.class_names, first)
            some = slice(first, first + ROWS_AT_ONCE)
            prediction[some], reconstruction[some] = probabilities(rows, fitted)
        return prediction, reconstruction

    def drop_error(self, drop: float) -> float:
        """Return the standard deviation of the estimator's own error.

        This is the error of a batch's estimated accuracy beyond the chance of which rows the batch
        holds. Reference and batch share the estimator, so where it sees no drop it adds no error to
        the comparison.

        Parameters
        ----------
        drop : float
            Estimated accuracy of the reference minus that of the batch, −1 to 1.
        """
        return self.drop_error_ratio * abs(drop)


def _fit(rows: Rows, family: Names, n_classes: int, start: Floats | None = None) -> Floats:
    """Fit to normal and changed rows, each group with its share of the weight."""
    weights = np.empty(len(family))
    names, sizes = np.unique(family, return_counts=True)
    for name, size in zip(names, sizes, strict=True):
        share = CLEAN_SHARE if name == CLEAN else (1 - CLEAN_SHARE) / max(len(names) - 1, 1)
        weights[family == name] = share / size
    fitted = fit_coefficients(rows, weights / weights.sum(), n_classes, start)
    return move_to_accuracy(rows.take(family == CLEAN), fitted)


def _drop_error_ratio(rows: Rows, family: Names, severity: Floats, fitted: Floats) -> float:
    """Fit without each corruption in turn, and compare its accuracy with the estimate.

    The ratio r is the smallest for which 95 % of the cells (one corruption at one severity) have an
    error within 1.96 standard deviations, made up of r · drop and the sampling error of the cell's
    rows.
    """
    clean = family == CLEAN
    needed = []
    for left_out in sorted(set(family) - {CLEAN, *ATTACKS}):
        kept = family != left_out
        other = _fit(rows.take(kept), family[kept], fitted.shape[1] - 1, fitted)
        before = probabilities(rows.take(clean), other)[0].mean()
        for level in np.unique(severity[~kept]):
            cell = rows.take(~kept & (severity == level))
            estimates = probabilities(cell, other)[0]
            drop = before - estimates.mean()
            error = estimates.mean() - np.mean(cell.right == 0)
            chance = (estimates * (1 - estimates)).sum() / len(estimates) ** 2
            beyond = max((error / WITHIN_95) ** 2 - chance, 0)
            needed.append(np.sqrt(beyond) / max(abs(drop), SMALLEST_DROP))
    return float(np.quantile(needed, 0.95, method="higher")) if needed else 0.0
