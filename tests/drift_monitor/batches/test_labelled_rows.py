"""The rows that detectors are evaluated on: drawn by a seed, counted, refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import read_bundle
from adversarial.errors import DriftMonitorError
from drift_monitor.batches import labelled_rows as evaluation_rows
from drift_monitor.batches.labelled_rows import evaluation_batch, read_rows
from drift_monitor.config import Monitor
from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
from drift_monitor.evaluation_config import EvaluationConfig
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch
from tests.support.evaluations import rows_of, with_rows


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    return with_rows(make_monitor)


def test_rows_that_cannot_be_used_are_counted_and_left_out(make_monitor: MakeMonitor) -> None:
    monitor = with_rows(make_monitor)
    path = Path(rows_of(monitor))
    table = pq.read_table(path)
    images = table["image"].to_pylist()
    labels: list[str | None] = [CLASSES[label] for label in table["label"].to_pylist()]
    images[3], labels[5], labels[6] = b"no image", None, None
    table = table.set_column(1, "image", pa.array(images)).set_column(3, "label", pa.array(labels))
    pq.write_table(table, path, row_group_size=64)
    bundle = read_bundle(monitor.detector)
    batch = evaluation_batch(monitor, bundle.manifest.input)
    section = EvaluationConfig(path=str(path))
    found = read_rows(batch, CLASSES, section)
    assert found.counts.model_dump() == {
        "read": 300,
        "rejected": 1,
        "unlabelled": 2,
        "evaluated": 297,
    }
    expected = np.delete(make_images(300, seed=9)[1], [3, 5, 6])
    np.testing.assert_array_equal(found.y, expected)


def test_the_seed_draws_the_rows_however_they_are_read(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = evaluation_batch(monitor, read_bundle(monitor.detector).manifest.input)
    images, labels = make_images(300, seed=9)

    def draw(limit: int | None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        section = EvaluationConfig(path=rows_of(monitor), limit=limit, seed=seed)
        found = read_rows(batch, CLASSES, section)
        return found.x, found.y

    x, y = draw(50)
    assert x.shape == (50, 8, 8, 1)
    at = [int(np.flatnonzero((images == np.round(row[..., 0] * 255)).all((1, 2)))[0]) for row in x]
    assert at == sorted(at)
    np.testing.assert_array_equal(y, labels[at])
    assert not np.array_equal(draw(50, seed=1)[0], x)
    assert len(draw(None)[0]) == 300
    monkeypatch.setattr(evaluation_rows, "CHUNK_ROWS", 7)
    again, _ = draw(50)
    np.testing.assert_array_equal(again, x)


def test_rows_without_labels_are_refused(monitor: Monitor) -> None:
    write_batch(Path(rows_of(monitor)), make_images(10, seed=9)[0])
    with pytest.raises(DriftMonitorError, match=r"no column 'label' \(data.label\): an evaluation"):
        evaluate_bundles(monitor, find_bundles(monitor, None))
    assert not monitor.directory.exists()


def test_no_usable_row_is_an_error_that_counts(monitor: Monitor) -> None:
    path = Path(rows_of(monitor))
    write_batch(path, make_images(10, seed=9)[0], np.full(10, -1))
    with pytest.raises(DriftMonitorError, match=r"0 of 10 rows can be used.*10 have no label"):
        evaluate_bundles(monitor, find_bundles(monitor, None))
