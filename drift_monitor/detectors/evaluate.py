"""Attack a monitor's detector, and on the same rows a candidate to replace it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adversarial.bundle.manifest import MANIFEST, InputSpec
from adversarial.bundle.read import Bundle, read_bundle
from adversarial.extras import require_training
from adversarial.files import write_json
from adversarial.storage.copies import deliver, work_directory
from adversarial.storage.opening import open_folder
from drift_monitor.batches.batch import Batch
from drift_monitor.batches.labelled_rows import evaluation_batch, evaluation_config, read_rows
from drift_monitor.config import Monitor
from drift_monitor.detectors.candidate import CANDIDATE, CURRENT
from drift_monitor.detectors.evaluation_record import (
    EVALUATION,
    EvaluatedDetector,
    Evaluation,
    evaluation_location,
    evaluation_settings,
    has_finished,
)
from drift_monitor.errors import ConfigError, EvaluationError
from drift_monitor.evaluation_config import EvaluationConfig

if TYPE_CHECKING:
    from adversarial.detector.unit_range import UnitRange
    from adversarial.evaluation.experiment import Experiment


def find_bundles(monitor: Monitor, candidate: Path | str | None) -> dict[str, Bundle]:
    """Return the bundles to evaluate: `current`, where the monitor has one, and `candidate`.

    Raises
    ------
    BundleError
        If a bundle is damaged, or there is none at all.
    EvaluationError
        If the candidate is the current detector, has other classes or takes other rows.
    """
    bundles = {}
    if candidate is None or open_folder(monitor.detector).exists(MANIFEST):
        bundles[CURRENT] = read_bundle(monitor.detector, monitor.detector_key)
    if candidate is not None:
        bundles[CANDIDATE] = read_bundle(candidate, monitor.detector_key)
    if len(bundles) == 2:
        _check_compatible(bundles[CURRENT], bundles[CANDIDATE])
    return bundles


def make_experiment(monitor: Monitor, spec: InputSpec) -> "Experiment":
    """Return what the `evaluation` section asks for. Needs TensorFlow.

    Raises
    ------
    ConfigError
        If an attack, threat model or corruption does not exist.
    EvaluationError
        If it does not apply to rows like these.
    """
    from adversarial.corruptions import name_corruptions
    from adversarial.evaluation.experiment import Experiment
    from adversarial.evaluation.threat_models import ExperimentError

    config = evaluation_config(monitor)
    is_image = len(spec.shape) == 3 and spec.shape[2] in (1, 3)
    if config.corruptions and not is_image:
        raise EvaluationError(
            "evaluation.corruptions need images of one or three channels, but the detector takes "
            f"rows of shape {spec.shape}: leave them out"
        )
    try:
        return Experiment(
            attacks=tuple(config.attacks),
            threat_models=tuple(config.threat_models),
            corruptions=name_corruptions(config.corruptions),
            seed=config.seed,
        )
    except ExperimentError as error:
        raise ConfigError(f"monitor {monitor.name!r}, section 'evaluation': {error}") from None


def evaluate_bundles(
    monitor: Monitor,
    bundles: Mapping[str, Bundle],
    *,
    batch: Batch | None = None,
    verbose: bool = False,
) -> str:
    """Evaluate the monitor's detector, and a candidate on the same rows. Needs TensorFlow.

    Parameters
    ----------
    monitor : Monitor
        The monitor; it needs an `evaluation` section.
    bundles : mapping
        From `find_bundles`.
    batch : Batch, optional
        The rows from `evaluation_batch`, if the caller needs them too.
    verbose : bool
        Show progress.

    Returns
    -------
    str
        The evaluation's directory or URL. A killed evaluation is continued, and a finished one is
        left as it is.

    Raises
    ------
    DriftMonitorError
        If the section is missing or names something that does not exist or apply, or bundles or
        rows cannot be read.
    """
    config = evaluation_config(monitor)
    any_bundle = next(iter(bundles.values()))
    batch = batch or evaluation_batch(monitor, any_bundle.manifest.input)
    # Hashing the rows first pays only where an evaluation may be finished already.
    if has_finished(monitor, bundles):
        location = evaluation_location(monitor, bundles, batch)
        if open_folder(location).exists(EVALUATION):
            return location

    experiment = make_experiment(monitor, any_bundle.manifest.input)
    require_training("An evaluation")
    from adversarial.detector.detector import AdversarialDetector
    from adversarial.evaluation.experiment import same_classifier
    from adversarial.evaluation.run import run_experiment

    rows = read_rows(batch, any_bundle.manifest.class_names, config)
    location = evaluation_location(monitor, bundles, batch)
    directory = work_directory(location)
    units = _unit_range(rows.x, any_bundle.manifest.input, config)
    detectors = {}
    for name, bundle in bundles.items():
        detector = AdversarialDetector.load(bundle, monitor.trust)
        if detector.fingerprint != bundle.fingerprint:
            raise EvaluationError(f"{bundle.place} was replaced meanwhile: evaluate again")
        detectors[name] = units.wrap(detector)
    x = units.scale(rows.x)
    shared = len(detectors) == 1 or same_classifier(*detectors.values(), x=x)
    groups = {"": detectors} if shared else {name: {name: d} for name, d in detectors.items()}
    for place, group in groups.items():
        run_experiment(
            experiment,
            group,
            x,
            rows.y,
            directory / place,
            about={
                "monitor": monitor.name,
                "detectors": {name: bundles[name].fingerprint for name in group},
                "data": [file.sha256 for file in batch.files()],
            },
            verbose=verbose,
        )
    evaluation = Evaluation(
        monitor=monitor.name,
        settings=evaluation_settings(monitor),
        data=batch.files(),
        rows=rows.counts,
        detectors={
            name: EvaluatedDetector(
                fingerprint=bundle.fingerprint, threshold=bundle.manifest.threshold
            )
            for name, bundle in bundles.items()
        },
        shared_classifier=shared,
    )
    # Put in place last, it says that the evaluation is finished.
    write_json(directory / EVALUATION, evaluation.model_dump(mode="json"))
    deliver(directory, location, last=EVALUATION)
    return location


def _check_compatible(current: Bundle, candidate: Bundle) -> None:
    if candidate.fingerprint == current.fingerprint:
        raise EvaluationError(
            f"{candidate.place} is the monitor's detector already ({current.fingerprint[:12]}): "
            "name another bundle"
        )
    before, after = current.manifest, candidate.manifest
    for what, had, has in (
        ("classes", before.class_names, after.class_names),
        *(
            (f"input.{name}", getattr(before.input, name), getattr(after.input, name))
            for name in InputSpec.model_fields
        ),
    ):
        if had != has:
            raise EvaluationError(
                f"{candidate.place} cannot replace {current.place}: its {what} are {has}, not "
                f"{had}; fit a detector for the same classes and input, or make it another "
                "monitor's"
            )


def _unit_range(x: NDArray[np.float32], spec: InputSpec, config: EvaluationConfig) -> "UnitRange":
    """Return the range in which rows are attacked."""
    from adversarial.detector.unit_range import UnitRange

    if config.bounds is None and len(spec.shape) == 1:
        return UnitRange(x.min(axis=0), x.max(axis=0))
    low, high = config.bounds or spec.value_range
    if x.min() < low or x.max() > high:
        result = f"{x.min():g} to {x.max():g}"
        raise EvaluationError(
            f"{config.path}: values range from {result}, beyond the {low:g} to {high:g} of "
            f"{'evaluation.bounds' if config.bounds else 'the detector'}: set evaluation.bounds to "
            "the smallest and the largest value that an input can have"
        )
    return UnitRange(low, high)
