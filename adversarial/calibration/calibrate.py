"""From labelled normal rows to what tells the accuracy of others, and how far that can be told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.accuracy_estimator import ATTACKS, AccuracyEstimator
from adversarial.calibration.calibration_rows import ESTIMATOR_FAMILIES, Progress, calibration_rows
from adversarial.detector.detector import AdversarialDetector
from adversarial.support.novelty import Described, NoveltyIndex, RowDescription
from adversarial.support.sample import FEATURES, INPUTS, NORMAL, numbers, with_description

MAX_VALUES = 1 << 22
"""Values that a calibration sample keeps, at most: of wide rows, fewer of them."""


@dataclass(frozen=True)
class Calibrated:
    """What labelled normal rows give beside a threshold.

    Attributes
    ----------
    accuracy_estimator : AccuracyEstimator
        Estimates from a row's outputs how likely its prediction is right.
    novelty : NoveltyIndex
        How far a row lies from all of these.
    sample : pyarrow.Table
        Normal and damaged rows: their outputs, `inputs` and `features`, `label`, `family` and
        `severity`.
    """

    accuracy_estimator: AccuracyEstimator
    novelty: NoveltyIndex
    sample: pa.Table


def calibrate_support(
    detector: AdversarialDetector,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibrated:
    """Score labelled normal rows and damaged copies of them, and make of them what judges others.

    Parameters
    ----------
    detector : AdversarialDetector
        What scores them.
    x : (n, *input_shape) float32
        Normal rows that neither model was trained on, in the units the classifier takes; at least
        `adversarial.bundle.accuracy_estimator.MIN_ROWS`.
    y : (n,) int64
        Their true classes.
    seed : int
        Draws the damage, and which rows are held out.
    progress : callable, optional
        Called with the changed rows that are made and scored, and how many there will be.

    Raises
    ------
    ModelError
        If there are too few rows.
    """
    prediction = detector.predict(x)
    description = RowDescription.fit(x, prediction.features, detector.input_spec.value_range)
    names = pa.array(detector.class_names, pa.string())
    outputs = prediction.to_table(detector.class_names)
    outputs = outputs.append_column("label", names.take(pa.array(y)))
    # Where normal ends is told by normal rows that the index does not hold, nor copies of them.
    held_out = np.zeros(len(x), bool)
    held_out[np.random.default_rng(seed).permutation(len(x))[: len(x) // 2]] = True
    changed = calibration_rows(
        detector,
        x[~held_out],
        y[~held_out],
        seed=seed,
        description=description,
        progress=progress,
    )
    estimator = AccuracyEstimator.fit(
        outputs,
        changed.filter(pa.array(np.isin(np.asarray(changed["family"]), [*ESTIMATOR_FAMILIES]))),
        detector.class_names,
    )
    normal, damaged = description(x, prediction.features), _described(changed)
    novelty = NoveltyIndex.fit(
        description, normal.take(~held_out), damaged, normal.take(held_out), seed
    )
    # Small attacks look like small noise and do far more harm: an attack is told by its score, and
    # must not be what a noisy batch is likened to.
    noticed = ~np.isin(np.asarray(changed["family"]), ATTACKS)
    changed, damaged = changed.filter(pa.array(noticed)), damaged.take(noticed)
    outputs = outputs.append_column("family", pa.repeat(NORMAL, len(x)))
    outputs = outputs.append_column("severity", pa.repeat(0.0, len(x)))
    without = changed.drop_columns(
        [name for name in (INPUTS, FEATURES) if name in changed.column_names]
    )
    sample = pa.concat_tables(
        [
            with_description(outputs, novelty.principal(normal)),
            with_description(without, novelty.principal(damaged)),
        ],
        promote_options="default",
    )
    return Calibrated(estimator, novelty, _thinned(sample, len(x), seed))


def _described(table: pa.Table) -> Described:
    features = numbers(table, FEATURES) if FEATURES in table.column_names else None
    return Described(numbers(table, INPUTS), features)


def _thinned(sample: pa.Table, n_normal: int, seed: int) -> pa.Table:
    """Drop damaged rows at random where there are more values than a bundle should hold."""
    width = sample.schema.field(INPUTS).type.list_size
    most = max(MAX_VALUES // width, 2 * n_normal)
    if len(sample) <= most:
        return sample
    kept = np.random.default_rng(seed).permutation(len(sample) - n_normal)[: most - n_normal]
    return sample.take(pa.array(np.concatenate([np.arange(n_normal), n_normal + np.sort(kept)])))
