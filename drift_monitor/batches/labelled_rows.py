"""The labelled rows that detectors are evaluated on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from adversarial.bundle.manifest import InputSpec
from drift_monitor.batches.batch import Batch
from drift_monitor.batches.class_labels import class_indices
from drift_monitor.config import Monitor
from drift_monitor.errors import BatchError, ConfigError
from drift_monitor.evaluation_config import EvaluationConfig

CHUNK_ROWS = 4096


class RowCounts(BaseModel):
    """Rows of the files. `read` = `rejected` + `unlabelled` + those `evaluated` are drawn from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    read: int
    rejected: int
    unlabelled: int
    evaluated: int


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


def read_rows(batch: Batch, class_names: tuple[str, ...], config: EvaluationConfig) -> LabelledRows:
    """Read labelled rows: all, or `limit` of them drawn by the seed; count the others.

    Raises
    ------
    BatchError
        If a label is not a class of the detector, or fewer than two rows are left.
    """
    label = batch.data.label or ""
    order = np.random.default_rng(config.seed).permutation(batch.n_rows)
    first = batch.first_rows
    limit = batch.n_rows if config.limit is None else config.limit
    # The rows that come first in a random order are kept, so that memory does not grow with files.
    kept = np.empty(0, np.int64)
    x = np.empty((0, *batch.spec.shape), np.float32)
    y = np.empty(0, np.int64)
    rejected = unlabelled = 0
    for chunk in batch.chunks(CHUNK_ROWS):
        if label not in chunk.columns.column_names:
            raise BatchError(
                f"{chunk.file} has no column {label!r} (data.label): an evaluation needs labels; "
                "name files that have them in evaluation.path"
            )
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
