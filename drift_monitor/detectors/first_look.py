"""How well the classifier does on the reference rows, before anything is trained for it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import scipy
from numpy.typing import NDArray

from adversarial.errors import ModelError
from drift_monitor.batches.batch import Chunk
from drift_monitor.detectors.value_range import CANDIDATES, LARGEST_GAP, describe_range, predict
from drift_monitor.formatting import percent
from drift_monitor.stats.proportions import rate

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

Classes = NDArray[np.int64]
Probabilities = NDArray[np.float64]

MIN_LABELLED = 50
"""With fewer labelled rows, nothing is concluded."""
SMALL_GAP = 0.05
"""Accuracy closer to the mean confidence needs no cause; farther, it may be mere overconfidence."""
CLEAR_GAIN = 0.2
"""A change that raises accuracy by less does not explain why it is low."""
DISTINCT = 0.9
"""Share of distinct values in the label column from which it looks like ids."""
CLASSES_LISTED = 20
SAME_ANSWER = 1e-4
"""Probabilities that differ by less, over all rows, are one answer to all of them."""

UNITS = {
    "divided by 255": (1 / 255, 0.0),
    "multiplied by 255": (255.0, 0.0),
    "mapped from [0, 1] to [-1, 1]": (2.0, -1.0),
    "mapped from [-1, 1] to [0, 1]": (0.5, 0.5),
}
"""Other units in which floating-point rows may have been meant: scale and offset."""


@dataclass(frozen=True)
class Labelled:
    """Reference rows, and what is known of them.

    Attributes
    ----------
    x : (n, *input_shape) float32
        The rows, in the units the classifier takes.
    y : (n,) int64
        Their classes, −1 where there is no label.
    class_names : sequence of str
        In the order of the classifier's outputs.
    label : str or None
        The label column.
    value_range : (float, float)
        The rows' value range.
    is_bytes : bool
        Whether the rows are bytes that were scaled to it.
    chunks : sequence of Chunk
        The rows as they were read.
    """

    x: NDArray[np.float32]
    y: Classes
    class_names: Sequence[str]
    label: str | None
    value_range: tuple[float, float]
    is_bytes: bool
    chunks: Sequence[Chunk]


def look(classifier: "keras.Model", rows: Labelled, *, force: bool = False) -> None:
    """Say how accurate and how confident the classifier is on reference rows.

    Parameters
    ----------
    classifier : keras.Model
        M.
    rows : Labelled
        Reference rows.
    force : bool
        Go on where the accuracy shows that something is wrong: warn and do not raise.

    Raises
    ------
    ModelError
        If the classifier gives all rows the same answer; or if accuracy is below the share of the
        largest class, far below the mean confidence, or below it for a cause that was found; names
        the causes that can be told.
    """
    p = predict(classifier, rows.x)
    if len(p) >= MIN_LABELLED and np.ptp(p, axis=0).max() < SAME_ANSWER:
        _refuse(
            "the classifier answers all reference rows alike, with "
            f"{rows.class_names[p[0].argmax()]!r} at {percent(float(p[0].max()))}",
            ["check that its file is the trained model, and that the rows are in its units"],
            force=force,
        )
    known = rows.y >= 0
    confidence = float(p.max(axis=1).mean())
    n = int(known.sum())
    found = rate(int((p[known].argmax(axis=1) == rows.y[known]).sum()), n)
    if found is None:
        largest = np.bincount(p.argmax(axis=1), minlength=p.shape[1]).max() / len(p)
        logger.info(
            "The classifier on %d reference rows: mean confidence %s; it predicts one class for %s "
            "of them. Without labels its accuracy is not known",
            len(p),
            percent(confidence),
            percent(float(largest)),
        )
        return
    majority = float(np.bincount(rows.y[known]).max() / n)
    text = (
        f"accuracy {percent(found.rate)} on {n:,} labelled reference rows ({percent(found.low)} to "
        f"{percent(found.high)}), mean confidence {percent(confidence)}, largest class "
        f"{percent(majority)}"
    )
    logger.info("The classifier: %s", text)
    too_low = found.high < majority or found.high < confidence - LARGEST_GAP
    if n < MIN_LABELLED or not (too_low or found.high < confidence - SMALL_GAP):
        return
    causes = find_causes(classifier, rows, p, found.rate)
    if not (too_low or causes):
        return
    causes = causes or [
        "check that the label column belongs to these rows, the order of --input columns, and "
        "whether the classifier was trained on rows like these"
    ]
    _refuse(f"the classifier does not fit the rows: {text}", causes, force=force)


def _refuse(finding: str, causes: Sequence[str], *, force: bool) -> None:
    message = (
        f"{finding}. A detector of it would be worth nothing; {'; '.join(causes)}. --force goes on "
        "all the same"
    )
    if not force:
        raise ModelError(message)
    logger.warning("%s", message)


def find_causes(
    classifier: "keras.Model", rows: Labelled, p: Probabilities, accuracy: float
) -> list[str]:
    """Return what would explain a low accuracy, as far as it can be tried out."""
    return [
        *_wrong_labels(rows),
        *_wrong_order(rows, p, accuracy),
        *_wrong_units(classifier, rows, accuracy),
    ]


def best_order(y: Classes, predicted: Classes, n_classes: int) -> tuple[Classes, float]:
    """Return which label goes best with each output, and the accuracy that this gives.

    It is chosen on one half of the rows, and its accuracy is that on the other: with many classes,
    some order always seems to fit.

    Examples
    --------
    >>> order, accuracy = best_order(np.arange(60) % 3, (np.arange(60) + 1) % 3, 3)
    >>> order.tolist(), accuracy
    ([2, 0, 1], 1.0)
    """
    counts = np.zeros((n_classes, n_classes), np.int64)
    one, other = np.array_split(np.random.default_rng(0).permutation(len(y)), 2)
    np.add.at(counts, (predicted[one], y[one]), 1)
    _, label_of = scipy.optimize.linear_sum_assignment(counts, maximize=True)
    return label_of, float((label_of[predicted[other]] == y[other]).mean())


def _wrong_labels(rows: Labelled) -> list[str]:
    """Return why the label column may be the wrong one."""
    known = rows.y[rows.y >= 0]
    if (known == known[0]).all():
        return [
            f"every row has the same label, {rows.class_names[known[0]]!r}: name the right column "
            "with --label, or give rows of all classes"
        ]
    label = rows.label
    columns = [chunk.columns[label] for chunk in rows.chunks] if label else []
    n = sum(len(column) for column in columns)
    distinct = len({value for column in columns for value in pc.unique(column).to_pylist()})
    if distinct >= DISTINCT * n:
        return [
            f"column {label!r} has {distinct:,} different values in {n:,} rows, as ids have: name "
            "the right column with --label"
        ]
    return []


def _wrong_order(rows: Labelled, p: Probabilities, accuracy: float) -> list[str]:
    """Return in which order the classes would fit."""
    known = rows.y >= 0
    order, fitting = best_order(rows.y[known], p[known].argmax(axis=1), p.shape[1])
    majority = float(np.bincount(rows.y[known]).max() / known.sum())
    if fitting < max(accuracy + CLEAR_GAIN, majority):
        return []
    moved = [(output, int(label)) for output, label in enumerate(order) if output != label]
    names = rows.class_names
    if len(names) <= CLASSES_LISTED:
        way = f"--class-names {','.join(names[label] for label in order)}"
    else:
        pairs = [f"output {output} is {names[label]!r}" for output, label in moved[:CLASSES_LISTED]]
        way = f"other places for {len(moved)} classes ({', '.join(pairs)})"
    return [
        f"the classes are in another order: with {way} accuracy would be {percent(fitting)} "
        "(where labels are numbers, number them as the classifier's outputs instead)"
    ]


def _wrong_units(classifier: "keras.Model", rows: Labelled, accuracy: float) -> list[str]:
    """Return in which units the rows would fit."""
    if rows.x.ndim != 4 and not rows.is_bytes:
        return []
    known = rows.y >= 0
    x, y = rows.x[known], rows.y[known]
    if rows.is_bytes:
        low, high = rows.value_range
        unit = (x - low) / (high - low)
        tried = {
            f"--value-range {a:g} {b:g}": a + unit * (b - a)
            for a, b in CANDIDATES
            if (a, b) != rows.value_range
        }
    else:
        tried = {f"rows {how}": x * scale + offset for how, (scale, offset) in UNITS.items()}
    found = {
        way: float((predict(classifier, np.asarray(z, np.float32)).argmax(axis=1) == y).mean())
        for way, z in tried.items()
    }
    way = max(found, key=lambda name: found[name])
    if found[way] < accuracy + CLEAR_GAIN:
        return []
    return [
        f"the values are in other units: with {way} accuracy would be {percent(found[way])} (now "
        f"{describe_range(rows.value_range)})"
    ]
