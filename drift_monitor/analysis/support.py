"""How far a batch's rows are like those its detector was calibrated on, and what that adds."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.bundle.calibration import Calibration
from adversarial.support.mixture import ONCE_IN_1000, explain, ks_by_chance
from adversarial.support.sample import matrix
from drift_monitor.results.report_findings import Resemblance, Support
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
    sample: RowSample | None, calibration: Calibration, class_names: tuple[str, ...]
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

    Returns
    -------
    Support
        Without the shares of novel rows (`with_novel_rows`).
    """
    rows = None if sample is None else sample.table()
    known, estimator = calibration.sample, calibration.accuracy_estimator
    if known is None or estimator is None:
        return _nothing(NO_SAMPLE)
    if rows is not None:
        rows = rows.filter(
            pc.and_(pc.is_finite(rows["adversarial_score"]), pc.is_finite(rows["confidence"]))
        )
    if rows is None or not len(rows):
        return _nothing("no row can be described")
    classes = np.asarray(pc.index_in(known["label"], pa.array(class_names, pa.string())), np.int64)
    damage = (
        pc.binary_join_element_wise(known["family"], known["severity"].cast(pa.string()), " ")
        .combine_chunks()
        .dictionary_encode()
    )
    normal = np.asarray(pc.equal(known["family"], ""))
    cells = np.where(normal, classes, len(class_names) + np.asarray(damage.indices, np.int64))
    found = explain(matrix(rows, class_names), matrix(known, class_names), cells, len(class_names))
    expected = estimator.predict(known)[0]
    residual = np.asarray(pc.equal(known["prediction"], known["label"])) - expected
    correction = float(found.weights @ residual)
    spread = float((found.weights**2) @ (residual - correction) ** 2)
    return Support(
        missing=None,
        novel=None,
        novel_reference=None,
        distance=found.from_normal,
        by_chance=ks_by_chance(len(rows), int(normal.sum()), ONCE_IN_1000),
        explanation=found.name,
        resembles=_resemblances(
            known, cells, (1 - found.unexplained) * found.weights, len(class_names)
        ),
        unexplained=found.unexplained,
        correction=correction,
        correction_error=math.sqrt(spread),
    )


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


def _nothing(reason: str) -> Support:
    return Support(
        missing=reason,
        novel=None,
        novel_reference=None,
        distance=None,
        by_chance=None,
        explanation=None,
        resembles=[],
        unexplained=None,
        correction=None,
        correction_error=None,
    )


def _resemblances(
    known: pa.Table, cells: NDArray[np.int64], weights: NDArray[np.float64], n_classes: int
) -> list[Resemblance]:
    shares = np.bincount(cells, weights)
    result: list[Resemblance] = []
    for cell in np.argsort(-shares, kind="stable"):
        if cell >= n_classes and shares[cell] >= SMALLEST_SHARE and len(result) < SHOWN:
            row = int(np.argmax(cells == cell))
            result.append(
                Resemblance(
                    damage=known["family"][row].as_py(),
                    severity=known["severity"][row].as_py(),
                    share=float(min(1.0, shares[cell])),
                )
            )
    return result
