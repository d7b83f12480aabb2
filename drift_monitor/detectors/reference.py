"""The reference window of a detector bundle: score it, set a threshold by it, replace it."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import (
    ACCURACY,
    FEATURE_QUANTILES,
    NOVELTY,
    QUANTILE_PROBABILITIES,
    REFERENCE,
    REFERENCE_INPUTS,
    RUNTIME_SAMPLE,
    SAMPLE,
    SCORING_GRAPH,
    SCORING_GRAPH_WEIGHTS,
    BundleError,
    InputSpec,
)
from adversarial.bundle.read import bundle_lock, read_bundle
from adversarial.bundle.threshold import check_fpr
from adversarial.bundle.write import check_replaceable, rewrite_bundle, write_calibration
from adversarial.extras import require_training
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.normal_rows import read_normal_rows, true_classes
from drift_monitor.config import DataConfig
from drift_monitor.results.score_columns import IDENTITY, ScoreColumn, without_columns
from drift_monitor.scoring.input_columns import reference_inputs
from drift_monitor.scoring.score_table import score_chunk

if TYPE_CHECKING:
    from adversarial.calibration.calibration_rows import Progress
    from adversarial.detector.detector import AdversarialDetector

logger = logging.getLogger(__name__)

DEFAULT_FPR = 0.05

RENEWED = frozenset(
    {
        *(REFERENCE, ACCURACY, FEATURE_QUANTILES, REFERENCE_INPUTS, NOVELTY, SAMPLE),
        *(RUNTIME_SAMPLE, SCORING_GRAPH, SCORING_GRAPH_WEIGHTS),
    }
)
"""Files of a bundle that are made again with its reference window."""


@dataclass(frozen=True)
class CalibrationSettings:
    """What is made of reference rows.

    Parameters
    ----------
    fpr : float, optional
        ε_FPR: the share of the rows that the threshold flags. When not given, that of the detector
        they are for; 0.05 if it has none yet.
    accuracy : bool
        Fit the estimator of accuracy without labels; needs labels of these rows.
    seed : int
        Seed for what is drawn for the estimator.
    score_temperature : float, optional
        T at which the score compares the two predictions. When not given, that of the detector they
        are for, which is 1, the paper's, where it has none yet.
    runtime_sample : bool
        Keep some of the rows in the bundle, by which the job judges what it scores with. Without
        them, batches are scored in float32 and nothing is checked.
    progress : callable, optional
        Called before rows are changed for the estimator. Returns a context manager that gives what
        is told of the rows that are made and scored; it is left when all are.
    """

    fpr: float | None = None
    accuracy: bool = True
    seed: int = 0
    score_temperature: float | None = None
    runtime_sample: bool = True
    progress: "Callable[[], AbstractContextManager[Progress]] | None" = None

    def fpr_or(self, present: float | None) -> float:
        """Return the ε_FPR asked for, else a detector's present one, else 0.05."""
        return next(fpr for fpr in (self.fpr, present, DEFAULT_FPR) if fpr is not None)


def score_reference(
    detector: "AdversarialDetector", chunks: Sequence[Chunk], data: DataConfig
) -> pa.Table:
    """Return the reference window: the score table of its rows without their identity.

    Parameters
    ----------
    detector : AdversarialDetector
        Its threshold decides `flagged`.
    chunks : sequence of Chunk
        The rows, known to be good.
    data : DataConfig
        What their columns mean.
    """
    table = pa.concat_tables([score_chunk(detector, chunk, data) for chunk in chunks])
    return without_columns(table, IDENTITY)


def calibrate(
    detector: "AdversarialDetector",
    chunks: Sequence[Chunk],
    data: DataConfig,
    settings: CalibrationSettings,
) -> Calibration:
    """Score normal rows, and make everything that a detector takes from them.

    That is the threshold, the reference window, the accuracy estimator where there are enough
    labels, the quantiles of flat rows' features, and the time. If the estimator cannot be made, the
    log says why.

    Parameters
    ----------
    detector : AdversarialDetector
        Scores them; its own calibration gives the ε_FPR if the settings have none.
    chunks : sequence of Chunk
        Rows known to be good, which neither model was trained on.
    data : DataConfig
        What their columns mean.
    settings : CalibrationSettings
        What to make of them.

    Raises
    ------
    ModelError
        If there are too few rows for the ε_FPR.
    """
    window = score_reference(detector, chunks, data)
    calibration = Calibration.from_window(window, settings.fpr_or(detector.calibration.fpr))
    from adversarial.detector.guard import take_sample

    x = np.concatenate([chunk.x for chunk in chunks])
    if settings.accuracy:
        y = true_classes(chunks, data, detector.class_names)
        calibration = _with_support(calibration, detector, x, y, settings)
    return replace(
        calibration,
        runtime_sample=take_sample(detector, x) if settings.runtime_sample else None,
        feature_quantiles=feature_quantiles(x, detector.input_spec),
        reference_inputs=reference_inputs(chunks, detector.input_spec),
        created=datetime.now(UTC),
    )


def _with_support(
    calibration: Calibration,
    detector: "AdversarialDetector",
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    settings: CalibrationSettings,
) -> Calibration:
    """Add what tells accuracy, and how far it can be told, where there are labels enough."""
    from adversarial.bundle.accuracy_estimator import MIN_ROWS
    from adversarial.calibration.calibrate import calibrate_support

    labelled = y >= 0
    n_clean = int(labelled.sum())
    if n_clean < MIN_ROWS:
        logger.warning(
            "No accuracy estimator: estimated accuracy needs labels of at least %d reference rows, "
            "and %d have one (--label names their column)",
            MIN_ROWS,
            n_clean,
        )
        return calibration
    with settings.progress() if settings.progress else nullcontext() as progress:
        support = calibrate_support(detector, x[labelled], y[labelled], settings.seed, progress)
    logger.info(
        "Accuracy estimator: fitted on %d normal rows and %d changed ones",
        n_clean,
        support.accuracy_estimator.n_changed,
    )
    return replace(
        calibration,
        accuracy_estimator=support.accuracy_estimator,
        novelty=support.novelty,
        sample=support.sample,
    )


def renew_reference(
    path: Path,
    data: DataConfig,
    settings: CalibrationSettings | None = None,
    *,
    output: Path | None = None,
    trust: Sequence[str] = (),
) -> Path:
    """Give a detector bundle a new reference window. The models are run and copied, not trained.

    Parameters
    ----------
    path : Path
        The bundle.
    data : DataConfig
        Normal rows (`data.path`) and their columns.
    settings : CalibrationSettings, optional
        What to make of the rows. The ε_FPR is the bundle's own when not given.
    output : Path, optional
        As in `rethreshold`.
    trust : sequence of str
        Opt-ins that the classifier needs.

    Returns
    -------
    Path
        The new bundle.

    Raises
    ------
    DriftMonitorError
        If the bundle is missing or altered, its models cannot be loaded, `output` is something
        other than a bundle, or the rows cannot be read or are too few.
    """
    check_replaceable((output or path).resolve())
    require_training("drift-monitor reference")
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.detector.saving import add_scoring_graph

    settings = settings or CalibrationSettings()
    with bundle_lock(path):
        bundle = read_bundle(path)
        detector = AdversarialDetector.load(bundle, trust)
    detector = detector.replace(score_temperature=settings.score_temperature)
    chunks = read_normal_rows(data, bundle.manifest.input)
    true_classes(chunks, data, bundle.manifest.class_names)
    n_rows = sum(len(chunk.x) for chunk in chunks)
    check_fpr(settings.fpr_or(bundle.manifest.fpr), n_rows)
    calibration = calibrate(detector, chunks, data, settings)

    def fill(directory: Path) -> None:
        write_calibration(directory, calibration)
        add_scoring_graph(directory, detector)

    rewrite_bundle(
        bundle,
        output or path,
        replaced=RENEWED,
        fill=fill,
        threshold=calibration.threshold,
        fpr=calibration.fpr,
        score_temperature=detector.score_temperature,
        reference_created=calibration.created,
        training=bundle.manifest.training | {"reference_rows": n_rows, "reference": "given"},
    )
    return output or path


def rethreshold(path: Path, fpr: float, output: Path | None = None) -> Path:
    """Give a detector bundle the threshold of another ε_FPR. The models are copied, not loaded.

    Parameters
    ----------
    path : Path
        The bundle.
    fpr : float
        ε_FPR: the share of the bundle's reference window to flag.
    output : Path, optional
        Directory of the new bundle. When not given, `path` itself, which is replaced whole or not
        at all.

    Returns
    -------
    Path
        The new bundle.

    Raises
    ------
    BundleError
        If the bundle is missing, altered or from before reference windows could be given another
        threshold, or `output` is something other than a bundle.
    ModelError
        If the reference window has too few rows for `fpr`.
    """
    bundle = read_bundle(path)
    window = bundle.reference()
    if ScoreColumn.RECONSTRUCTION_PREDICTION not in window.column_names:
        raise BundleError(
            f"{path / REFERENCE} has no column 'reconstruction_prediction', which is needed to "
            "flag rows that were not flagged before: the bundle is of an older version; make it "
            "again with 'drift-monitor fit'"
        )
    calibration = Calibration.from_window(window, fpr)
    rewrite_bundle(
        bundle,
        output or path,
        replaced=frozenset({REFERENCE}),
        fill=partial(write_calibration, calibration=calibration),
        threshold=calibration.threshold,
        fpr=fpr,
    )
    return output or path


def feature_quantiles(x: NDArray[np.float32], spec: InputSpec) -> dict[str, list[float]] | None:
    """Return the quantiles of each feature at `QUANTILE_PROBABILITIES`, or None for images.

    Parameters
    ----------
    x : (n, *input_shape) float32
        Reference rows, in the units the classifier takes.
    spec : InputSpec
        Names the features; where it has no names they are called "0", "1", ….

    Examples
    --------
    >>> found = feature_quantiles(np.float32([[0], [1], [3]]), InputSpec(shape=(1,)))
    >>> len(found["0"]), found["0"][0], found["0"][50], found["0"][100]
    (101, 0.0, 1.0, 3.0)
    """
    if len(spec.shape) != 1:
        return None
    names = spec.feature_names or [str(number) for number in range(spec.shape[0])]
    quantiles = np.quantile(x.astype(np.float64), QUANTILE_PROBABILITIES, axis=0)
    return dict(zip(names, quantiles.T.tolist(), strict=True))
