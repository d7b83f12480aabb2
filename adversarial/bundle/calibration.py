"""What scored normal rows give a detector: its threshold, and the window batches are compared with.

Values and pure functions of score tables; no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from adversarial.bundle.runtime_sample import RuntimeSample
from adversarial.bundle.threshold import apply_threshold, threshold_from_scores

if TYPE_CHECKING:
    from adversarial.bundle.accuracy_estimator import AccuracyEstimator  # needs SciPy
    from adversarial.support.novelty import NoveltyIndex


@dataclass(frozen=True)
class Calibration:
    """Threshold and reference window of a detector, and what else is derived from that window.

    Without arguments it is that of an uncalibrated detector, which flags nothing.

    Attributes
    ----------
    threshold : float
        t in nats: a row is flagged where its score is above it.
    fpr : float, optional
        ε_FPR, the share of normal rows that the threshold was chosen to flag, between 0 and 1.
    reference : pyarrow.Table, optional
        The reference window: a score table of rows known to be good, with the columns of
        `adversarial.detector.detector.Prediction.to_table`.
    accuracy_estimator : AccuracyEstimator, optional
        Estimates from a row's outputs how likely its prediction is to be right.
    feature_quantiles : dict of str to list of float, optional
        Quantiles of each feature over the reference rows, at `QUANTILE_PROBABILITIES`, in the units
        that the classifier takes; for flat rows only.
    reference_inputs : pyarrow.Table, optional
        Columns, or descriptors of images, of the reference rows, as float32: what the inputs of a
        batch are compared with.
    novelty : NoveltyIndex, optional
        How far a row lies from those that the detector was calibrated on.
    sample : pyarrow.Table, optional
        Normal and damaged rows that batches are likened to (`adversarial.support.sample`).
    runtime_sample : RuntimeSample, optional
        Some of the reference rows with the models' outputs, by which a runtime is judged.
    created : datetime, optional
        When the reference window was scored, UTC.
    """

    threshold: float = math.inf
    fpr: float | None = None
    reference: pa.Table | None = None
    accuracy_estimator: AccuracyEstimator | None = None
    feature_quantiles: Mapping[str, Sequence[float]] | None = None
    reference_inputs: pa.Table | None = None
    novelty: NoveltyIndex | None = None
    sample: pa.Table | None = None
    runtime_sample: RuntimeSample | None = None
    created: datetime | None = None

    @classmethod
    def from_window(cls, window: pa.Table, fpr: float) -> Calibration:
        """Return the calibration derived from scored normal rows.

        Parameters
        ----------
        window : pyarrow.Table
            Score table of normal rows that the autoencoder was not trained on, like `reference`;
            what depends on the threshold is recomputed.
        fpr : float
            ε_FPR: at most this share of the rows is flagged.

        Raises
        ------
        ModelError
            If `fpr` is not between 0 and 1, or so small that none of these rows may be flagged.
        """
        threshold = threshold_from_scores(window["adversarial_score"].to_numpy(), fpr)
        return cls(threshold, fpr, apply_threshold(window, threshold))
