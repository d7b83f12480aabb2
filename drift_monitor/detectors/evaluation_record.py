"""An evaluation on disk: what was evaluated, whether it is finished, and what it measured.

`<reports>/<monitor>/evaluations/<fingerprints>-<settings>/` holds what
`adversarial.evaluation.run` writes, for both detectors together where they share a classifier, else
in `current/` and `candidate/`. `evaluation.json` is put in place last: its presence means that the
evaluation is finished.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from adversarial.bundle.read import Bundle
from adversarial.errors import validation_reasons
from adversarial.storage.opening import Location, join, open_folder
from drift_monitor.batches.batch import Batch
from drift_monitor.batches.labelled_rows import RowCounts, evaluation_config
from drift_monitor.config import Monitor
from drift_monitor.detectors.candidate import (
    CANDIDATE,
    CURRENT,
    Comparison,
    Measure,
    Values,
    compare,
    measure,
)
from drift_monitor.errors import EvaluationError
from drift_monitor.results.data_file import DataFile

EVALUATIONS = "evaluations"
EVALUATION = "evaluation.json"
ROWS = "rows.parquet"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EvaluatedDetector(_Part):
    """Which detector, and its threshold in nats."""

    fingerprint: str
    threshold: float


class Evaluation(_Part):
    """The content of `evaluation.json`.

    Attributes
    ----------
    settings : dict
        What the numbers depend on besides detectors and rows.
    detectors : dict of str to EvaluatedDetector
        `current`, `candidate` or both.
    shared_classifier : bool
        Whether the detectors share one classifier, and so were given the same attacked rows.
    """

    schema_version: Literal["1"] = "1"
    monitor: str
    settings: dict[str, Any]
    data: list[DataFile]
    rows: RowCounts
    detectors: dict[str, EvaluatedDetector]
    shared_classifier: bool


def evaluation_location(monitor: Monitor, bundles: Mapping[str, Bundle], batch: Batch) -> str:
    """Return where the evaluation of these bundles on the files of `batch` is, or will be."""
    depends_on = {
        "settings": evaluation_settings(monitor),
        "data": [file.sha256 for file in batch.files()],
        "detectors": {name: bundle.fingerprint for name, bundle in bundles.items()},
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    return join(monitor.location, EVALUATIONS, f"{_fingerprints(bundles)}-{digest[:8]}")


def has_finished(monitor: Monitor, bundles: Mapping[str, Bundle]) -> bool:
    """Whether there is a finished evaluation of these bundles, on any rows."""
    folder = open_folder(join(monitor.location, EVALUATIONS))
    return bool(folder.find(f"{_fingerprints(bundles)}-*/{EVALUATION}"))


def _fingerprints(bundles: Mapping[str, Bundle]) -> str:
    return "-".join(bundle.fingerprint[:12] for bundle in bundles.values())


def check_evaluation(
    directory: Location, monitor: Monitor, bundles: Mapping[str, Bundle], batch: Batch
) -> None:
    """Check that a directory holds a finished evaluation of these bundles, rows and settings.

    Parameters
    ----------
    directory : str or Path
        The evaluation's directory or URL.
    monitor : Monitor
        The monitor, which has the settings.
    bundles : mapping
        From `drift_monitor.detectors.evaluate.find_bundles`.
    batch : Batch
        The rows, from `evaluation_batch`.

    Raises
    ------
    EvaluationError
        If it does not; says what differs.
    """
    evaluation = read_evaluation(directory)
    again = "make it again with 'drift-monitor evaluate'"
    for name, bundle in bundles.items():
        result = evaluation.detectors.get(name)
        if result is None or result.fingerprint != bundle.fingerprint:
            of = f"detector {result.fingerprint[:12]}" if result else "none"
            raise EvaluationError(
                f"{directory}/{EVALUATION}: its {name} is {of}, but {bundle.place} is detector "
                f"{bundle.fingerprint[:12]}; {again}"
            )
    if [file.sha256 for file in batch.files()] != [file.sha256 for file in evaluation.data]:
        raise EvaluationError(
            f"{directory}/{EVALUATION} was made on other rows than "
            f"{evaluation_config(monitor).path} (evaluation.path) now has; {again}"
        )
    settings = evaluation_settings(monitor)
    if changed := [name for name in settings if evaluation.settings.get(name) != settings[name]]:
        raise EvaluationError(
            f"{directory}/{EVALUATION} was made with another evaluation.{changed[0]} "
            f"({evaluation.settings.get(changed[0])!r}, now {settings[changed[0]]!r}); {again}"
        )


def read_evaluation(directory: Location) -> Evaluation:
    """Read `evaluation.json`.

    Raises
    ------
    EvaluationError
        If the evaluation is not finished, or the file is damaged.
    """
    folder = open_folder(directory)
    try:
        text = folder.read(EVALUATION)
    except (FileNotFoundError, NotADirectoryError):
        what = "is not there"
        if folder.exists("config.json"):
            what = "is not finished, or not one of 'drift-monitor evaluate'"
        raise EvaluationError(
            f"the evaluation {directory} {what}: run 'drift-monitor evaluate' with the candidate"
        ) from None
    try:
        return Evaluation.model_validate_json(text)
    except ValidationError as error:
        raise EvaluationError(
            f"{directory}/{EVALUATION} is damaged ({validation_reasons(error, most=1)}): remove "
            f"{directory} and run 'drift-monitor evaluate' again"
        ) from None


def read_measures(directory: Location) -> dict[str, dict[Measure, Values]]:
    """Return what a finished evaluation measured for each detector, by the detector's name."""
    evaluation = read_evaluation(directory)
    result = {}
    for name, detector in evaluation.detectors.items():
        file = ROWS if evaluation.shared_classifier else f"{name}/{ROWS}"
        try:
            with open_folder(directory).open(file) as opened:
                rows = pq.ParquetFile(opened).read()
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise EvaluationError(
                f"{directory}/{file} cannot be read ({reason}): remove {directory} and run "
                "'drift-monitor evaluate' again"
            ) from None
        result[name] = measure(rows, name, detector.threshold)
    return result


def compare_evaluated(monitor: Monitor, directory: Location) -> Comparison:
    """Compare the candidate of a finished evaluation with the current detector."""
    config = evaluation_config(monitor)
    measures = read_measures(directory)
    current, candidate = measures[CURRENT], measures[CANDIDATE]
    if read_evaluation(directory).shared_classifier:  # it cannot differ
        del current[Measure("accuracy_clean")]
    return compare(current, candidate, margin=config.margin, tolerance=config.tolerance)


def evaluation_settings(monitor: Monitor) -> dict[str, Any]:
    """Return what an evaluation depends on, without what only its verdict or schedule does."""
    verdict = {"path", "margin", "tolerance", "schedule"}
    settings = evaluation_config(monitor).model_dump(mode="json", exclude=verdict)
    columns = monitor.data.model_dump(mode="json", include={"input", "shape", "label"})
    return settings | columns
