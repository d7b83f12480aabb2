"""Score tables as scoring makes them: segments beside the detector's own columns."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adversarial import AdversarialDetector
from adversarial.bundle.calibration import Calibration
from adversarial.detector.scorer import Prediction
from drift_monitor.batches.batch import Chunk
from drift_monitor.config import DataConfig
from drift_monitor.scoring.score_table import BatchScores, score_batch, score_chunk
from tests.conftest import MakeMonitor
from tests.support.analysis.score_tables import CLASSES
from tests.support.job.monitors import prepare


@pytest.mark.parametrize(
    "segment", ["label", "prediction", "row", "flagged", "reconstruction_prediction"]
)
def test_a_segment_column_never_replaces_a_score_column(segment: str) -> None:
    result = Prediction(
        prediction=np.array([0, 1]),
        defended_prediction=np.array([0, 1]),
        reconstruction_prediction=np.array([0, 1]),
        confidence=np.array([0.9, 0.8], np.float32),
        entropy=np.array([0.3, 0.5]),
        reconstruction_confidence=np.array([0.9, 0.8], np.float32),
        score=np.array([0.1, 0.2]),
        flagged=np.array([False, False]),
    )
    detector: Any = SimpleNamespace(
        class_names=CLASSES, predict=lambda _: result, calibration=Calibration()
    )
    columns = pa.table({"label": [2, 1]} | {segment: [2, 1]})
    chunk = Chunk("b.parquet", np.arange(2), np.zeros((2, 2), np.float32), columns)
    data = DataConfig(path="b.parquet", input="x", label="label", segments=[segment])
    plain = score_chunk(detector, chunk, data.model_copy(update={"segments": []}))
    table = score_chunk(detector, chunk, data)
    assert table.select(plain.column_names).equals(plain)


def test_scoring_holds_a_bounded_number_of_rows(make_monitor: MakeMonitor) -> None:
    """The stream is consumed as it is made: never more chunks are decoded than run ahead."""
    from drift_monitor.batches.batch import CHUNKS_AHEAD, Batch

    monitor, interval = prepare(make_monitor, n=640)
    detector = AdversarialDetector.load(monitor.detector)
    batch = Batch(monitor.batch_path(interval), monitor.data, detector.input_spec)
    decoded = 0
    decode = batch._decode

    def counting(*arguments: object) -> object:
        nonlocal decoded
        decoded += 1
        return decode(*arguments)  # type: ignore[arg-type]

    batch._decode = counting  # type: ignore[assignment, method-assign]
    scored = 0
    for table in score_batch(detector, batch, BatchScores(), batch_size=16):
        scored += len(table)
        assert decoded <= scored // 16 + CHUNKS_AHEAD + 2  # one of them in the models
    assert scored == 640
