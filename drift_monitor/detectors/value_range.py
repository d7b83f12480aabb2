"""Which values the classifier takes: what the bytes of an image become in its input."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import scipy
from numpy.typing import NDArray

from drift_monitor.batches.decoding import is_image, numbers_in
from drift_monitor.batches.parquet_files import find_files
from drift_monitor.batches.sources import ParquetSource
from drift_monitor.config import DataConfig

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

Rows = NDArray[np.float32]
ValueRange = tuple[float, float]

CANDIDATES: tuple[ValueRange, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
UNIT = CANDIDATES[0]
ROWS_TRIED = 1_000
MIN_LABELLED = 30
"""With fewer labelled rows, labels do not choose."""
BLIND = 0.2
"""A classifier whose predictions tell less of the row, as a share of what they could, is blind."""
SEEING = 0.5
"""One whose predictions tell more is not."""
UNCHANGING = {"InputLayer", "Identity", "Reshape", "Dropout"}
"""Layers that pass on the values they are given, as do those that augment images (Random…)."""
LEAST_PROBABILITY = 1e-7
LEAST_VARIANCE = 0.01
"""Of one right or wrong prediction, however few are wrong."""
LARGEST_GAP = 0.3
"""Accuracy and confidence so far apart do not belong together."""
LEAST_FILLED = 0.05
"""Values that span a smaller part of a range are not of this range."""


@dataclass(frozen=True)
class Trial:
    """What a classifier makes of rows in one value range.

    Attributes
    ----------
    value_range : (float, float)
        The range.
    confidence : float
        Mean of the largest probability.
    information : float
        Mutual information of row and prediction, as a share of the logarithm of the classes: 0
        where every row has the same prediction, 1 where they are certain and spread evenly.
    accuracy, in_any_order : float or None
        Accuracy where enough rows have labels, and that with the classes in the best order.
    """

    value_range: ValueRange
    confidence: float
    information: float
    accuracy: float | None
    in_any_order: float | None

    @property
    def words(self) -> str:
        """The trial in a few words."""
        text = f"{describe_range(self.value_range)}: confidence {self.confidence:.1%}"
        return text if self.accuracy is None else f"{text}, accuracy {self.accuracy:.1%}"


def holds_bytes(data: DataConfig) -> bool:
    """Whether rows are bytes, which are scaled to the value range: image files, or uint8 tensors.

    The first file decides.
    """
    kind = ParquetSource(find_files(data.path)[0]).schema.field(data.input_columns[0]).type
    number = numbers_in(kind)
    return is_image(kind) if number is None else bool(pa.types.is_uint8(number))


def choose_value_range(
    classifier: "keras.Model", x: Rows, y: NDArray[np.int64], *, is_bytes: bool
) -> ValueRange:
    """Choose the value range of rows, and say in the log why.

    Bytes are tried in each candidate range. Where there are labels, the range with the highest
    accuracy is chosen. A classifier that bears being scaled is as accurate in several ranges, but
    in the larger ones it is more confident than it can know: of those that are equal within
    sampling error, the one that its first layer expects is chosen, if that scales its input, else
    the first in which its confidence is not far below its accuracy. Without labels, its first layer
    decides; where that does not scale, it is [0, 1], unless predictions tell nothing of the rows
    there.

    Parameters
    ----------
    classifier : keras.Model
        M.
    x : (n, *input_shape) float32
        Rows; bytes as values in [0, 1].
    y : (n,) int64
        Their classes, −1 where there is no label.
    is_bytes : bool
        Whether they are bytes. Else the values themselves say which range they are in.
    """
    if not is_bytes:
        return UNIT if x.ndim == 2 else _range_of(x)
    trials = [try_range(classifier, x, y, value_range) for value_range in CANDIDATES]
    own = own_range(classifier, x)
    equal = _most_accurate(trials, int((y >= 0).sum()))
    if len(equal) == 1:
        chosen, why = equal[0], "by accuracy"
    elif own in [trial.value_range for trial in equal or trials]:
        chosen, why = trials[CANDIDATES.index(own or UNIT)], "by the classifier's first layer"
    elif equal:
        sure = [t for t in equal if t.confidence > (t.accuracy or 0) - LARGEST_GAP]
        chosen, why = (sure or equal)[0], "by accuracy and confidence"
    else:
        chosen, why = _by_information(trials), "by confidence, as there are no labels"
    logger.info(
        "Bytes become values of %s, chosen %s (--value-range overrides it). Tried %s",
        describe_range(chosen.value_range),
        why,
        "; ".join(trial.words for trial in trials),
    )
    return chosen.value_range


def try_range(
    classifier: "keras.Model", x: Rows, y: NDArray[np.int64], value_range: ValueRange
) -> Trial:
    """Return what a classifier makes of rows in [0, 1] that are scaled to a range."""
    from adversarial.statistics import entropy  # needs SciPy's statistics, slow to import

    low, high = value_range
    p = predict(classifier, low + x * np.float32(high - low))
    together, alone = entropy(p.mean(axis=0, keepdims=True)), entropy(p)
    information = float(together[0] - alone.mean())
    known = y >= 0
    accuracy = in_any_order = None
    if known.sum() >= MIN_LABELLED:
        predicted = p[known].argmax(axis=1)
        accuracy = float((predicted == y[known]).mean())
        in_any_order = _accuracy_in_any_order(y[known], predicted, p.shape[1])
    share = information / math.log(p.shape[1])
    return Trial(value_range, float(p.max(axis=1).mean()), share, accuracy, in_any_order)


def in_range(x: Rows, value_range: ValueRange) -> Rows:
    """Return rows of bytes as values in [0, 1], as decoding gives them in another range."""
    low, high = value_range
    if value_range == UNIT:
        return x
    pixels = np.rint(x * 255)
    scaled: Rows = np.multiply(pixels, (high - low) / 255, dtype=np.float32)
    return scaled + np.float32(low) if low else scaled


def own_range(classifier: "keras.Model", x: Rows) -> ValueRange | None:
    """Return the range that the classifier's own scaling expects, or None if it has none.

    Rescaling must lead to values that fill [0, 1] or [−1, 1], Normalization to values of mean 0 and
    variance 1.

    Parameters
    ----------
    classifier : keras.Model
        M.
    x : (n, *input_shape) float32
        Rows of bytes as values in [0, 1].
    """
    import keras

    layer = next(_first_layers(classifier.layers), None)
    if isinstance(layer, keras.layers.Rescaling):
        misfit, limit = _misfit_of_ends, 0.1
    elif isinstance(layer, keras.layers.Normalization):
        misfit, limit = _misfit_of_moments, 2.0
    else:
        return None
    found = {c: misfit(layer, x, c) for c in CANDIDATES}
    best = min(found, key=lambda candidate: found[candidate])
    return best if found[best] < limit else None


def _misfit_of_ends(layer: Any, x: Rows, value_range: ValueRange) -> float:
    ends = np.stack([np.full(x.shape[1:], end, np.float32) for end in value_range])
    bottom, top = (float(row.mean()) for row in np.asarray(layer(ends)))
    return min(abs(bottom - first) + abs(top - 1) for first in (0.0, -1.0))


def _misfit_of_moments(layer: Any, x: Rows, value_range: ValueRange) -> float:
    low, high = value_range
    z = np.asarray(layer(low + x * np.float32(high - low)), np.float64)
    return float(abs(z.mean()) + abs(math.log(max(z.std(), LEAST_PROBABILITY))))


def predict(classifier: "keras.Model", x: Rows) -> NDArray[np.float64]:
    """Return M(x), in batches."""
    parts = [
        np.asarray(classifier(x[start : start + 256], training=False), np.float64)
        for start in range(0, len(x), 256)
    ]
    return np.concatenate(parts)


def describe_range(value_range: ValueRange) -> str:
    """Return a range as it is written: [0, 255]."""
    return f"[{value_range[0]:g}, {value_range[1]:g}]"


def _most_accurate(trials: Sequence[Trial], n_labelled: int) -> list[Trial]:
    """Return the trials with the highest accuracy within sampling error; none without labels.

    Where no range fits the classes in their order, that of the classes is the first to be put
    right: the range is then chosen by the accuracy in the best order.
    """
    accuracies = [t.accuracy for t in trials if t.accuracy is not None]
    in_any_order = [t.in_any_order for t in trials if t.in_any_order is not None]
    if not accuracies:
        return []
    if max(accuracies) < max(in_any_order) - LARGEST_GAP:
        accuracies = in_any_order
    best = max(accuracies)
    error = 2 * math.sqrt(max(best * (1 - best), LEAST_VARIANCE) / n_labelled)
    return [t for t, found in zip(trials, accuracies, strict=True) if found >= best - error]


def _accuracy_in_any_order(
    y: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> float:

    counts = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(counts, (predicted, y), 1)
    return float(counts[scipy.optimize.linear_sum_assignment(counts, maximize=True)].sum() / len(y))


def _by_information(trials: Sequence[Trial]) -> Trial:
    """Return [0, 1] unless the classifier is blind in it, and sees in another."""
    first, *others = trials
    best = max(others, key=lambda trial: trial.information)
    return best if first.information < BLIND and best.information > SEEING else first


def _range_of(x: Rows) -> ValueRange:
    """Return the first candidate that holds all values, or else their own range."""
    low, high = float(x.min()), float(x.max())
    for first, last in CANDIDATES:
        if first <= low and high <= last and high - low > LEAST_FILLED * (last - first):
            return first, last
    return math.floor(low), max(math.ceil(high), math.floor(low) + 1)


def _first_layers(layers: Sequence[Any]) -> Iterator[Any]:
    """Yield the layers that follow the input, those of a nested model in its place."""
    for layer in layers:
        name = layer.__class__.__name__
        if name in UNCHANGING or name.startswith("Random"):
            continue
        inner = getattr(layer, "layers", None)
        if inner:
            yield from _first_layers(inner)
        else:
            yield layer
