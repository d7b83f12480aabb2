"""Labels that arrive after the batch, and the rows of its score table that they are for."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift_monitor.errors import LabelError
from drift_monitor.results.score_columns import row_keys
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


def find_labels(
    scores: pa.Table, labels: LabelRows, class_names: tuple[str, ...]
) -> pa.StringArray:
    """Return the label of each row of a score table by name, null where none is for it.

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
    >>> find_labels(scores, labels, ("cat", "dog")).to_pylist()
    ['cat', 'dog', None]
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
    return pa.array(class_names, pa.string()).take(pa.array(labels.label).take(at))
