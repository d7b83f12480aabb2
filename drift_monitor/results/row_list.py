"""The rows of an interval that a person should look at, highest score first."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drift_monitor.results.report import Report
from drift_monitor.results.score_columns import ScoreColumn, segment_column, with_column

COLUMNS = (
    ScoreColumn.ROW_ID,
    ScoreColumn.FILE,
    ScoreColumn.ROW,
    ScoreColumn.PREDICTION,
    ScoreColumn.RECONSTRUCTION_PREDICTION,
    ScoreColumn.CORRECTED_PREDICTION,
    ScoreColumn.CONFIDENCE,
    ScoreColumn.SCORE,
    ScoreColumn.PROBABILITY_CORRECT,
    ScoreColumn.FLAGGED,
    ScoreColumn.OUTCOME,
    ScoreColumn.LOGGED_PREDICTION,
    ScoreColumn.LABEL,
)
"""Columns of the list, if the score table has them; the segments follow."""

REDACTED = "(redacted)"
"""Stands for a row id that must not be shown."""


def list_rows(
    report: Report,
    scores: pa.Table,
    *,
    outcome: str | None = None,
    flagged: bool = False,
    random: int | None = None,
    unlabelled: bool = False,
    redact_ids: bool = False,
) -> pa.Table:
    """Return rows of an interval, highest score first; scores that are not finite come last.

    Parameters
    ----------
    report : Report
        The interval's; names the segments.
    scores : pyarrow.Table
        The interval's score table.
    outcome : {"harmful", "harmless"}, optional
        Only rows of this outcome.
    flagged : bool
        Only flagged rows.
    random : int, optional
        Only this many of them, drawn at random, in random order; the same ones each time.
    unlabelled : bool
        Only rows without a label: a second sample of them goes on where the first ended.
    redact_ids : bool
        Whether row ids must not be shown.
    """
    if redact_ids and ScoreColumn.ROW_ID in scores.column_names:
        hidden = pa.repeat(REDACTED, len(scores))
        scores = with_column(scores, ScoreColumn.ROW_ID, hidden)
    if outcome:
        scores = scores.filter(pc.equal(scores[ScoreColumn.OUTCOME], outcome))
    if flagged:
        scores = scores.filter(scores[ScoreColumn.FLAGGED])
    score = pc.if_else(pc.is_finite(scores[ScoreColumn.SCORE]), scores[ScoreColumn.SCORE], None)
    order = pc.array_sort_indices(score, order="descending")
    segments = [segment_column(name) for name in report.config["data"].get("segments", [])]
    shown = [name for name in (*COLUMNS, *segments) if name in scores.column_names]
    if random is not None:
        order = np.random.default_rng(0).permutation(len(scores))
        if unlabelled and ScoreColumn.LABEL in scores.column_names:
            order = order[np.asarray(scores[ScoreColumn.LABEL].is_null())[order]]
        order = order[:random]
    return scores.select(shown).take(order)
