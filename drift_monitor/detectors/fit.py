"""From a classifier and its training rows to a detector bundle."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from adversarial.bundle.manifest import InputSpec, OutputKind
from adversarial.bundle.threshold import check_fpr
from adversarial.bundle.write import check_replaceable
from adversarial.errors import ModelError
from drift_monitor.batches.batch import Chunk
from drift_monitor.batches.class_labels import class_names
from drift_monitor.batches.normal_rows import read_normal_rows, true_classes
from drift_monitor.config import DataConfig
from drift_monitor.detectors.reference import CalibrationSettings, calibrate
from drift_monitor.errors import BatchError

if TYPE_CHECKING:
    from adversarial.training.members import Plan

REFERENCE_ROWS = 5_000
REFERENCE_SHARE = 0.2


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
    value_range : (float, float)
        What the bytes 0 and 255 of an image become in its input.
    """

    path: str | Path
    output_kind: Literal["auto"] | OutputKind = "auto"
    trust: Sequence[str] = ()
    class_names: Sequence[str] | None = None
    value_range: tuple[float, float] = (0.0, 1.0)


def fit(
    classifier: ClassifierFile | str | Path,
    data: DataConfig,
    output: str | Path,
    *,
    reference_data: str | None = None,
    plan: "Plan | None" = None,
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
        If the classifier cannot be loaded or is not supported, or the rows cannot be read.
    """
    output = Path(output)
    check_replaceable(output)
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.detector.provenance import Provenance
    from adversarial.models.classifiers import load_classifier, row_shape
    from adversarial.training.checkpoints import checkpoint_dir
    from adversarial.training.members import Plan, train_members

    started = time.monotonic()
    plan = plan or Plan()
    if not isinstance(classifier, ClassifierFile):
        classifier = ClassifierFile(classifier)
    calibration = calibration or CalibrationSettings(seed=plan.training.seed)
    model = load_classifier(classifier.path, output=classifier.output_kind, trust=classifier.trust)
    spec = InputSpec(
        shape=row_shape(model),
        value_range=classifier.value_range,
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
    fpr = calibration.fpr_or(None)
    _check_before_training(reference, data, classes, model.output_shape[-1], fpr)

    x = np.concatenate([chunk.x for chunk in training])
    checkpoints = checkpoint_dir(output)
    members = train_members(
        model,
        x,
        plan,
        checkpoints,
        value_range=classifier.value_range,
        resume=resume,
        verbose=verbose,
    )
    detector = AdversarialDetector(
        model,
        members.autoencoders,
        weights=plan.weights,
        class_names=classes,
        input_spec=spec,
    )
    calibrated = calibrate(detector, reference, data, calibration)
    summary = members.summary | {
        "reference_rows": sum(len(chunk.x) for chunk in reference),
        "reference": "given" if reference_data else "held out from the training rows",
        "seconds": round(time.monotonic() - started, 1),
    }
    provenance = Provenance(members.temperature, summary)
    detector.replace(calibration=calibrated, provenance=provenance).save(output)
    shutil.rmtree(checkpoints)
    return output


def _check_before_training(
    reference: list[Chunk],
    data: DataConfig,
    classes: Sequence[str] | None,
    n_outputs: int,
    fpr: float,
) -> None:
    """Raise what would otherwise fail only after training."""
    if classes is not None and len(classes) != n_outputs:
        raise ModelError(
            f"{len(classes)} class names ({', '.join(classes)}) for a classifier with {n_outputs} "
            "outputs: give one name per output, in their order"
        )
    check_fpr(fpr, sum(len(chunk.x) for chunk in reference))
    try:
        true_classes(reference, data, classes or [str(number) for number in range(n_outputs)])
    except BatchError as error:
        raise BatchError(
            f"{error}. For labels given by name, pass --class-names with the names in the order of "
            "the classifier's outputs"
        ) from None


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
