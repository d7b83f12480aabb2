"""What is kept of a batch: its truth, the verdict on it, and what estimators say of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.files import replace_file
from drift_monitor.results.report import Report

Record = dict[str, Any]

PEERS = Path(__file__).parent / "peers.parquet"
"""What Evidently and NannyML say of the batches."""
KEPT = (
    *("classifier", "drift", "family", "calibrated", "mild", "n", "n_reference"),
    *("accuracy", "reference_accuracy", "verdict", "estimated", "bounds", "novel", "peers"),
)
"""Fields of a record that the repository keeps."""


class Reference(NamedTuple):
    """What estimators of accuracy that know only M(x) need of the reference.

    Attributes
    ----------
    accuracy : float
        True accuracy.
    confidence : float
        Mean confidence.
    threshold : float
        The confidence that is exceeded by as large a share of the rows as the accuracy (ATC).
    n : int
        Rows.
    """

    accuracy: float
    confidence: float
    threshold: float
    n: int

    @classmethod
    def of(cls, probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> "Reference":
        """Return it from M(x) and the true classes of the reference rows."""
        confidence = probabilities.max(axis=1)
        accuracy = float(np.mean(probabilities.argmax(axis=1) == y))
        threshold = float(np.quantile(confidence, 1 - accuracy))
        return cls(accuracy, float(confidence.mean()), threshold, len(y))


def estimates(probabilities: NDArray[np.float32], reference: Reference) -> dict[str, float]:
    """Return a batch's accuracy as estimated from M(x) alone.

    ATC: Garg et al., "Leveraging Unlabeled Data to Predict Out-of-Distribution Performance" (2022).
    DoC, the difference of confidences: Guillory et al., "Predicting with Confidence on Unseen
    Distributions" (2021), with slope 1.
    """
    confidence = probabilities.max(axis=1)
    return {
        "average confidence": float(confidence.mean()),
        "ATC": float(np.mean(confidence > reference.threshold)),
        "DoC": reference.accuracy - reference.confidence + float(confidence.mean()),
    }


def judged(report: Report) -> Record:
    """Return what a report says without labels, as JSON values."""
    body = report.model_dump(mode="json", exclude={"config"})
    estimated = body["accuracy"]["estimated"] or {}
    return {
        "verdict": body["verdict"]["verdict"],
        "rule": body["verdict"]["rule"],
        "reason": body["verdict"]["reason"],
        "estimated": estimated.get("current"),
        "estimated_difference": estimated.get("difference"),
        "bounds": _found(body, "bounds"),
        "novel": _found(body, "novel_share") or _found(body, "novel"),
        "effects": {
            test["name"]: test["effect"] for test in body["tests"] if test["effect"] is not None
        },
    }


def _found(body: Any, key: str) -> Any:
    """Return the value of the first field of that name, or None: older reports have none."""
    if isinstance(body, dict):
        if key in body:
            return body[key]
        body = list(body.values())
    if isinstance(body, list):
        for part in body:
            value = _found(part, key)
            if value is not None:
                return value
    return None


def read_records(path: Path) -> list[Record]:
    """Return the records of a file, none if it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def append_record(path: Path, record: Record) -> None:
    """Append a record to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def keep(path: Path, runs: Mapping[str, Sequence[Record]]) -> None:
    """Write the records of runs as one Parquet file, with the run's name in `run`."""
    rows = [
        {"run": name} | {field: record.get(field) for field in KEPT}
        for name, records in runs.items()
        for record in records
    ]
    with replace_file(path) as scratch:
        pq.write_table(pa.Table.from_pylist(rows), scratch, compression="zstd")


def kept(path: Path) -> dict[str, list[Record]]:
    """Return the records that `keep` wrote, by run."""
    runs: dict[str, list[Record]] = {}
    for record in pq.read_table(path).to_pylist():
        runs.setdefault(record.pop("run"), []).append(record)
    return runs
