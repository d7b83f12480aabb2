"""Monitors with rows to evaluate their detectors on."""

from typing import Any

import numpy as np

from adversarial import read_bundle
from drift_monitor.batches.batch import Batch
from drift_monitor.batches.labelled_rows import evaluation_batch
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.detectors.candidate import Measure
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, write_batch

FAST = {"attacks": ["fgsm-0.1"], "path": "held_out.parquet"}


def with_rows(make_monitor: MakeMonitor, n: int = 300, **section: Any) -> Monitor:
    path = make_monitor(evaluation=FAST | section)
    write_batch(path.parent / "held_out.parquet", *make_images(n, seed=9))
    return load_monitor(path)


def means(measures: dict[Measure, Any]) -> dict[Measure, float]:
    return {what: float(np.mean(values)) for what, values in measures.items()}


def rows_of(monitor: Monitor) -> str:
    assert monitor.evaluation
    return monitor.evaluation.path


def batch_of(monitor: Monitor) -> Batch:
    return evaluation_batch(monitor, read_bundle(monitor.detector).manifest.input)


def section(monitor: Monitor, **changes: Any) -> Monitor:
    assert monitor.evaluation
    return monitor.model_copy(update={"evaluation": monitor.evaluation.model_copy(update=changes)})
