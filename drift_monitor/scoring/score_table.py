"""Scores of a batch: one table row per input row, streamed, and the rows that score highest."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from adversarial.runtimes.runtime import rows_per_pass
from adversarial.support.novelty import Described
from drift_monitor.batches.batch import Batch, Chunk, Rejected
from drift_monitor.batches.class_labels import class_indices
from drift_monitor.config import DataConfig
from drift_monitor.results.score_columns import (
    REJECTED_SCHEMA,
    ScoreColumn,
    id_text,
    make_score_table,
    segment_column,
)
from drift_monitor.scoring.diverse_examples import ScoredExample, keep_examples
from drift_monitor.scoring.input_summary import InputSummary
from drift_monitor.scoring.row_sample import RowSample

if TYPE_CHECKING:
    from adversarial.detector.scorer import Prediction, Scorer


@dataclass
class BatchScores:
    """What streaming over a batch collects, filled as `score_batch` is consumed.

    Attributes
    ----------
    n_scored : int
        Rows scored.
    rejected : list of Rejected
        Rows that could not be scored.
    examples : list of ScoredExample
        The rows to show, at most as many as asked for, in any order (`diverse_examples`).
    inputs : InputSummary, optional
        What the inputs are, where the detector keeps those of its reference.
    sample : RowSample
        Rows with what describes them, where the detector has an index of novelty.
    """

    n_scored: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    examples: list[ScoredExample] = field(default_factory=list)
    inputs: InputSummary | None = None
    sample: RowSample = field(default_factory=RowSample)


def score_batch(
    detector: Scorer,
    batch: Batch,
    scores: BatchScores,
    *,
    batch_size: int | None = None,
    n_examples: int = 0,
) -> Generator[pa.Table]:
    """Yield the score table of the batch chunk by chunk: the columns of `score_chunk`.

    While one chunk is worked on here, or by whoever takes the tables, the rows of the next passes
    run through the models, and those after them are read and decoded. Memory does not grow with the
    batch, except for the list of rejected rows.

    Parameters
    ----------
    detector : Scorer
        Scores the rows.
    batch : Batch
        The rows.
    scores : BatchScores
        Filled meanwhile.
    batch_size : int, optional
        Rows of a pass; `adversarial.runtimes.runtime.rows_per_pass` when not given.
    n_examples : int
        At most so many rows are kept to be shown.
    """
    size = batch.rows_at_once(batch_size or rows_per_pass(detector.input_spec.shape))
    predicted = _predicted(detector, batch.chunks(size), size)
    # All cores are busy already: threads of BLAS would wait for each other, and for a core.
    with closing(predicted), threadpool_limits(1, "blas"):
        for chunk, result in predicted:
            scores.rejected += chunk.rejected
            table, described = _score(detector, chunk, batch.data, result)
            if described is not None:
                scores.sample.add(scores.n_scored, table, described)
            if scores.inputs:
                scores.inputs.add(chunk)
            if n_examples:
                n_classes = len(detector.class_names)
                keep_examples(
                    scores.examples,
                    result.score,
                    result.prediction * n_classes + result.reconstruction_prediction,
                    chunk.x,
                    first=scores.n_scored,
                    most=n_examples,
                )
            scores.n_scored += len(chunk.x)
            yield table


def _predicted(
    detector: Scorer, chunks: Generator[Chunk], size: int
) -> Generator[tuple[Chunk, Prediction]]:
    """Yield each chunk with the detector's output, whose passes are of rows of several files."""
    most = detector.runtime.passes_at_once
    pending: deque[tuple[list[Chunk], Future[Prediction]]] = deque()
    with closing(chunks), ThreadPoolExecutor(most, thread_name_prefix="predict") as pool:
        try:
            for group in _passes(chunks, size):
                x = group[0].x if len(group) == 1 else np.concatenate([c.x for c in group])
                pending.append((group, pool.submit(detector.predict, x)))
                if len(pending) > most:
                    yield from _divided(*pending.popleft())
            while pending:
                yield from _divided(*pending.popleft())
        finally:
            for _, future in pending:
                future.cancel()


def _divided(
    group: list[Chunk], predicted: Future[Prediction]
) -> Iterator[tuple[Chunk, Prediction]]:
    """Yield the chunks of a pass, each with its part of the output, once it is there."""
    result, first = predicted.result(), 0
    for chunk in group:
        stop = first + len(chunk.x)
        yield chunk, result if len(group) == 1 else result.take(slice(first, stop))
        first = stop


def _passes(chunks: Iterator[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Yield chunks that were cut to have `size` rows together, as they were read."""
    group: list[Chunk] = []
    n = 0
    for chunk in chunks:
        group.append(chunk)
        n += len(chunk.x) + len(chunk.rejected)
        if n >= size:
            yield group
            group, n = [], 0
    if group:
        yield group


def score_chunk(detector: Scorer, chunk: Chunk, data: DataConfig) -> pa.Table:
    """Return the score table of one chunk.

    Columns: the row id (or `file` and `row` where there is none), what the detector says
    (`results.score_columns.SCORED`), and, where the monitor names them, the timestamp, the logged
    prediction, the label, the prediction on the clean twin and the segments. Row ids are text,
    timestamps UTC. Classes are given by name. `prediction` is the classifier's own, computed here.
    """
    return _score(detector, chunk, data, detector.predict(chunk.x))[0]


def _score(
    detector: Scorer, chunk: Chunk, data: DataConfig, result: Prediction
) -> tuple[pa.Table, Described | None]:
    """Return the score table, and what describes the rows if the detector has a novelty index."""
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    if data.row_id:
        columns[ScoreColumn.ROW_ID] = id_text(chunk.columns[data.row_id])
    else:
        columns[ScoreColumn.FILE] = pa.repeat(chunk.file, len(chunk.rows))
        columns[ScoreColumn.ROW] = pa.array(chunk.rows)
    if data.timestamp:
        columns[ScoreColumn.TIMESTAMP] = chunk.columns[data.timestamp]
    scored = result.to_table(detector.class_names)
    columns |= dict(zip(scored.column_names, scored.columns, strict=True))
    index, described = detector.calibration.novelty, None
    if index is not None:
        rows = index.description(chunk.x, result.features)
        novelty = index.novelty(rows)
        columns[ScoreColumn.NOVELTY] = pa.array(novelty)
        columns[ScoreColumn.NOVEL] = pa.array(novelty > 1)
        described = index.principal(rows)
    columns |= class_columns(chunk, data, detector.class_names)
    for segment in data.segments:
        columns[segment_column(segment)] = chunk.columns[segment]
    return make_score_table(columns), described


def class_columns(
    chunk: Chunk, data: DataConfig, class_names: Sequence[str]
) -> dict[str, pa.Array]:
    """Return the classes that a batch says itself, by name: logged predictions, labels, twins'.

    Raises
    ------
    BatchError
        If a value is not a class; names file, row and value.
    """
    names = pa.array(class_names, pa.string())
    columns: dict[str, pa.Array] = {}
    for name, source in (
        (ScoreColumn.LOGGED_PREDICTION, data.prediction),
        (ScoreColumn.LABEL, data.label),
        (ScoreColumn.CLEAN_PREDICTION, data.clean_prediction),
    ):
        if not source:
            continue
        if source not in chunk.columns.column_names:
            columns[name] = pa.nulls(len(chunk.x), pa.string())
            continue
        classes = class_indices(chunk.columns[source], class_names, source, chunk)
        columns[name] = names.take(pa.array(classes, mask=classes < 0))
    return columns


def rejected_table(rejected: list[Rejected]) -> pa.Table:
    """Return the content of `rejected.parquet`."""
    return pa.Table.from_pylist([vars(r) for r in rejected], REJECTED_SCHEMA)
