"""From a classifier and its training rows to a detector bundle."""

import logging
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adversarial.bundle.manifest import InputSpec, OutputKind
from adversarial.bundle.threshold import check_fpr
from adversarial.bundle.write import check_replaceable
from adversarial.errors import ModelError
from adversarial.extras import require_training
from adversarial.training.settings import Plan
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.class_labels import class_names
from drift_monitor.batches.normal_rows import check_columns, read_normal_rows, true_classes
from drift_monitor.config import DataConfig
from drift_monitor.detectors.reference import CalibrationSettings, calibrate
from drift_monitor.detectors.value_range import (
    ROWS_TRIED,
    UNIT,
    choose_value_range,
    holds_bytes,
    in_range,
)
from drift_monitor.errors import BatchError

if TYPE_CHECKING:
    import keras

    from adversarial.detector.detector import AdversarialDetector
    from drift_monitor.detectors.first_look import Labelled

logger = logging.getLogger(__name__)

REFERENCE_ROWS = 5_000
REFERENCE_SHARE = 0.2
LOOKED_AT = 5_000
"""Reference rows at most, on which the classifier is tried before training."""


@dataclass(frozen=True)
class ClassifierFile:
    """A saved classifier, and what its file does not say about it.

    Parameters
    ----------
    path : str or Path
        A `.keras` or `.h5` file, or the directory of a SavedModel.
    output_kind, trust
        As `output` and `trust` in `adversarial.models.classifiers.load_classifier`.
    class_names : sequence of str, optional
        In the order of its outputs. When not given, those in the Hugging Face metadata of the
        training rows, or else numbers.
    value_range : (float, float), optional
        What the bytes 0 and 255 of an image become in its input. When not given, it is found out
        (`drift_monitor.detectors.value_range`).
    force : bool
        Go on where the classifier does badly on the reference rows.
    """

    path: str | Path
    output_kind: Literal["auto"] | OutputKind = "auto"
    trust: Sequence[str] = ()
    class_names: Sequence[str] | None = None
    value_range: tuple[float, float] | None = None
    force: bool = False


def fit(
    classifier: ClassifierFile | str | Path,
    data: DataConfig,
    output: str | Path,
    *,
    reference_data: str | None = None,
    plan: Plan | None = None,
    calibration: CalibrationSettings | None = None,
    resume: bool = False,
    verbose: int | str = "auto",
) -> Path:
    """Train a detector for a classifier and write its bundle.

    The reference window sets the threshold, and batches are compared with it. It is held out from
    the autoencoder's training. Pass `reference_data` so that the classifier has not seen it either:
    on rows it was trained on, a classifier is surer than in production.

    Parameters
    ----------
    classifier : ClassifierFile, str or Path
        The classifier; its path alone if nothing else needs saying.
    data : DataConfig
        Training rows (`data.path`) and their columns.
    output : str or Path
        Directory of the bundle.
    reference_data : str, optional
        Path of the reference window; when not given, 20 % of the training rows, at most 5,000.
    plan : Plan, optional
        Which autoencoders to train, and how; its seed also draws the rows held out.
    calibration : CalibrationSettings, optional
        What to make of the reference window. When not given, a threshold at an ε_FPR of 5 % and,
        where there are labels, an estimator of accuracy.
    resume : bool
        Continue from the checkpoints that a killed run has left beside `output`.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    Path
        The bundle.

    Raises
    ------
    DriftMonitorError
        If the classifier cannot be loaded, is not supported or does not fit the reference rows,
        the rows cannot be read, or the training learns nothing.
    """
    require_training("drift-monitor fit")
    output = Path(output)
    if not isinstance(classifier, ClassifierFile):
        classifier = ClassifierFile(classifier)
    _check_before_loading(classifier, data, output, reference_data)
    plan = plan or Plan()
    calibration = calibration or CalibrationSettings(seed=plan.training.seed)
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.detector.provenance import Provenance
    from adversarial.models.classifiers import load_classifier
    from adversarial.training.checkpoints import checkpoint_dir
    from adversarial.training.members import train_members
    from drift_monitor.detectors.first_look import look

    started = time.monotonic()
    model = load_classifier(classifier.path, output=classifier.output_kind, trust=classifier.trust)
    rows = _read_rows(classifier, data, reference_data, model, plan, calibration.fpr_or(None))
    look(model, rows.looked_at, force=classifier.force)
    if classifier.value_range is None:
        plan = _with_black(plan, rows.spec.value_range[0])

    x = np.concatenate([chunk.x for chunk in rows.training])
    logger.info("Training on %s rows", f"{len(x):,}")
    checkpoints = checkpoint_dir(output)
    members = train_members(
        model,
        x,
        plan,
        checkpoints,
        value_range=rows.spec.value_range,
        resume=resume,
        verbose=verbose,
    )
    detector = AdversarialDetector(
        model,
        members.autoencoders,
        weights=plan.weights,
        class_names=rows.classes,
        input_spec=rows.spec,
    ).replace(score_temperature=calibration.score_temperature)
    logger.info(
        "Scoring %s reference rows%s",
        f"{len(rows.y):,}",
        ", and changed copies of them for the estimate of accuracy" if calibration.accuracy else "",
    )
    calibrated = calibrate(detector, rows.reference, data, calibration)
    summary = members.summary | {
        "reference_rows": len(rows.y),
        "reference": "given" if reference_data else "held out from the training rows",
        "seconds": round(time.monotonic() - started, 1),
    }
    detector = detector.replace(calibration=calibrated)
    summary |= _measured(detector, rows, summary, plan.training.seed)
    detector.replace(provenance=Provenance(members.temperature, summary)).save(output)
    shutil.rmtree(checkpoints)
    return output


@dataclass(frozen=True)
class _Rows:
    """Training and reference rows in the value range `spec` says, and the reference's classes."""

    training: list[Chunk]
    reference: list[Chunk]
    y: NDArray[np.int64]
    spec: InputSpec
    classes: Sequence[str] | None
    looked_at: "Labelled"


def _read_rows(
    classifier: ClassifierFile,
    data: DataConfig,
    reference_data: str | None,
    model: "keras.Model",
    plan: Plan,
    fpr: float,
) -> _Rows:
    from adversarial.models.classifiers import row_shape
    from drift_monitor.detectors.first_look import Labelled

    n_outputs = model.output_shape[-1]
    spec = InputSpec(
        shape=row_shape(model),
        value_range=classifier.value_range or UNIT,
        feature_names=None if isinstance(data.input, str) else tuple(data.input),
    )
    training = read_normal_rows(data, spec)
    if reference_data:
        reference = read_normal_rows(data.model_copy(update={"path": reference_data}), spec)
    else:
        training, reference = _hold_out(training, plan.training.seed)
    classes = classifier.class_names
    if classes is None:
        classes = class_names(data.path, data.label)
    y = _check_before_training(reference, data, classes, n_outputs, fpr)
    x = np.concatenate([chunk.x for chunk in reference])
    drawn = np.random.default_rng(plan.training.seed).permutation(len(x))[:LOOKED_AT]
    x, is_bytes = x[drawn], holds_bytes(data)
    if classifier.value_range is None:
        some = drawn[:ROWS_TRIED]
        chosen = choose_value_range(model, x[:ROWS_TRIED], y[some], is_bytes=is_bytes)
        spec = spec.model_copy(update={"value_range": chosen})
        if is_bytes:
            training, reference = (_in_range(chunks, chosen) for chunks in (training, reference))
            x = in_range(x, chosen)
    names = list(classes or map(str, range(n_outputs)))
    looked_at = Labelled(x, y[drawn], names, data.label, spec.value_range, is_bytes, reference)
    return _Rows(training, reference, y, spec, classes, looked_at)


def _measured(
    detector: "AdversarialDetector", rows: _Rows, summary: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Say how well a detector tells harm, and what would improve it; return it for the bundle."""
    from drift_monitor.detectors.power import advice, measure_power

    power = measure_power(detector, rows.looked_at.x, rows.looked_at.y, len(rows.y), seed)
    if power is None:
        return {}
    logger.info("%s", power.describe())
    if better := advice(power, summary):
        logger.info("What would help: %s", better)
    return {"power": power.summary()}


def _check_before_loading(
    classifier: ClassifierFile, data: DataConfig, output: Path, reference_data: str | None
) -> None:
    """Raise what can be told in a second, before TensorFlow is loaded."""
    check_replaceable(output)
    if not Path(classifier.path).exists():
        raise ModelError(f"{classifier.path} not found: expected a saved classifier")
    _check_names(classifier.class_names)
    check_columns(data, data.path)
    if reference_data:
        check_columns(data, reference_data)


def _check_names(names: Sequence[str] | None) -> None:
    repeated = [name for name, n in Counter(names or ()).items() if n > 1]
    if repeated:
        raise ModelError(
            f"several classes have the name {', '.join(map(repr, repeated))}, so that labels and "
            "predictions could not be told apart: give each output a name of its own"
        )


def _check_before_training(
    reference: list[Chunk],
    data: DataConfig,
    classes: Sequence[str] | None,
    n_outputs: int,
    fpr: float,
) -> NDArray[np.int64]:
    """Return the reference rows' classes; raise what would otherwise fail only after training."""
    if classes is not None and len(classes) != n_outputs:
        raise ModelError(
            f"{len(classes)} class names ({', '.join(classes)}) for a classifier with {n_outputs} "
            "outputs: give one name per output, in their order"
        )
    _check_names(classes)
    check_fpr(fpr, sum(len(chunk.x) for chunk in reference))
    try:
        return true_classes(
            reference, data, classes or [str(number) for number in range(n_outputs)]
        )
    except BatchError as error:
        raise BatchError(
            f"{error}. For labels given by name, pass --class-names with the names in the order of "
            "the classifier's outputs"
        ) from None


def _in_range(chunks: list[Chunk], value_range: tuple[float, float]) -> list[Chunk]:
    return [replace(chunk, x=in_range(chunk.x, value_range)) for chunk in chunks]


def _with_black(plan: Plan, black: float) -> Plan:
    """Return the plan with the edges of moved images in the value range that was chosen."""
    augmentation = plan.training.augmentation
    if augmentation is None:
        return plan
    training = replace(plan.training, augmentation=replace(augmentation, fill=black))
    return replace(plan, training=training)


def _hold_out(chunks: list[Chunk], seed: int) -> tuple[list[Chunk], list[Chunk]]:
    """Split rows at random into training and reference rows."""
    n = sum(len(chunk.x) for chunk in chunks)
    size = min(REFERENCE_ROWS, int(n * REFERENCE_SHARE))
    held_out = np.zeros(n, bool)
    held_out[np.random.default_rng(seed).choice(n, size, replace=False)] = True
    parts = np.split(held_out, np.cumsum([len(chunk.x) for chunk in chunks])[:-1])
    pairs = list(zip(chunks, parts, strict=True))
    return [_rows(c, ~p) for c, p in pairs], [_rows(c, p) for c, p in pairs if p.any()]


def _rows(chunk: Chunk, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Chunk:
    return replace(
        chunk,
        rows=chunk.rows[keep],
        x=chunk.x[keep],
        columns=chunk.columns.filter(pa.array(keep)),
        files=None if chunk.files is None else chunk.files[keep],
    )
