"""The batch job: score an interval, report on it, publish the result.

The three steps hand files to each other through a staging directory, so that each can be a task of
its own; only the first needs TensorFlow.
"""

import base64
import io
import json
import os
import platform
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from adversarial.bundle import InputSpec, hold, read_bundle
from drift_monitor import __version__
from drift_monitor.analysis import Findings, analyse
from drift_monitor.batches import Batch
from drift_monitor.config import DataConfig, Interval, Monitor
from drift_monitor.errors import StoreError
from drift_monitor.harm import LEFT_OUT
from drift_monitor.report.html import render_index, render_report
from drift_monitor.report.model import (
    Counts,
    DataFile,
    DataInterval,
    DetectorInfo,
    Example,
    Health,
    ReferenceInfo,
    Report,
    read_report,
)
from drift_monitor.scoring import BatchScores, rejected_table, score_batch
from drift_monitor.store import PAGE, REJECTED, REPORT, RUN, SCORES, Store
from drift_monitor.verdict import decide

if TYPE_CHECKING:
    from adversarial.detector import AdversarialDetector

SCORING = "scoring.json"
"""What scoring leaves in the staging directory for the report; not published."""

ROW_GROUP_ROWS = 65_536
QUANTILES = 501
THUMBNAIL_PIXELS = 128
FEATURES_SHOWN = 8
REASONS_SHOWN = 3
AGREEMENT_EXPECTED = 0.99

Progress = Callable[[int, int], None]


def score_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    token: str,
    detector: "AdversarialDetector | None" = None,
    progress: Progress | None = None,
) -> Path:
    """Score the interval's batch into a staging directory. The one step that needs TensorFlow.

    Parameters
    ----------
    monitor : Monitor
        The monitored model.
    interval : Interval
        Which batch.
    token : str
        Names the run; the same token gives the same staging directory.
    detector : AdversarialDetector, optional
        The monitor's detector, where it is loaded already.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    Path
        The staging directory, with `scores.parquet` (no outcomes yet), `rejected.parquet` and
        what the report needs of the scoring.

    Raises
    ------
    DriftMonitorError
        If the batch or the bundle is missing or broken. Nothing is left behind.
    """
    started = time.monotonic()
    bundle = read_bundle(monitor.detector)
    batch = Batch(monitor.batch_path(interval), monitor.data, bundle.manifest.input)
    if detector is None:
        from adversarial.detector import AdversarialDetector

        detector = AdversarialDetector.load(monitor.detector, monitor.trust)
    store = Store(monitor.directory)
    staging = store.staging(interval.id, token)
    try:
        scores = BatchScores()
        _write_scores(staging / SCORES, detector, batch, scores, monitor, progress)
        pq.write_table(rejected_table(scores.rejected), staging / REJECTED)
        summary = {
            "fingerprint": detector.fingerprint,
            "files": [vars(file) for file in batch.files],
            "n_read": batch.n_rows,
            "examples": _examples(detector, scores),
            "seconds": time.monotonic() - started,
        }
        (staging / SCORING).write_text(json.dumps(summary), encoding="utf-8")
    except BaseException:
        store.discard(staging)
        raise
    return staging


def write_report(monitor: Monitor, interval: Interval, staging: Path) -> Report:
    """Judge the scores in a staging directory; complete them and add `report.json` and the page."""
    started = time.monotonic()
    if not (staging / SCORING).exists():
        raise StoreError(
            f"{staging} is gone: the interval has been published, or its run was cleaned up; score "
            "it again (in Airflow, clear the run from score_batch on)"
        )
    with hold(monitor.detector):
        bundle = read_bundle(monitor.detector)
        reference = bundle.reference()
    manifest = bundle.manifest
    summary = json.loads((staging / SCORING).read_text(encoding="utf-8"))
    if bundle.fingerprint != summary["fingerprint"]:
        raise StoreError(
            f"{monitor.detector} has been replaced since {interval.id} was scored: score it again "
            "(in Airflow, clear the run from score_batch on)"
        )
    scores = pq.read_table(staging / SCORES)
    rejected = Counter(pq.read_table(staging / REJECTED)["reason"].to_pylist())

    findings = analyse(
        scores, reference, manifest.class_names, monitor.data.segments, monitor.policy
    )
    scores = _with_outcome(scores, findings)
    counts = Counts(
        read=summary["n_read"],
        scored=len(scores),
        rejected=rejected.total(),
        flagged=int(np.count_nonzero(np.asarray(scores["flagged"]))),
        labelled=findings.n_labelled,
    )
    quantiles = np.quantile(
        np.asarray(reference["adversarial_score"]), np.linspace(0, 1, QUANTILES)
    )
    report = Report(
        drift_monitor_version=__version__,
        monitor=monitor.name,
        interval=interval.id,
        data_interval=DataInterval(start=interval.start, end=interval.end),
        detector=DetectorInfo(
            path=str(monitor.detector),
            fingerprint=bundle.fingerprint,
            class_names=list(manifest.class_names),
            threshold=manifest.threshold,
            fpr=manifest.fpr,
            temperature=manifest.temperature,
        ),
        data=[DataFile(**file) for file in summary["files"]],
        reference=ReferenceInfo(
            kind="fixed",
            n=len(reference),
            n_labelled=len(reference) - reference["label"].null_count
            if "label" in reference.column_names
            else 0,
            score_quantiles=[float(q) for q in quantiles],
        ),
        counts=counts,
        verdict=decide(counts, findings.harm, findings.tests, monitor.policy),
        harm=findings.harm,
        tests=findings.tests,
        localisation=findings.localisation,
        corrections=findings.corrections,
        examples=[_example(fields, scores) for fields in summary["examples"]],
        detector_health=_health(counts, scores, reference, rejected, monitor.data),
        policy=monitor.policy.model_dump(mode="json"),
    )
    run = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "process": os.getpid(),
        "python": platform.python_version(),
        "scoring_seconds": round(summary["seconds"], 3),
        "report_seconds": round(time.monotonic() - started, 3),
    }
    _write_table(scores, staging / SCORES)
    (staging / PAGE).write_text(render_report(report, scores), encoding="utf-8")
    (staging / RUN).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    (staging / REPORT).write_text(report.to_json(), encoding="utf-8")
    return report


def publish(monitor: Monitor, interval: Interval, staging: Path) -> Path:
    """Commit what a staging directory holds and bring the monitor's index up to date.

    Once done it may be called again: a retry finds the interval committed.

    Returns
    -------
    Path
        The interval's directory.
    """
    store = Store(monitor.directory)
    if staging.exists():
        (staging / SCORING).unlink(missing_ok=True)
        store.publish(staging, interval.id)
    elif not store.is_committed(interval.id):
        raise StoreError(f"{staging} is gone and {interval.id} is not committed: score it again")
    write_index(monitor)
    return monitor.directory / interval.id


def run_interval(
    monitor: Monitor,
    interval: Interval,
    *,
    detector: "AdversarialDetector | None" = None,
    progress: Progress | None = None,
) -> Report:
    """Score, report and publish one interval. Errors as in `score_interval`."""
    store = Store(monitor.directory)
    staging = score_interval(
        monitor, interval, token=uuid.uuid4().hex[:8], detector=detector, progress=progress
    )
    try:
        report = write_report(monitor, interval, staging)
        publish(monitor, interval, staging)
    except BaseException:
        store.discard(staging)
        raise
    return report


def rerender(monitor: Monitor, interval: str) -> Path:
    """Write a committed interval's page anew from its `report.json` and `scores.parquet` alone."""
    directory = monitor.directory / interval
    report = read_report(directory / REPORT)
    store = Store(monitor.directory)
    store.write(directory / PAGE, render_report(report, pq.read_table(directory / SCORES)))
    return directory / PAGE


def write_index(monitor: Monitor) -> Path:
    """Write the monitor's `index.html` anew from its committed reports; names unreadable ones."""
    store = Store(monitor.directory)
    with store.locked():
        reports, unreadable = [], []
        for name in store.committed():
            try:
                reports.append(read_report(monitor.directory / name / REPORT))
            except StoreError as error:  # one damaged report must not stop the others' index
                unreadable.append(str(error))
        page = render_index(monitor.name, reports, unreadable)
        store.write(monitor.directory / "index.html", page)
    return monitor.directory / "index.html"


def _write_scores(
    path: Path,
    detector: "AdversarialDetector",
    batch: Batch,
    scores: BatchScores,
    monitor: Monitor,
    progress: Progress | None,
) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for table in score_batch(
            detector,
            batch,
            scores,
            batch_size=monitor.batch_size,
            n_examples=monitor.examples,
        ):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
            if progress:
                progress(scores.n_scored + len(scores.rejected), batch.n_rows)
    finally:
        if writer:
            writer.close()


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP_ROWS)


def _with_outcome(scores: pa.Table, findings: Findings) -> pa.Table:
    codes = findings.outcome
    words = pa.array(["harmless", "harmful"]).take(
        pa.array(codes.astype(np.int64), mask=codes == LEFT_OUT)
    )
    if "outcome" in scores.column_names:  # an earlier attempt at this report got as far as here
        scores = scores.drop_columns("outcome")
    at = scores.schema.get_field_index("corrected_prediction") + 1
    return scores.add_column(at, "outcome", words)


def _examples(detector: "AdversarialDetector", scores: BatchScores) -> list[dict[str, Any]]:
    """Return position, pictures or features of the rows of highest score, the highest first."""
    if not scores.examples:
        return []
    worst = sorted(scores.examples, reverse=True)
    x = np.stack([example.x for example in worst])
    reconstructions = detector.reconstruct(x)
    spec = detector.input_spec
    # Features have units of their own: a change is large beside its feature's spread.
    spread = np.sqrt((x.var(axis=0) + reconstructions.var(axis=0)) / 2)
    moves = np.abs(reconstructions - x) / np.where(spread > 0, spread, 1)
    found = []
    for example, row, reconstruction, move in zip(worst, x, reconstructions, moves, strict=True):
        fields: dict[str, Any] = {"position": -example.position}
        if row.ndim == 3 and row.shape[2] in (1, 3, 4):
            fields["image"] = _data_url(row, spec)
            fields["reconstruction"] = _data_url(reconstruction, spec)
        elif row.ndim == 1:
            names = spec.feature_names or tuple(map(str, range(len(row))))
            moved = np.argsort(-move, kind="stable")[:FEATURES_SHOWN]
            fields["values"] = [
                {
                    "name": names[i],
                    "value": float(row[i]),
                    "reconstruction": float(reconstruction[i]),
                }
                for i in moved
            ]
        found.append(fields)
    return found


def _data_url(image: NDArray[np.float32], spec: InputSpec) -> str:
    low, high = spec.value_range
    pixels = np.clip((image - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _example(fields: dict[str, Any], scores: pa.Table) -> Example:
    row = scores.slice(fields["position"], 1).to_pylist()[0]
    reference = ["row_id"] if "row_id" in row else ["file", "row"]
    return Example(
        row={name: "(missing)" if row[name] is None else row[name] for name in reference},
        prediction=row["prediction"],
        corrected_prediction=row["corrected_prediction"],
        confidence=row["confidence"],
        adversarial_score=row["adversarial_score"],
        flagged=row["flagged"],
        outcome=row["outcome"],
        label=row.get("label"),
        image=fields.get("image"),
        reconstruction=fields.get("reconstruction"),
        values=fields.get("values", []),
    )


def _health(
    counts: Counts,
    scores: pa.Table,
    reference: pa.Table,
    rejected: Counter[str],
    data: DataConfig,
) -> Health:
    warnings = []
    agreement = None
    if "logged_prediction" in scores.column_names:
        logged = scores["logged_prediction"].to_numpy(zero_copy_only=False)
        own = scores["prediction"].to_numpy(zero_copy_only=False)
        given = np.asarray(scores["logged_prediction"].is_valid())
        if given.any():
            agreement = float(np.mean(logged[given] == own[given]))
            if agreement < AGREEMENT_EXPECTED:
                warnings.append(
                    f"The logged prediction is the detector's classifier's on only "
                    f"{agreement:.1%} of rows: the bundle may not hold the model that is in "
                    "production, or its input is prepared differently there."
                )
    if counts.rejected:
        reasons = "; ".join(
            f"{reason} ({n:,})" for reason, n in rejected.most_common(REASONS_SHOWN)
        )
        warnings.append(
            f"{counts.rejected:,} of {counts.read:,} rows could not be scored: {reasons}. "
            "rejected.parquet lists them."
        )
    if data.label and counts.scored and not counts.labelled:
        warnings.append(
            f"No row has a label in column {data.label!r} (data.label), so harm is judged by the "
            "detector alone."
        )
    return Health(
        flagged_share_reference=float(np.mean(np.asarray(reference["flagged"]))),
        flagged_share_current=counts.flagged / counts.scored if counts.scored else None,
        logged_agreement=agreement,
        rejected_share=counts.rejected / counts.read,
        warnings=warnings,
    )
