"""The reference window in a detector bundle: scored, thresholded, replaced without training."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.bundle.manifest import (
    ACCURACY,
    FEATURE_QUANTILES,
    QUANTILE_PROBABILITIES,
    REFERENCE,
    BundleError,
    InputSpec,
)
from adversarial.bundle.read import bundle_lock, read_bundle
from adversarial.bundle.threshold import apply_threshold, check_fpr, threshold_from_scores
from adversarial.bundle.write import check_replaceable, rewrite_bundle, write_reference
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.normal_rows import read_normal_rows, true_classes
from drift_monitor.config import DataConfig
from drift_monitor.results.score_columns import IDENTITY, ScoreColumn, without_columns
from drift_monitor.scoring.score_table import score_chunk

if TYPE_CHECKING:
    from adversarial.bundle.accuracy_estimator import AccuracyEstimator
    from adversarial.detector.detector import AdversarialDetector

logger = logging.getLogger(__name__)


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


def set_reference(
    detector: "AdversarialDetector",
    chunks: Sequence[Chunk],
    data: DataConfig,
    fpr: float,
    *,
    accuracy: bool = True,
    seed: int = 0,
) -> None:
    """Give a detector a reference window, and all that is made of it.

    That is the threshold, the accuracy estimator where there are labels enough, the quantiles of
    flat rows' features, and the time. One that cannot be made is a line in the log, with the
    reason.

    Parameters
    ----------
    detector : AdversarialDetector
        Is changed.
    chunks : sequence of Chunk
        Rows known to be good, which neither model was trained on.
    data : DataConfig
        What their columns mean.
    fpr : float
        ε_FPR: the share of the rows to flag.
    accuracy : bool
        Whether to fit an accuracy estimator.
    seed : int
        Of what is drawn for the estimator.

    Raises
    ------
    ModelError
        If there are too few rows for `fpr`.
    """
    window = score_reference(detector, chunks, data)
    detector.calibrate(window, fpr)
    x = np.concatenate([chunk.x for chunk in chunks])
    detector.feature_quantiles = feature_quantiles(x, detector.input_spec)
    detector.accuracy_estimator = None
    if accuracy:
        y = true_classes(chunks, data, detector.class_names)
        detector.accuracy_estimator = _fit_accuracy_estimator(detector, window, x, y, seed)
    detector.reference_created = datetime.now(UTC)


def _fit_accuracy_estimator(
    detector: "AdversarialDetector",
    window: pa.Table,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    seed: int,
) -> "AccuracyEstimator | None":
    from adversarial.bundle.accuracy_estimator import MIN_ROWS, AccuracyEstimator
    from adversarial.training.accuracy_rows import calibration_rows

    labelled = y >= 0
    n_clean = int(labelled.sum())
    if n_clean < MIN_ROWS:
        logger.warning(
            "No accuracy estimator: estimated accuracy needs labels of at least %d reference rows, "
            "and %d have one (--label names their column)",
            MIN_ROWS,
            n_clean,
        )
        return None
    changed = calibration_rows(detector, x[labelled], y[labelled], seed=seed)
    logger.info(
        "Accuracy estimator: fitted on %d normal rows and %d changed ones", n_clean, len(changed)
    )
    return AccuracyEstimator.fit(window.filter(pa.array(labelled)), changed, detector.class_names)


def renew_reference(
    path: Path,
    data: DataConfig,
    *,
    fpr: float | None = None,
    output: Path | None = None,
    trust: Sequence[str] = (),
    accuracy: bool = True,
    seed: int = 0,
) -> Path:
    """Give a detector bundle a new reference window. The models are used and copied, not trained.

    Parameters
    ----------
    path : Path
        The bundle.
    data : DataConfig
        Normal rows (`data.path`) and their columns.
    fpr : float, optional
        ε_FPR; the bundle's own when not given.
    output : Path, optional
        As in `rethreshold`.
    trust : sequence of str
        Opt-ins that the classifier needs.
    accuracy, seed
        As in `set_reference`.

    Returns
    -------
    Path
        The new bundle.

    Raises
    ------
    DriftMonitorError
        If the bundle is missing or altered, its models cannot be loaded, `output` is something else
        than a bundle, the rows cannot be read, or they are too few.
    """
    check_replaceable((output or path).resolve())
    from adversarial.detector.detector import AdversarialDetector

    with bundle_lock(path):
        bundle = read_bundle(path)
        detector = AdversarialDetector.load(bundle, trust)
    fpr = bundle.manifest.fpr if fpr is None else fpr
    chunks = read_normal_rows(data, bundle.manifest.input)
    true_classes(chunks, data, bundle.manifest.class_names)
    check_fpr(fpr, sum(len(chunk.x) for chunk in chunks))
    set_reference(detector, chunks, data, fpr, accuracy=accuracy, seed=seed)

    def fill(directory: Path) -> None:
        write_reference(
            directory, detector.reference, detector.accuracy_estimator, detector.feature_quantiles
        )

    rewrite_bundle(
        bundle,
        output or path,
        replaced=frozenset({REFERENCE, ACCURACY, FEATURE_QUANTILES}),
        fill=fill,
        threshold=detector.threshold,
        fpr=fpr,
        reference_created=detector.reference_created,
        training=bundle.manifest.training
        | {"reference_rows": len(detector.reference or ()), "reference": "given"},
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
        Directory of the new bundle; `path` itself, which is replaced whole or not at all, when not
        given.

    Returns
    -------
    Path
        The new bundle.

    Raises
    ------
    BundleError
        If the bundle is missing, altered or from before reference windows could be given another
        threshold, or `output` is something else than a bundle.
    ModelError
        If the reference window has too few rows for `fpr`.
    """
    bundle = read_bundle(path)
    window = bundle.reference()
    if ScoreColumn.RECONSTRUCTION_PREDICTION not in window.column_names:
        raise BundleError(
            f"{path / REFERENCE} has no column 'reconstruction_prediction', without which rows "
            "that were not flagged cannot be now: the bundle is of an older version; make it again "
            "with 'drift-monitor fit'"
        )
    threshold = threshold_from_scores(window[ScoreColumn.SCORE].to_numpy(), fpr)
    window = apply_threshold(window, threshold)

    def fill(directory: Path) -> None:
        pq.write_table(window, directory / REFERENCE, compression="zstd")

    rewrite_bundle(
        bundle,
        output or path,
        replaced=frozenset({REFERENCE}),
        fill=fill,
        threshold=threshold,
        fpr=fpr,
    )
    return output or path


def feature_quantiles(x: NDArray[np.float32], spec: InputSpec) -> dict[str, list[float]] | None:
    """Return the quantiles of each feature at `QUANTILE_PROBABILITIES`; None of images.

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
