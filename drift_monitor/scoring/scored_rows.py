"""The columns of a score table as arrays, classes and segments as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift_monitor.results.score_columns import ScoreColumn, segment_column

Classes = NDArray[np.signedinteger]

MISSING = "(missing)"
"""Stands for a null segment."""


@dataclass(frozen=True)
class Segment:
    """A column whose values break the rows down.

    Attributes
    ----------
    values : tuple of str
        The values that occur, in the order of their names.
    codes : (n,) int64
        Index of each row's value among them.
    """

    values: tuple[str, ...]
    codes: NDArray[np.int64]


@dataclass(frozen=True)
class ScoredRows:
    """A score table of n rows.

    Attributes
    ----------
    score, confidence, entropy : (n,) float64
        S(x) in nats, largest M(x), entropy of M(x) in nats.
    finite : (n,) bool
        Whether these three are finite numbers.
    flagged : (n,) bool
        S(x) > t.
    novel : (n,) bool, optional
        Whether a row lies farther from all calibration rows than normal rows do; None where the
        detector has no index of novelty.
    prediction, reconstruction : (n,) int32
        Classes of M(x) and of M(AE(x)).
    logged, label, clean : (n,) int32
        Class served, true class, class of the clean twin; −1 where not given.
    probability_correct, reconstruction_probability_correct : (n,) float64, optional
        From the accuracy estimator: that the prediction, or the class of M(AE(x)), is right.
    segments : dict of str to Segment
        By the segment's name in the monitor.
    """

    score: NDArray[np.float64]
    confidence: NDArray[np.float64]
    entropy: NDArray[np.float64]
    finite: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    novel: NDArray[np.bool_] | None
    prediction: Classes
    reconstruction: Classes
    logged: Classes
    label: Classes
    clean: Classes
    probability_correct: NDArray[np.float64] | None
    reconstruction_probability_correct: NDArray[np.float64] | None
    segments: dict[str, Segment]

    @classmethod
    def of(cls, table: pa.Table, class_names: Sequence[str], segments: Sequence[str]) -> Self:
        """Return the rows of a score table (columns in `results.score_columns`).

        Segments that the table lacks are left out.
        """
        names = pa.array(class_names, pa.string())

        def classes(name: ScoreColumn) -> Classes:
            if name not in table.column_names:
                return np.broadcast_to(np.int32(-1), len(table))
            positions = pc.index_in(table[name].cast(pa.string()), names)
            return np.asarray(pc.fill_null(positions, -1))

        def numbers(name: ScoreColumn) -> NDArray[np.float64]:
            return np.asarray(table[name].cast(pa.float64()))

        def estimates(name: ScoreColumn) -> NDArray[np.float64] | None:
            return numbers(name) if name in table.column_names else None

        score = numbers(ScoreColumn.SCORE)
        confidence, entropy = numbers(ScoreColumn.CONFIDENCE), numbers(ScoreColumn.ENTROPY)
        return cls(
            score=score,
            confidence=confidence,
            entropy=entropy,
            finite=np.isfinite(score) & np.isfinite(confidence) & np.isfinite(entropy),
            flagged=np.asarray(table[ScoreColumn.FLAGGED]),
            novel=(
                np.asarray(table[ScoreColumn.NOVEL])
                if ScoreColumn.NOVEL in table.column_names
                else None
            ),
            prediction=classes(ScoreColumn.PREDICTION),
            reconstruction=classes(ScoreColumn.RECONSTRUCTION_PREDICTION),
            logged=classes(ScoreColumn.LOGGED_PREDICTION),
            label=classes(ScoreColumn.LABEL),
            clean=classes(ScoreColumn.CLEAN_PREDICTION),
            probability_correct=estimates(ScoreColumn.PROBABILITY_CORRECT),
            reconstruction_probability_correct=estimates(
                ScoreColumn.RECONSTRUCTION_PROBABILITY_CORRECT
            ),
            segments={
                name: _segment(table[segment_column(name)])
                for name in segments
                if segment_column(name) in table.column_names
            },
        )

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the rows with these numbers, in this order."""
        arrays = {
            name: values[rows]
            for name, values in vars(self).items()
            if values is not None and name != "segments"
        }
        segments = {
            name: Segment(segment.values, segment.codes[rows])
            for name, segment in self.segments.items()
        }
        return replace(self, **arrays, segments=segments)

    def __len__(self) -> int:
        return len(self.score)

    @property
    def served(self) -> Classes:
        """The class that counts: the one served where it was logged, else what M says now."""
        return np.where(self.logged >= 0, self.logged, self.prediction)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the class that counts is the true one; False without a label."""
        correct: NDArray[np.bool_] = (self.label >= 0) & (self.served == self.label)
        return correct


def _segment(column: pa.ChunkedArray) -> Segment:
    encoded = column.cast(pa.string()).fill_null(MISSING).combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values))
    return Segment(tuple(values[i] for i in order), rank[np.asarray(encoded.indices)])


def align_segments(first: Segment, second: Segment) -> tuple[Segment, Segment]:
    """Return both segments recoded to one list of values, in the order of their names."""
    values = tuple(sorted({*first.values, *second.values}))
    position = {value: at for at, value in enumerate(values)}

    def recode(segment: Segment) -> Segment:
        table = np.array([position[value] for value in segment.values], np.int64)
        return Segment(values, table[segment.codes] if len(segment.codes) else segment.codes)

    return recode(first), recode(second)
