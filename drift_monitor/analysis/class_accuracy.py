"""Recall and precision of each class, estimated without labels, with bounds.

The rows that a batch looks like are labelled, and weighted as the batch is. What is right among
those of a class, and among those that the classifier takes for it, is the estimate.
"""

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from drift_monitor.analysis.accuracy import OWN_ERROR, Unlabelled
from drift_monitor.results.report_findings import (
    BoundedShare,
    ClassAccuracy,
    ClassShares,
    LikelyExplanation,
)

FEWEST_ROWS = 10
"""Effective rows of a class, or taken for it, from which a share of them is stated."""


def class_shares(
    label: NDArray[np.int64],
    prediction: NDArray[np.int64],
    weights: NDArray[np.float64],
    class_names: Sequence[str],
) -> list[ClassShares]:
    """Return what weighted rows say of each class.

    Parameters
    ----------
    label, prediction : (n,) int64
        Numbers of the classes.
    weights : (n,) float64
        Their sum is 1.
    class_names : sequence of str
        The detector's classes.
    """
    found = []
    for number, name in enumerate(class_names):
        true, taken = label == number, prediction == number
        found.append(
            ClassShares(
                name=name,
                true=min(1.0, float(weights[true].sum())),
                predicted=min(1.0, float(weights[taken].sum())),
                right=min(1.0, float(weights[true & taken].sum())),
                rows_true=_effective(weights[true]),
                rows_predicted=_effective(weights[taken]),
            )
        )
    return found


def class_accuracy(rows: Unlabelled | None, alpha: float) -> list[ClassAccuracy]:
    """Return recall and precision of each class; empty where nothing is known of the support.

    Parameters
    ----------
    rows : Unlabelled, optional
        What is known of the batch's rows.
    alpha : float
        1 − confidence of the intervals within support (Wilson's, at effective numbers of rows).
    """
    support = rows.support if rows else None
    if rows is None or support is None or support.explanation is None:
        return []
    z = float(scipy.stats.norm.isf(alpha / 2))
    found = []
    for place, normal in enumerate(support.normal_classes):
        found.append(
            ClassAccuracy(
                name=normal.name,
                recall=_bounded("true", place, normal, support.explanations, rows, z),
                precision=_bounded("predicted", place, normal, support.explanations, rows, z),
            )
        )
    return found


def _bounded(
    of: str,
    place: int,
    normal: ClassShares,
    explanations: Sequence[LikelyExplanation],
    rows: Unlabelled,
    z: float,
) -> BoundedShare | None:
    """Return the share of right rows among those of a class (or taken for it), under all."""
    reference, best = (_share(one, of) for one in (normal, explanations[0].classes[place]))
    if reference is None or best is None:
        return None
    ends = []
    for explanation in explanations:
        one = explanation.classes[place]
        share = _share(one, of)
        if share is None:
            return None
        low, high = _wilson(share, float(getattr(one, f"rows_{of}")), z)
        own = z * OWN_ERROR * abs(share - reference)
        unknown = rows.unknown(explanation)
        known = (1 - unknown) * float(getattr(one, of))
        low, high = max(0.0, low - own), min(1.0, high + own)
        ends.append((low * known / (known + unknown), (high * known + unknown) / (known + unknown)))
    return BoundedShare(
        estimate=best,
        low=min(low for low, _ in ends),
        high=min(1.0, max(high for _, high in ends)),
        reference=reference,
    )


def _share(classes: ClassShares, of: str) -> float | None:
    total, n = float(getattr(classes, of)), float(getattr(classes, f"rows_{of}"))
    return min(1.0, classes.right / total) if n >= FEWEST_ROWS else None


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(middle - reach), float(middle + reach)


def _effective(weights: NDArray[np.float64]) -> float:
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0
