"""The quickstart's week: real Fashion-MNIST test images as seven days of production batches."""

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig, Monitor
from drift_monitor.results.report import VerdictName

if TYPE_CHECKING:
    from adversarial.detector.detector import AdversarialDetector

SEED = 7
FIRST_DAY = date(2026, 11, 16)
ROWS_PER_CLASS = 140
EASY_CLASSES = ("Trouser", "Sandal", "Sneaker", "Bag", "Ankle boot")
"""Classes on which the quickstart's classifier is nearly always right."""

HARD_ROWS_PER_CLASS = 40
NOISE = 0.15
ATTACK_SHARE = 0.05
ATTACK_EPSILON = 0.1
CHANNELS = ("web", "app", "shop")


@dataclass(frozen=True)
class Day:
    """One day of the week that the demo makes.

    Attributes
    ----------
    date : date
        The batch's date.
    what : str
        What was done to the images, in words.
    labelled : bool
        Whether the batch carries labels.
    expected : str
        The right verdict.
    """

    date: date
    what: str
    labelled: bool
    expected: VerdictName


_WEEK: tuple[tuple[str, bool, VerdictName], ...] = (
    ("clean", True, "no_drift"),
    ("clean", False, "no_drift"),
    ("easier classes", True, "harmless_drift"),
    ("clean", False, "no_drift"),
    (f"noise, σ {NOISE:g}", False, "harmful_drift"),
    (f"{ATTACK_SHARE:.0%} attacked", False, "harmful_drift"),
    ("clean", True, "no_drift"),
)
WEEK = tuple(Day(FIRST_DAY + timedelta(days=i), *fields) for i, fields in enumerate(_WEEK))

_CLASS_MIX, _NOISE, _ATTACK = 2, 4, 5


def make_week(images: Path, detector: "AdversarialDetector", monitor: Monitor) -> None:
    """Write the seven batches where the monitor looks for them.

    Each test image is used once. All days but one draw the same number of each class; rows are
    shuffled, spread over the day, and carry the prediction that the classifier made when serving.

    Parameters
    ----------
    images : Path
        The 10,000 test images, in the Hugging Face layout.
    detector : AdversarialDetector
        The quickstart's detector; its classifier is the one in production.
    monitor : Monitor
        Says where the batches go.
    """
    from adversarial.attacks import FGSM

    data = DataConfig(path=str(images), input="image", label="label")
    chunks = list(Batch(data.path, data, detector.input_spec).chunks(4096))
    x = np.concatenate([chunk.x for chunk in chunks])
    y = np.concatenate([np.asarray(chunk.columns["label"]) for chunk in chunks])

    rng = np.random.default_rng(SEED)
    for number, (day, rows) in enumerate(
        zip(WEEK, _allot(y, detector.class_names, rng), strict=True)
    ):
        served = x[rows]
        if number == _NOISE:
            served = served + rng.normal(0, NOISE, served.shape).astype(np.float32)
        if number == _ATTACK:
            attacked = rng.random(len(rows)) < ATTACK_SHARE
            attack = FGSM(ATTACK_EPSILON).run(
                detector.classifier, served[attacked], y[rows][attacked]
            )
            served[attacked] = attack.x_adv
        pixels = np.clip(served * 255, 0, 255).round().astype(np.uint8)
        result = detector.predict(pixels.astype(np.float32) / 255)
        names = np.array(detector.class_names)
        _write_batch(
            Path(monitor.batch_path(monitor.interval(day.date))).parent,
            day,
            pixels[..., 0],
            names[result.prediction],
            y[rows] if day.labelled else None,
            rng,
        )


def _allot(
    y: NDArray[np.int64], class_names: tuple[str, ...], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return the rows of each day, shuffled."""
    days: list[list[NDArray[np.int64]]] = [[] for _ in WEEK]
    for index, name in enumerate(class_names):
        rows = rng.permutation(np.flatnonzero(y == index))
        for number in range(len(WEEK)):
            size = ROWS_PER_CLASS
            if number == _CLASS_MIX:
                easy = name in EASY_CLASSES
                size = (
                    len(y) // 10 - ROWS_PER_CLASS * (len(WEEK) - 1) if easy else HARD_ROWS_PER_CLASS
                )
            days[number].append(rows[:size])
            rows = rows[size:]
    return [rng.permutation(np.concatenate(day)) for day in days]


def _write_batch(
    directory: Path,
    day: Day,
    pixels: NDArray[np.uint8],
    predictions: NDArray[np.str_],
    labels: NDArray[np.int64] | None,
    rng: np.random.Generator,
) -> None:
    """Write one day's rows in two files, as two workers would have."""
    n = len(pixels)
    seconds = np.sort(rng.integers(0, 24 * 3600, n))
    midnight = datetime.combine(day.date, time(), UTC)
    columns: dict[str, pa.Array] = {
        "request_id": pa.array([f"{day.date:%m%d}-{i:05d}" for i in range(n)]),
        "served_at": pa.array(
            [midnight + timedelta(seconds=int(s)) for s in seconds], pa.timestamp("s", "UTC")
        ),
        "channel": pa.array(rng.choice(CHANNELS, n, p=(0.5, 0.4, 0.1))),
        "image": pa.array(
            [{"bytes": _png(image), "path": None} for image in pixels],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
        "prediction": pa.array(predictions),
    }
    if labels is not None:
        columns["label"] = pa.array(labels)
    table = pa.table(columns)
    directory.mkdir(parents=True, exist_ok=True)
    for part, rows in enumerate((slice(0, n // 2), slice(n // 2, n))):
        pq.write_table(
            table.slice(rows.start, rows.stop - rows.start),
            directory / f"part-{part}.parquet",
            row_group_size=500,
        )


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()
