"""How well a new detector tells harm: its power against noise that costs some accuracy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drift_monitor.analysis.accuracy import Unlabelled
from drift_monitor.analysis.support import find_support, novel_excess, with_novel_rows
from drift_monitor.config import Policy
from drift_monitor.detectors.harm_power import Estimated, HarmPower
from drift_monitor.detectors.value_range import predict
from drift_monitor.formatting import percent
from drift_monitor.results.score_columns import ScoreColumn
from drift_monitor.scoring.row_sample import RowSample
from drift_monitor.scoring.scored_rows import ScoredRows

if TYPE_CHECKING:
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.detector.scorer import Prediction

Rows = NDArray[np.float32]

ROWS = 1_000
"""Held-out rows at most, on which it is measured."""
MIN_ROWS = 100
LOSS = 0.05
"""Accuracy that the drift costs."""
ROWS_TRIED = 300
"""Rows on which the strength of the noise is found; large classifiers take their time."""
STEPS = 6
"""Bisections of the noise's strength, between none and twice each value's standard deviation."""
BATCH_ROWS = 5_000
"""Rows of the batch for which the power is given."""
MARGIN = Policy().harm_margin
TARGET = 0.8
"""Power from which nothing need be improved."""
FALLING = 0.02
"""Relative fall of the validation loss in the last epoch from which more epochs would help."""
OVERFIT = 1.3
"""Validation loss over training loss from which more rows would help."""


@dataclass(frozen=True)
class Power:
    """How often noise that takes about five points of accuracy is called harm.

    Attributes
    ----------
    noise : float
        Standard deviation of the noise, in standard deviations of each value.
    lost : float
        Accuracy that it takes; without labels, the share of predictions that it changes.
    labelled : bool
        Whether the accuracy is by labels.
    harm_rate, harm_rate_normal : float
        Share of harmful rows by the detector, with noise and without.
    power : float
        Chance that a batch of 5,000 rows with this noise is called harmful without labels, at the
        default policy: by the detector's rate, or by the upper bound of the estimated accuracy.
    power_of_rate : float
        The same by the detector's rate alone.
    rows_needed : int or None
        Rows that a batch must have for a chance of 80 %; None where no number is enough.
    """

    noise: float
    lost: float
    labelled: bool
    harm_rate: float
    harm_rate_normal: float
    power: float
    power_of_rate: float
    rows_needed: int | None

    def describe(self) -> str:
        """Return the finding in two sentences."""
        what = "takes {} of accuracy" if self.labelled else "changes {} of predictions"
        needed = (
            f"in {TARGET:.0%} from {self.rows_needed:,} rows on"
            if self.rows_needed
            else "more rows would not help"
        )
        return (
            f"Noise that {what.format(percent(self.lost))} brings the detector's harm rate from "
            f"{percent(self.harm_rate_normal)} to {percent(self.harm_rate)}. Without labels, a "
            f"batch of {BATCH_ROWS:,} such rows is called harmful in {self.power:.0%} of cases (by "
            f"this rate alone in {self.power_of_rate:.0%}); {needed}."
        )

    def summary(self) -> dict[str, Any]:
        """Return the finding for a bundle's summary of the training."""
        return asdict(self)


def measure_power(
    detector: "AdversarialDetector",
    x: Rows,
    y: NDArray[np.int64],
    n_reference: int,
    seed: int = 0,
) -> Power | None:
    """Measure a detector on rows that it was not trained on, with noise and without.

    Parameters
    ----------
    detector : AdversarialDetector
        With its threshold.
    x : (n, *input_shape) float32
        Normal rows; at most 1,000 of them, drawn by the seed, are used.
    y : (n,) int64
        Their classes, −1 where there is no label. If few have one, M(x) stands for them.
    n_reference : int
        Rows of the detector's reference window.
    seed : int
        Seed of draw and noise.

    Returns
    -------
    Power or None
        None where there are too few rows, or no noise takes so much accuracy.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(x))[:ROWS]
    labelled = int((y[chosen] >= 0).sum()) >= MIN_ROWS
    if labelled:
        chosen = chosen[y[chosen] >= 0]
    if len(chosen) < MIN_ROWS:
        return None
    x = x[chosen]
    own = predict(detector.classifier, x).argmax(axis=1)
    true = y[chosen] if labelled else own
    noise = (rng.standard_normal(x.shape) * x.std(axis=0)).astype(np.float32)
    low, high = (-math.inf, math.inf) if x.ndim == 2 else detector.input_spec.value_range

    def noisy(strength: float, n: int = ROWS) -> Rows:
        moved: Rows = np.clip(x[:n] + np.float32(strength) * noise[:n], low, high)
        return moved

    def lost(strength: float, n: int = ROWS) -> float:
        found = predict(detector.classifier, noisy(strength, n)).argmax(axis=1)
        return float((own[:n] == true[:n]).mean() - (found == true[:n]).mean())

    strengths = [0.0, 2.0]
    if lost(strengths[1], ROWS_TRIED) < LOSS:
        return None
    for _ in range(STEPS):
        middle = sum(strengths) / 2
        strengths[int(lost(middle, ROWS_TRIED) >= LOSS)] = middle
    strength = strengths[1]
    normal_rate = float(_harmful(detector.predict(x)).mean())
    moved = noisy(strength)
    found = detector.predict(moved)
    harmful = _harmful(found)
    power = HarmPower(harmful, normal_rate, n_reference, _estimated(detector, moved, found))
    return Power(
        strength,
        lost(strength),
        labelled,
        float(harmful.mean()),
        normal_rate,
        power.at(BATCH_ROWS),
        power.of_rate(BATCH_ROWS),
        power.rows_needed(TARGET),
    )


def advice(power: Power, summary: Mapping[str, Any]) -> str | None:
    """Return what would make a detector better, by the losses of its training; None if it is good.

    Parameters
    ----------
    power : Power
        What was measured.
    summary : mapping
        `loss` and `val_loss` of the run, in one or more `runs`.
    """
    if power.power >= TARGET:
        return None
    if power.rows_needed is None and power.harm_rate > power.harm_rate_normal + MARGIN:
        return "more reference rows (--reference-data): the harm rate of these is too uncertain"
    run = summary["runs"][0] if "runs" in summary else summary
    loss: Sequence[float] = run.get("loss", [])
    validation: Sequence[float] = run.get("val_loss", [])
    if len(validation) > 1 and validation[-1] < validation[-2] * (1 - FALLING):
        fall = 1 - validation[-1] / validation[-2]
        return f"more --epochs: the validation loss still fell by {percent(fall)} in the last one"
    if len(validation) == 1:
        return "more --epochs: one is rarely enough"
    if validation and validation[-1] > OVERFIT * loss[-1]:
        return (
            "more training rows (of images also --shift and --flip): the validation loss is "
            f"{validation[-1] / loss[-1]:.1f} times that of the training rows"
        )
    return "a wider bottleneck (--latent-dim), or sharper targets (--temperature auto)"


def _harmful(found: "Prediction") -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = found.flagged & (
        found.prediction != found.reconstruction_prediction
    )
    return result


def _estimated(detector: "AdversarialDetector", x: Rows, found: "Prediction") -> Estimated | None:
    """Return what a verdict would say of rows by the estimate of accuracy, if there is one."""
    from adversarial.calibration.closer_rows import closer_rows

    given, names = detector.calibration, detector.class_names
    estimator, index, reference = given.accuracy_estimator, given.novelty, given.reference
    if estimator is None or index is None or reference is None:
        return None
    described = index.description(x, found.features)
    table = found.to_table(names)
    table = table.append_column(ScoreColumn.NOVEL, pa.array(index.novelty(described) > 1))
    sample = RowSample()
    sample.add(0, table, index.principal(described))
    support = with_novel_rows(
        find_support(sample, given, names, partial(closer_rows, detector)),
        ScoredRows.of(table, names, ()),
        (index.n_novel, index.n_held_out),
        Policy().alpha,
    )
    return Estimated(
        estimator.predict(table)[0],
        estimator.predict(reference)[0],
        estimator,
        Unlabelled(support, novel_excess(support), 0.0),
    )
