"""How far a batch's rows are like those its detector was calibrated on, and what that adds."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import AccuracyEstimator
from adversarial.bundle.calibration import Calibration
from adversarial.support.likeness import CloserRows, Likeness, liken
from adversarial.support.mixture import Explanation
from adversarial.support.sample import NOVEL, classes_of, is_normal
from drift_monitor.analysis.class_accuracy import class_shares
from drift_monitor.results.report_findings import LikelyExplanation, Resemblance, Support
from drift_monitor.scoring.row_sample import RowSample
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.proportions import rate, rise_p_value

NO_SAMPLE = (
    "the detector keeps no calibration rows: make its reference anew, with labels (drift-monitor "
    "reference, --label)"
)
SHOWN = 5
"""Kinds of damage that a report names."""
SMALLEST_SHARE = 0.02
NOVEL_ALPHA = 0.001
"""Level at which the share of novel rows is said to have risen: each report looks again."""


def find_support(
    sample: RowSample | None,
    calibration: Calibration,
    class_names: tuple[str, ...],
    closer_rows: CloserRows | None = None,
) -> Support:
    """Liken a batch's rows to the calibration rows of its detector.

    Parameters
    ----------
    sample : RowSample, optional
        Rows of the batch; None where the detector has nothing to describe them by.
    calibration : Calibration
        The detector's.
    class_names : tuple of str
        The detector's classes.
    closer_rows : callable, optional
        Looks closer at what the calibration rows leave unexplained.

    Returns
    -------
    Support
        Without the shares of novel rows (`with_novel_rows`).
    """
    rows = None if sample is None else sample.table()
    known, estimator = calibration.sample, calibration.accuracy_estimator
    if known is None or estimator is None:
        return Support(missing=NO_SAMPLE)
    if rows is not None:
        rows = rows.filter(
            pc.and_(pc.is_finite(rows["adversarial_score"]), pc.is_finite(rows["confidence"]))
        )
    if rows is None or not len(rows):
        return Support(missing="no row can be described")
    if len(rows) == 1:  # a learner needs a row to learn from, and another to be asked about
        return Support(missing="a single row cannot be likened to others")
    likeness = liken(rows, known, class_names, closer_rows)
    found = _Known(likeness.known, estimator, calibration.threshold, class_names)
    normal = is_normal(likeness.known)
    return Support(
        distance=likeness.distance,
        by_chance=likeness.by_chance,
        explanation=found.explained(likeness.best),
        alternatives=[found.explained(other) for other in likeness.alternatives],
        normal_classes=class_shares(
            found.label, found.prediction, normal / normal.sum(), class_names
        ),
        resembles=_resemblances(likeness),
    )


class _Known:
    """The rows that a batch is likened to, and what their true classes say."""

    def __init__(
        self,
        known: pa.Table,
        estimator: AccuracyEstimator,
        threshold: float,
        class_names: tuple[str, ...],
    ) -> None:
        self.class_names = class_names
        self.label, self.prediction, reconstruction = (
            classes_of(known, column, class_names)
            for column in ("label", "prediction", "reconstruction_prediction")
        )
        no_novel = np.zeros(len(known))
        self.novel = np.asarray(known[NOVEL]) if NOVEL in known.column_names else no_novel
        before, after = estimator.predict(known)
        self.residual = (self.label == self.prediction) - before
        flagged = known["adversarial_score"].to_numpy() > threshold
        # As `corrections.likelier`; where the classes are the same, so are the probabilities.
        corrected = flagged & (after > before) & (self.novel == 0)
        right_after = self.label == reconstruction
        self.gain_residual = corrected * (right_after - after - self.residual)

    def explained(self, found: Explanation) -> LikelyExplanation:
        """Return what weighted rows say of accuracy."""
        correction, correction_error = _mean(self.residual, found.weights)
        gain, gain_error = _mean(self.gain_residual, found.weights)
        return LikelyExplanation(
            name=found.name,
            unexplained=found.unexplained,
            novel=min(1.0, float(found.weights @ self.novel)),
            correction=correction,
            correction_error=correction_error,
            gain=gain,
            gain_error=gain_error,
            classes=class_shares(self.label, self.prediction, found.weights, self.class_names),
        )


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return a weighted mean and its standard error; the weights' sum is 1."""
    mean = float(weights @ values)
    return mean, math.sqrt(float((weights**2) @ (values - mean) ** 2))


def with_novel_rows(
    support: Support, rows: ScoredRows, held_out: tuple[int, int] | None, alpha: float
) -> Support:
    """Add the shares of novel rows: of the batch, and of held-out normal rows (novel ones, all)."""
    if held_out is None or rows.novel is None:
        return support
    return support.model_copy(
        update={
            "novel": rate(int(np.count_nonzero(rows.novel)), len(rows), alpha),
            "novel_reference": rate(*held_out, alpha),
        }
    )


def novel_excess(support: Support | None) -> float:
    """Return the share of novel rows beyond that of normal ones; 0 where chance may make it."""
    if support is None or support.novel is None or support.novel_reference is None:
        return 0.0
    here, there = support.novel, support.novel_reference
    risen = here.rate > there.rate and rise_p_value(here, there) < NOVEL_ALPHA
    return here.rate - there.rate if risen else 0.0


def _resemblances(likeness: Likeness) -> list[Resemblance]:
    known, cells, best = likeness.known, likeness.cells, likeness.best
    shares = np.bincount(cells, (1 - best.unexplained) * best.weights)
    damaged = ~is_normal(known)
    result: list[Resemblance] = []
    for cell in np.argsort(-shares, kind="stable"):
        row = int(np.argmax(cells == cell))
        if damaged[row] and shares[cell] >= SMALLEST_SHARE and len(result) < SHOWN:
            result.append(
                Resemblance(
                    damage=known["family"][row].as_py(),
                    severity=known["severity"][row].as_py(),
                    share=float(min(1.0, shares[cell])),
                )
            )
    return result
