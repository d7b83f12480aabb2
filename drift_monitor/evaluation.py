"""Evaluations of a monitor's detector under attack, and of a candidate to replace it, on disk.

`<reports>/<monitor>/evaluations/<fingerprints>-<settings>/` holds what `adversarial.experiment`
writes, for both detectors together where they share a classifier, else in `current/` and
`candidate/`; and `evaluation.json`, put in place last: its presence means that the evaluation is
finished.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from adversarial.bundle import CLASSIFIER, Bundle, InputSpec, read_bundle
from adversarial.settings import write_json
from drift_monitor.batches import Batch, class_indices
from drift_monitor.comparison import (
    CANDIDATE,
    CURRENT,
    Comparison,
    Measure,
    Values,
    compare,
    measure,
)
from drift_monitor.config import EvaluationConfig, Monitor
from drift_monitor.errors import BatchError, ConfigError, EvaluationError

if TYPE_CHECKING:
    from adversarial.experiment import Experiment
    from adversarial.unit_range import UnitRange

EVALUATION = "evaluation.json"
ROWS = "rows.parquet"
CHUNK_ROWS = 4096


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EvaluatedFile(_Part):
    """One Parquet file of the rows."""

    path: str
    rows: int
    sha256: str


class EvaluatedDetector(_Part):
    """Which detector, and where it draws the line."""

    fingerprint: str
    threshold: float


class RowCounts(_Part):
    """Rows of the files: `read` = `rejected` + `unlabelled` + those that `evaluated` are from."""

    read: int
    rejected: int
    unlabelled: int
    evaluated: int


class Evaluation(_Part):
    """The content of `evaluation.json`.

    Attributes
    ----------
    settings : dict
        What the numbers depend on beside detectors and rows.
    detectors : dict of str to EvaluatedDetector
        `current`, `candidate` or both.
    shared_classifier : bool
        Whether the detectors have one classifier, and so met the same attacked rows.
    """

    schema_version: Literal["1"] = "1"
    monitor: str
    settings: dict[str, Any]
    data: list[EvaluatedFile]
    rows: RowCounts
    detectors: dict[str, EvaluatedDetector]
    shared_classifier: bool


@dataclass(frozen=True)
class LabelledRows:
    """Rows to evaluate on.

    Attributes
    ----------
    x : (n, *shape) float32
        In the units the classifier takes.
    y : (n,) int64
        Classes.
    counts : RowCounts
        What became of the rows of the files.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    counts: RowCounts


def evaluation_config(monitor: Monitor) -> EvaluationConfig:
    """Return the monitor's `evaluation` section.

    Raises
    ------
    ConfigError
        If it has none.
    """
    if monitor.evaluation is None:
        raise ConfigError(
            f"monitor {monitor.name!r} has no section 'evaluation', so there are no rows to "
            "evaluate a detector on: add one with the path of labelled rows "
            "(docs/configuration.md#evaluation)"
        )
    return monitor.evaluation


def find_bundles(monitor: Monitor, candidate: Path | None) -> dict[str, Bundle]:
    """Return the bundles to evaluate: `current`, where the monitor has one, and `candidate`.

    Raises
    ------
    BundleError
        If a bundle is damaged, or there is none at all.
    EvaluationError
        If the candidate is the current detector, has other classes or takes other rows.
    """
    bundles = {}
    if candidate is None or Path(monitor.detector).exists():
        bundles[CURRENT] = read_bundle(monitor.detector)
    if candidate is not None:
        bundles[CANDIDATE] = read_bundle(candidate)
    if len(bundles) == 2:
        _check_compatible(bundles[CURRENT], bundles[CANDIDATE])
    return bundles


def evaluation_batch(monitor: Monitor, spec: InputSpec) -> Batch:
    """Return the files of the rows, checked against the monitor's input and label columns.

    Raises
    ------
    BatchError
        As `Batch`.
    """
    config = evaluation_config(monitor)
    not_needed = dict.fromkeys(("row_id", "timestamp", "prediction", "clean_prediction"))
    columns = monitor.data.model_copy(update={"path": config.path, "segments": [], **not_needed})
    return Batch(config.path, columns, spec)


def make_experiment(monitor: Monitor, spec: InputSpec) -> "Experiment":
    """Return what the `evaluation` section asks for. Needs TensorFlow.

    Raises
    ------
    ConfigError
        If an attack, threat model or corruption does not exist.
    EvaluationError
        If it does not apply to rows like these.
    """
    from adversarial.experiment import Experiment, ExperimentError

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
            corruptions=tuple(config.corruptions),
            seed=config.seed,
        )
    except ExperimentError as error:
        raise ConfigError(f"monitor {monitor.name!r}, section 'evaluation': {error}") from None


def evaluate_bundles(
    monitor: Monitor, bundles: Mapping[str, Bundle], *, verbose: bool = False
) -> Path:
    """Evaluate the monitor's detector, and a candidate on the same rows. Needs TensorFlow.

    Parameters
    ----------
    monitor : Monitor
        With an `evaluation` section.
    bundles : mapping
        From `find_bundles`.
    verbose : bool
        Show progress.

    Returns
    -------
    Path
        The evaluation's directory. One that was killed is finished, one that is finished is left
        as it is.

    Raises
    ------
    DriftMonitorError
        If the section is missing, names what does not exist or does not apply, or bundles or rows
        cannot be read.
    """
    config = evaluation_config(monitor)
    any_bundle = next(iter(bundles.values()))
    batch = evaluation_batch(monitor, any_bundle.manifest.input)
    directory = evaluation_directory(monitor, bundles, batch)
    if (directory / EVALUATION).exists():
        return directory

    experiment = make_experiment(monitor, any_bundle.manifest.input)
    from adversarial.detector import AdversarialDetector
    from adversarial.experiment import run

    rows = read_rows(batch, any_bundle.manifest.class_names, config)
    units = _unit_range(rows.x, any_bundle.manifest.input, config)
    detectors = {}
    for name, bundle in bundles.items():
        detector = AdversarialDetector.load(bundle.path, monitor.trust)
        if detector.fingerprint != bundle.fingerprint:
            raise EvaluationError(f"{bundle.path} was replaced meanwhile: evaluate again")
        detectors[name] = units.wrap(detector)
    shared = len(bundles) == 1 or _same_classifier(*bundles.values())
    groups = {"": detectors} if shared else {name: {name: d} for name, d in detectors.items()}
    for place, group in groups.items():
        run(
            experiment,
            group,
            units.scale(rows.x),
            rows.y,
            directory / place,
            about={
                "monitor": monitor.name,
                "detectors": {name: bundles[name].fingerprint for name in group},
                "data": [file.sha256 for file in batch.files],
            },
            verbose=verbose,
        )
    evaluation = Evaluation(
        monitor=monitor.name,
        settings=_settings(monitor),
        data=[EvaluatedFile(**vars(file)) for file in batch.files],
        rows=rows.counts,
        detectors={
            name: EvaluatedDetector(
                fingerprint=bundle.fingerprint, threshold=bundle.manifest.threshold
            )
            for name, bundle in bundles.items()
        },
        shared_classifier=shared,
    )
    write_json(directory / EVALUATION, evaluation.model_dump(mode="json"))
    return directory


def evaluation_directory(
    monitor: Monitor, bundles: Mapping[str, Bundle], batch: Batch | None = None
) -> Path:
    """Return where the evaluation of these bundles on the monitor's rows is, or will be."""
    batch = batch or evaluation_batch(monitor, next(iter(bundles.values())).manifest.input)
    depends_on = {
        "settings": _settings(monitor),
        "data": [file.sha256 for file in batch.files],
        "detectors": {name: bundle.fingerprint for name, bundle in bundles.items()},
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    name = "-".join([*(bundle.fingerprint[:12] for bundle in bundles.values()), digest[:8]])
    return monitor.directory / "evaluations" / name


def check_evaluation(directory: Path, monitor: Monitor, bundles: Mapping[str, Bundle]) -> None:
    """Check that a directory holds a finished evaluation of these bundles, rows and settings.

    Raises
    ------
    EvaluationError
        If it does not; says what differs.
    """
    evaluation = read_evaluation(directory)
    again = "make it again with 'drift-monitor evaluate'"
    for name, bundle in bundles.items():
        found = evaluation.detectors.get(name)
        if found is None or found.fingerprint != bundle.fingerprint:
            of = f"detector {found.fingerprint[:12]}" if found else "none"
            raise EvaluationError(
                f"{directory / EVALUATION}: its {name} is {of}, but {bundle.path} is detector "
                f"{bundle.fingerprint[:12]}; {again}"
            )
    batch = evaluation_batch(monitor, next(iter(bundles.values())).manifest.input)
    if [file.sha256 for file in batch.files] != [file.sha256 for file in evaluation.data]:
        raise EvaluationError(
            f"{directory / EVALUATION} is of other rows than {evaluation_config(monitor).path} "
            f"(evaluation.path) now has; {again}"
        )
    settings = _settings(monitor)
    if changed := [name for name in settings if evaluation.settings.get(name) != settings[name]]:
        raise EvaluationError(
            f"{directory / EVALUATION} was made with another evaluation.{changed[0]} "
            f"({evaluation.settings.get(changed[0])!r}, now {settings[changed[0]]!r}); {again}"
        )


def read_evaluation(directory: Path) -> Evaluation:
    """Read `evaluation.json`.

    Raises
    ------
    EvaluationError
        If the evaluation is not finished, or the file is damaged.
    """
    try:
        text = (directory / EVALUATION).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        what = "is not finished" if (directory / "config.json").exists() else "is not there"
        raise EvaluationError(
            f"the evaluation {directory} {what}: run 'drift-monitor evaluate' with the candidate"
        ) from None
    try:
        return Evaluation.model_validate_json(text)
    except ValidationError as error:
        raise EvaluationError(
            f"{directory / EVALUATION} is damaged ({error.errors()[0]['msg']}): remove "
            f"{directory} and run 'drift-monitor evaluate' again"
        ) from None


def read_measures(directory: Path) -> dict[str, dict[Measure, Values]]:
    """Return what was measured of each detector of a finished evaluation, by its name."""
    evaluation = read_evaluation(directory)
    found = {}
    for name, detector in evaluation.detectors.items():
        file = directory / ("" if evaluation.shared_classifier else name) / ROWS
        try:
            rows = pq.read_table(file)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise EvaluationError(
                f"{file} cannot be read ({reason}): remove {directory} and run 'drift-monitor "
                "evaluate' again"
            ) from None
        found[name] = measure(rows, name, detector.threshold)
    return found


def compare_evaluated(monitor: Monitor, directory: Path) -> Comparison:
    """Compare the candidate of a finished evaluation with the current detector."""
    config = evaluation_config(monitor)
    measures = read_measures(directory)
    current, candidate = measures[CURRENT], measures[CANDIDATE]
    if read_evaluation(directory).shared_classifier:  # what cannot differ is no test
        del current[Measure("accuracy_clean")]
    return compare(current, candidate, margin=config.margin, tolerance=config.tolerance)


def read_rows(batch: Batch, class_names: tuple[str, ...], config: EvaluationConfig) -> LabelledRows:
    """Read labelled rows, at most `limit` of them drawn by the seed; the rest is counted.

    Raises
    ------
    BatchError
        If a label is no class of the detector, or fewer than two rows are left.
    """
    label = batch.data.label or ""
    order = np.random.default_rng(config.seed).permutation(batch.n_rows)
    first = dict(zip((f.path for f in batch.files), _starts(batch), strict=True))
    limit = batch.n_rows if config.limit is None else config.limit
    # The rows that come first in a random order are kept, so that memory does not grow with files.
    kept = np.empty(0, np.int64)
    x = np.empty((0, *batch.spec.shape), np.float32)
    y = np.empty(0, np.int64)
    rejected = unlabelled = 0
    for chunk in batch.chunks(CHUNK_ROWS):
        if label not in chunk.columns.column_names:
            raise BatchError(f"{chunk.file} has no column {label!r} (data.label)")
        classes = class_indices(chunk.columns[label], class_names, label, chunk)
        known = classes >= 0
        rejected += len(chunk.rejected)
        unlabelled += int(np.count_nonzero(~known))
        kept = np.concatenate([kept, first[chunk.file] + chunk.rows[known]])
        x = np.concatenate([x, chunk.x[known]])
        y = np.concatenate([y, classes[known]])
        best = np.sort(np.argsort(order[kept], kind="stable")[:limit])
        kept, x, y = kept[best], x[best], y[best]
    if len(y) < 2:
        raise BatchError(
            f"{config.path}: {len(y)} of {batch.n_rows} rows can be used, {rejected} are rejected "
            f"and {unlabelled} have no label in {label!r}; give more rows (evaluation.path)"
        )
    counts = RowCounts(
        read=batch.n_rows, rejected=rejected, unlabelled=unlabelled, evaluated=len(y)
    )
    return LabelledRows(x, y, counts)


def _starts(batch: Batch) -> list[int]:
    return [0, *np.cumsum([file.rows for file in batch.files])[:-1].tolist()]


def _settings(monitor: Monitor) -> dict[str, Any]:
    """Return what an evaluation depends on; not what a verdict or a schedule does."""
    verdict = {"path", "margin", "tolerance", "schedule"}
    settings = evaluation_config(monitor).model_dump(mode="json", exclude=verdict)
    columns = monitor.data.model_dump(mode="json", include={"input", "shape", "label"})
    return settings | columns


def _check_compatible(current: Bundle, candidate: Bundle) -> None:
    if candidate.fingerprint == current.fingerprint:
        raise EvaluationError(
            f"{candidate.path} is the monitor's detector already ({current.fingerprint[:12]}): "
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
                f"{candidate.path} cannot replace {current.path}: its {what} are {has}, not {had}; "
                "fit a detector for the same classes and input, or make it another monitor's"
            )


def _unit_range(x: NDArray[np.float32], spec: InputSpec, config: EvaluationConfig) -> "UnitRange":
    """Return the range in which rows are attacked."""
    from adversarial.unit_range import UnitRange

    if config.bounds is None and len(spec.shape) == 1:
        return UnitRange(x.min(axis=0), x.max(axis=0))
    low, high = config.bounds or spec.value_range
    if x.min() < low or x.max() > high:
        found = f"{x.min():g} to {x.max():g}"
        raise EvaluationError(
            f"{config.path}: values range from {found}, beyond the {low:g} to {high:g} of "
            f"{'evaluation.bounds' if config.bounds else 'the detector'}: set evaluation.bounds to "
            "the smallest and the largest value that an input can have"
        )
    return UnitRange(low, high)


def _same_classifier(one: Bundle, other: Bundle) -> bool:
    """Whether both hold the same classifier, though its file was perhaps saved twice."""
    return _classifier(one) == _classifier(other)


def _classifier(bundle: Bundle) -> dict[str, Any]:
    if bundle.manifest.classifier_output is not None:
        sha256 = bundle.manifest.sha256
        return {name: sha256[name] for name in sha256 if name.startswith("classifier/")}
    with zipfile.ZipFile(bundle.path / CLASSIFIER) as archive:
        # What is left out says when the file was saved.
        return {i.filename: i.CRC for i in archive.infolist() if i.filename != "metadata.json"}
