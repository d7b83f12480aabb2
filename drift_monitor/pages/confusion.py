"""Labels against predictions, where there are labels: a matrix, or the most frequent mistakes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drift_monitor.results.score_columns import ScoreColumn

MATRIX_CLASSES = 12
"""With more classes among labels and predictions, only the most frequent mistakes are shown."""

MISTAKES_SHOWN = 12


class Cell(NamedTuple):
    """Rows of one label and one prediction; `share` is of the label's rows."""

    n: int
    share: float
    right: bool


class Row(NamedTuple):
    """The labelled rows of one class: how many, and how they were predicted."""

    label: str
    n: int
    cells: list[Cell]


class Mistake(NamedTuple):
    """A label, another prediction for it, how many rows have both, and their share of the label."""

    label: str
    prediction: str
    n: int
    share: float


class Confusion(NamedTuple):
    """What the page shows of labels against predictions; `others` are mistakes not shown."""

    labelled: int
    served: bool
    columns: list[str]
    rows: list[Row] | None
    mistakes: list[Mistake]
    others: int


def summarise(scores: pa.Table, class_names: Sequence[str]) -> Confusion | None:
    """Return labels against the predictions that were served, or the classifier's.

    Parameters
    ----------
    scores : pyarrow.Table
        The content of `scores.parquet`.
    class_names : sequence of str
        The detector's, in order.

    Returns
    -------
    Confusion or None
        None without a labelled row.
    """
    if ScoreColumn.LABEL not in scores.column_names:
        return None
    served = ScoreColumn.LOGGED_PREDICTION in scores.column_names
    prediction = scores[ScoreColumn.PREDICTION]
    if served:
        prediction = pc.coalesce(scores[ScoreColumn.LOGGED_PREDICTION], prediction)
    names = pa.array(class_names, pa.string())
    label, said = (
        pc.fill_null(pc.index_in(pc.cast(side, pa.string()), names), -1).to_numpy()
        for side in (scores[ScoreColumn.LABEL], prediction)
    )
    known = (label >= 0) & (said >= 0)
    if not known.any():
        return None
    # One number for a pair: a table of all pairs would be large where there are many classes.
    pairs, counts = np.unique(
        label[known].astype(np.int64) * len(class_names) + said[known], return_counts=True
    )
    found = {
        divmod(int(pair), len(class_names)): int(n) for pair, n in zip(pairs, counts, strict=True)
    }
    totals: dict[int, int] = {}
    for (true, _), n in found.items():
        totals[true] = totals.get(true, 0) + n
    mistakes = sorted(
        (
            Mistake(class_names[true], class_names[other], n, n / totals[true])
            for (true, other), n in found.items()
            if true != other
        ),
        key=lambda mistake: -mistake.n,
    )
    involved = sorted({place for pair in found for place in pair})
    rows = None
    if len(involved) <= MATRIX_CLASSES:
        rows = [
            Row(
                class_names[true],
                totals[true],
                [
                    Cell(n := found.get((true, other), 0), n / totals[true], true == other)
                    for other in involved
                ],
            )
            for true in sorted(totals)
        ]
    return Confusion(
        labelled=int(known.sum()),
        served=served,
        columns=[class_names[place] for place in involved],
        rows=rows,
        mistakes=mistakes[:MISTAKES_SHOWN],
        others=len(mistakes[MISTAKES_SHOWN:]),
    )
