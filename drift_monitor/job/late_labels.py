"""Labels that arrive after the batch, joined to its score table by row."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift_monitor.errors import LabelError
from drift_monitor.results.score_columns import ScoreColumn, row_keys, with_column
from drift_monitor.scoring.scored_rows import Classes


@dataclass(frozen=True)
class LabelRows:
    """Rows of label files that have a label, n in all.

    Attributes
    ----------
    key : pyarrow.Array of string
        Names the labelled row, as `row_keys` does. A key may recur with the same label.
    label : (n,) int64
        Class numbers.
    source : (n,) int64
        Number of the file that each label is from.
    unlabelled : int
        How many further rows of the files have no label.
    """

    key: pa.Array
    label: Classes
    source: NDArray[np.int64]
    unlabelled: int

    @classmethod
    def of(cls, keys: list[pa.Array], labels: list[Classes], places: list[str]) -> Self:
        """Return the rows of files that do not contradict each other.

        Parameters
        ----------
        keys : list of pyarrow.Array
            Keys of the rows of each file, null where there is none.
        labels : list of int64 arrays
            Their classes, −1 where a row has no label.
        places : list of str
            The files' names, for errors.

        Raises
        ------
        LabelError
            If a label has no key, or one key has two labels; names files, rows and both labels.
        """
        key = pa.chunked_array(keys, pa.string()).combine_chunks()
        label = np.concatenate(labels)
        source = np.repeat(np.arange(len(keys)), [len(part) for part in keys])
        row = np.concatenate([np.arange(len(part)) for part in keys])
        kept = np.flatnonzero(label >= 0)
        key = key.take(pa.array(kept))
        if key.null_count:
            at = kept[int(np.asarray(key.is_null()).argmax())]
            raise LabelError(
                f"{places[source[at]]}, row {row[at]}: it has a label, but no id (or file and row) "
                "to say whose; fill it in or drop the row"
            )
        result = cls(key, label[kept], source[kept], len(label) - len(kept))
        first = np.asarray(pc.index_in(key, key.unique()), np.int64)
        _, first_place = np.unique(first, return_index=True)
        contradicting = np.flatnonzero(result.label != result.label[first_place[first]])
        if len(contradicting):
            late = int(contradicting[0])
            early = int(first_place[first[late]])
            one, other = (kept[at] for at in (early, late))
            raise LabelError(
                f"{places[source[one]]}, row {row[one]} and {places[source[other]]}, row "
                f"{row[other]}: {key[late].as_py()!r} has two labels, classes {label[one]} and "
                f"{label[other]}; keep the right one"
            )
        return result

    def within(self, scores: pa.Table) -> NDArray[np.bool_]:
        """Return which labels are for rows in a score table (its key columns suffice)."""
        return np.asarray(pc.is_in(self.key, value_set=row_keys(scores)))


def with_labels(
    scores: pa.Table, labels: LabelRows, class_names: tuple[str, ...]
) -> tuple[pa.Table, int]:
    """Return a score table with these labels, and how many of its rows they name.

    They replace earlier labels; rows that they do not name keep theirs.

    Parameters
    ----------
    scores : pyarrow.Table
        The content of `scores.parquet`.
    labels : LabelRows
        The labels.
    class_names : tuple of str
        The detector's.

    Raises
    ------
    LabelError
        If a label names an id that several rows have.

    Examples
    --------
    >>> scores = pa.table({"row_id": ["a", "b", "c"], "label": [None, "cat", "cat"]})
    >>> labels = LabelRows.of([pa.array(["b", "a", "x"])], [np.array([1, 0, 0])], ["f"])
    >>> table, named = with_labels(scores, labels, ("cat", "dog"))
    >>> table["label"].to_pylist(), named
    (['cat', 'dog', 'cat'], 2)
    """
    keys = row_keys(scores)
    at = pc.index_in(keys, value_set=labels.key)
    meant = keys.filter(at.is_valid())
    if len(meant) != pc.count_distinct(meant).as_py():
        counts = meant.value_counts()
        most = counts[int(np.argmax(counts.field("counts")))].as_py()
        raise LabelError(
            f"{most['counts']:,} scored rows have the id {most['values']!r}, so a label does not "
            "say which is meant: give each row an id of its own (data.row_id)"
        )
    names = pa.array(class_names, pa.string())
    given = names.take(pa.array(labels.label).take(at))
    named = len(given) - given.null_count
    if ScoreColumn.LABEL in scores.column_names:
        given = pc.coalesce(given, scores[ScoreColumn.LABEL].cast(pa.string()).combine_chunks())
    return with_column(scores, ScoreColumn.LABEL, given), named


def with_kept_labels(
    scores: pa.Table, before: pa.Table, changed: Collection[str]
) -> tuple[pa.Table, int]:
    """Return a score table with the labels that an earlier table of the same interval has.

    If the batch is unchanged, it keeps all of them. If it has changed, its own labels come first; a
    row without one keeps its earlier label if its name is unique in both tables.

    Parameters
    ----------
    scores : pyarrow.Table
        The table as scoring returns it.
    before : pyarrow.Table
        The earlier one.
    changed : collection of str
        Files of the batch that are new or have changed. A row in one of these that is named by file
        and row is no longer the same row.

    Returns
    -------
    pyarrow.Table, int
        The table, and how many of its rows have the label they had before.

    Examples
    --------
    >>> before = pa.table({"row_id": ["a", "b", "c"], "label": ["cat", "dog", None]})
    >>> scores = pa.table({"row_id": ["b", "a", "d"], "label": [None, "dog", None]})
    >>> table, kept = with_kept_labels(scores, before, {"batch.parquet"})
    >>> table["label"].to_pylist(), kept
    (['dog', 'dog', None], 1)
    """
    by_id = ScoreColumn.ROW_ID in before.column_names
    if ScoreColumn.LABEL not in before.column_names:
        return scores, 0
    if by_id != (ScoreColumn.ROW_ID in scores.column_names):
        return scores, 0
    keys, known = row_keys(scores), row_keys(before)
    label = before[ScoreColumn.LABEL].cast(pa.string()).combine_chunks()
    if not changed and keys.equals(known):
        return with_column(scores, ScoreColumn.LABEL, label), len(label) - label.null_count
    is_kept = pc.and_(label.is_valid(), _is_single(known))
    if not by_id:
        files = pa.array(sorted(changed), pa.string())
        file = before[ScoreColumn.FILE].cast(pa.string())
        is_kept = pc.and_(is_kept, pc.invert(pc.is_in(file, files)))
        is_kept = is_kept.combine_chunks()
    known, label = known.filter(is_kept), label.filter(is_kept)
    given = label.take(pc.index_in(keys, value_set=known))
    own = pa.nulls(len(keys), pa.string())
    if ScoreColumn.LABEL in scores.column_names:
        own = scores[ScoreColumn.LABEL].cast(pa.string()).combine_chunks()
    given = pc.if_else(_is_single(keys), given, None)
    result = pc.coalesce(own, given)
    kept = pc.sum(pc.equal(result, given)).as_py() or 0
    return (with_column(scores, ScoreColumn.LABEL, result), kept) if kept else (scores, 0)


def _is_single(keys: pa.Array) -> pa.BooleanArray:
    """Return which keys occur only once."""
    counts = keys.value_counts()
    single = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
    return pc.is_in(keys, value_set=single)
