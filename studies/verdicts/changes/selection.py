"""Drifts that change no row: class mixes, subpopulations, selection on the output, duplicates."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..changes.drift import CLASS_MIX, NATURAL, NULL, REPEATED, Drift
from ..data.rows import Rows

NULLS = 10
Floats = NDArray[np.float64]


def nulls() -> list[Drift]:
    """Return batches without drift."""
    return [Drift(f"null_{number}", NULL, mild=True) for number in range(NULLS)]


def class_mixes(rows: Rows, probabilities: NDArray[np.float32]) -> list[Drift]:
    """Return batches with another mix of classes; what happens within a class stays the same.

    Parameters
    ----------
    rows : Rows
        Production rows.
    probabilities : (n, n_classes) float32
        M(x) of them.
    """
    n_classes = probabilities.shape[1]
    right = probabilities.argmax(axis=1) == rows.y
    counts = np.bincount(rows.y, minlength=n_classes)
    accuracy = np.bincount(rows.y[right], minlength=n_classes) / np.maximum(counts, 1)
    common = np.argsort(-counts, kind="stable")[: max(2, n_classes // 4)]
    by_accuracy = np.argsort(-accuracy, kind="stable")
    easy = by_accuracy[: max(1, n_classes // 2)]
    largest = int(common[0])
    return [
        _mix("easy_classes_3_to_1", np.where(np.isin(np.arange(n_classes), easy), 3.0, 1.0)),
        _mix("one_class_missing", np.where(np.arange(n_classes) == by_accuracy[-1], 0.0, 1.0)),
        _mix("easiest_class_alone", np.where(np.arange(n_classes) == by_accuracy[0], 1.0, 0.0)),
        _mix("two_to_one", np.where(np.arange(n_classes) == largest, 2.0, 1.0)),
        _mix("hard_classes_3_to_1", np.where(np.isin(np.arange(n_classes), easy), 1.0, 3.0)),
    ]


def _mix(name: str, weights: Floats) -> Drift:
    return Drift(name, CLASS_MIX, pick=lambda rows, n, rng: _weighted(weights[rows.y], n, rng))


def selections(probabilities: NDArray[np.float32]) -> list[Drift]:
    """Return batches chosen by what the classifier says of the rows."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    rank = confidence.argsort().argsort() / len(confidence)
    sure, unsure = 0.2 + 0.8 * rank, 1 - 0.8 * rank
    return [
        Drift("sure_rows", "selected_by_output", pick=partial(_by_weight, sure**2), mild=True),
        Drift("unsure_rows", "selected_by_output", pick=partial(_by_weight, unsure**2)),
        Drift("repeated_rows", REPEATED, pick=_repeated),
    ]


def subpopulation(name: str, column: int, share: float = 0.9) -> Drift:
    """Return a batch of which `share` comes from the upper half of a column."""

    def pick(rows: Rows, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        values = rows.x[:, column]
        upper = values > np.median(values)
        if not upper.any():
            upper = values == values.max()
        weights = np.where(upper, share / max(1, upper.sum()), (1 - share) / max(1, (~upper).sum()))
        return _weighted(weights, n, rng)

    return Drift(name, "subpopulation", pick=pick)


def brightest(share: float = 0.9) -> Drift:
    """Return a batch of which `share` comes from the brighter half of the images."""

    def pick(rows: Rows, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        bright = rows.x.mean(axis=tuple(range(1, rows.x.ndim)))
        upper = bright > np.median(bright)
        return _weighted(np.where(upper, share, 1 - share), n, rng)

    return Drift("bright_images", "subpopulation", pick=pick)


def natural(later: Rows, n: int, most: int = 40) -> list[Drift]:
    """Return what really came after the reference, n rows at a time, in order."""
    return [
        Drift(f"later_{number:02}", NATURAL, batch=later.take(slice(number * n, (number + 1) * n)))
        for number in range(min(most, len(later) // n))
    ]


def _by_weight(weights: Floats, rows: Rows, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if len(weights) != len(rows):
        raise ValueError(f"{len(weights)} weights for {len(rows)} rows")
    return _weighted(weights, n, rng)


def _weighted(weights: Floats, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n rows in proportion to weights; with replacement, so that no weight is exhausted."""
    return rng.choice(len(weights), n, p=weights / weights.sum())


def _repeated(rows: Rows, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pick rows of which 30 % are the same twenty, as of a job that writes some again."""
    picked = rng.choice(len(rows), n, replace=False)
    few = rng.choice(picked, 20, replace=False)
    return np.where(rng.random(n) < 0.3, rng.choice(few, n), picked)
