"""Score tables as scoring makes them: segments beside the detector's own columns."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector
from adversarial.bundle.calibration import Calibration
from adversarial.detector.scorer import Prediction
from drift_monitor.batches.batch import CHUNKS_AHEAD, Batch, Chunk
from drift_monitor.config import DataConfig
from drift_monitor.results.score_columns import ScoreColumn
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


@pytest.mark.parametrize("rows_of_a_file", [1, 7, 16, 23])
def test_passes_are_full_whatever_the_files(
    make_monitor: MakeMonitor, rows_of_a_file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, interval = prepare(make_monitor, n=100)
    [whole] = Path(monitor.batch_path(interval)).parent.glob("*.parquet")
    table = pq.read_table(whole)
    whole.unlink()
    for first in range(0, len(table), rows_of_a_file):
        part = whole.with_name(f"part-{first:03d}.parquet")
        pq.write_table(table.slice(first, rows_of_a_file), part, row_group_size=5)
    detector = AdversarialDetector.load(monitor.detector)
    passes: list[int] = []
    predict = detector.predict

    def counting(x: Any) -> Prediction:
        passes.append(len(x))
        return predict(x)

    monkeypatch.setattr(detector, "predict", counting)
    path = str(whole.parent / "*.parquet")
    batch = Batch(path, monitor.data, detector.input_spec)
    found = pa.concat_tables(score_batch(detector, batch, BatchScores(), batch_size=16))
    assert passes == [16] * 6 + [4]
    plain = score_batch(detector, Batch(table, monitor.data, detector.input_spec), BatchScores())
    scores = ScoreColumn.SCORE
    np.testing.assert_allclose(found[scores], pa.concat_tables(plain)[scores], atol=1e-6)


def test_scoring_holds_a_bounded_number_of_rows(make_monitor: MakeMonitor) -> None:
    """The stream is consumed as it is made: never more chunks are decoded than run ahead."""
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
