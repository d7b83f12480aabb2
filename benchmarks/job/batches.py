"""Batches for the benchmarks of whole jobs, and the detectors and monitors that score them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from adversarial.bundle.manifest import NOVELTY, REFERENCE_INPUTS, SAMPLE
from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from benchmarks.images import DIRECTORY

DATE = "2026-11-20"
REPORTS = DIRECTORY / "reports"
WRONG_EVERY = 12
"""Every twelfth logged prediction is another class than the label."""
N_CLASSES = 10
IMAGE_GROUP_ROWS = 1_000

COLUMNS = [f"column_{number:02d}" for number in range(30)]
FLAT_GROUP_ROWS = 100_000
FLAT_CLASSES = ["low", "high"]
SEED = 20


def image_monitor(images: Path, detector: Path, rows: int, name: str) -> Path:
    """Write a batch of images and its monitor, and return the monitor's YAML file.

    Parameters
    ----------
    images : Path
        Parquet file of PNG images with labels, repeated as often as needed.
    detector : Path
        The bundle.
    rows : int
        How many rows.
    name : str
        Of the monitor. Monitors of as many rows share the batch.
    """
    batch = _write_batch(f"images-{rows}", _image_tables(images, rows), IMAGE_GROUP_ROWS)
    return _write_monitor(name, detector, batch, {"input": "image"})


def flat_monitor(detector: Path, rows: int, name: str) -> Path:
    """Write a batch of flat rows and its monitor; parameters as in `image_monitor`."""
    batch = _write_batch(f"flat-{rows}", _flat_tables(rows), FLAT_GROUP_ROWS)
    return _write_monitor(name, detector, batch, {"input": COLUMNS})


def without_inputs(detector: Path) -> Path:
    """Return a copy of a bundle that looks at no inputs: no novelty, no descriptors or columns."""
    path = DIRECTORY / f"{detector.name}-without-inputs"
    rewrite_bundle(
        read_bundle(detector), path, replaced=frozenset({NOVELTY, REFERENCE_INPUTS, SAMPLE})
    )
    return path


def flat_rows(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows of 30 columns, (n, 30), of several scales and shapes, and their classes, (n,)."""
    rng = np.random.default_rng([SEED, seed])
    x = rng.standard_normal((n, len(COLUMNS)), np.float32)
    y = (x[:, :4].sum(axis=1) + x[:, 4] * x[:, 5] + rng.normal(0, 0.7, n) > 0).astype(np.int64)
    x[:, 10:20] = np.exp(x[:, 10:20])
    x[:, 20:25] = np.round(3 * x[:, 20:25])
    return x * np.logspace(-2, 4, len(COLUMNS), dtype=np.float32), y


def _write_batch(name: str, tables: Iterator[pa.Table], group_rows: int) -> Path:
    """Write the files of a batch and return its directory, which the date is part of a path in."""
    directory = DIRECTORY / name
    path = directory / f"{DATE}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first, group_rows)
        for table in tables:
            writer.write_table(table, group_rows)
    return directory


def _write_monitor(name: str, detector: Path, batch: Path, data: dict[str, Any]) -> Path:
    monitor = {
        "name": name,
        "detector": str(detector.resolve()),
        "reports": str(REPORTS.resolve()),
        "data": {
            "path": f"{batch.resolve()}/{{date}}.parquet",
            "row_id": "request_id",
            "prediction": "prediction",
            "label": "label",
            **data,
        },
    }
    path = DIRECTORY / f"{name}.yaml"
    path.write_text(yaml.safe_dump(monitor, sort_keys=False), encoding="utf-8")
    return path


def _image_tables(images: Path, rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a batch, at most one copy of the images at a time."""
    source = pq.read_table(images, columns=["image", "label"]).replace_schema_metadata()
    for start in range(0, rows, len(source)):
        part = source.slice(0, rows - start)
        label = part["label"].to_numpy()
        ids = np.arange(start, start + len(part))
        prediction = np.where(ids % WRONG_EVERY, label, (label + 1) % N_CLASSES)
        yield pa.table({"image": part["image"]} | _names(ids, prediction, label))


def _flat_tables(rows: int) -> Iterator[pa.Table]:
    for start in range(0, rows, FLAT_GROUP_ROWS):
        ids = np.arange(start, min(start + FLAT_GROUP_ROWS, rows))
        x, y = flat_rows(len(ids), seed=1 + start)
        label = np.array(FLAT_CLASSES)[y]
        prediction = np.where(ids % WRONG_EVERY, label, np.array(FLAT_CLASSES)[1 - y])
        yield pa.table(dict(zip(COLUMNS, x.T.copy(), strict=True)) | _names(ids, prediction, label))


def _names(ids: NDArray[Any], prediction: NDArray[Any], label: NDArray[Any]) -> dict[str, Any]:
    return {
        "request_id": [f"request-{i:08d}" for i in ids],
        "prediction": prediction,
        "label": label,
    }
