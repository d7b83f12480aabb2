"""Two results of the same data, row by row."""

from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import stats

from drift_monitor.harm import HARMFUL, LEFT_OUT, Outcomes
from drift_monitor.late_labels import row_keys
from drift_monitor.paired import difference_of_shares
from drift_monitor.report.model import Difference
from drift_monitor.results import Result
from drift_monitor.scored_rows import ScoredRows

ALPHA = 0.05
"""1 − confidence of all intervals of a comparison."""


class Part(BaseModel):
    """A part of a comparison."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Paired(Part):
    """A property of rows that both results hold: of each row in A, and in B."""

    n: int
    agree: float
    only_a: int
    only_b: int
    difference: Difference
    p_value: float


class SameRows(Part):
    """What is found on the rows that both results hold."""

    n: int
    only_in_a: int
    only_in_b: int
    same_prediction: float
    flagged: Paired
    harmful: Paired | None
    right: Paired | None


class JudgedRows(NamedTuple):
    """A result's rows, with the outcomes that its report stands on."""

    rows: ScoredRows
    outcome: Outcomes

    @classmethod
    def of(cls, result: Result, names: tuple[str, ...]) -> Self:
        """Return the rows of a result, classes being numbers of `names`."""
        words = pa.array(["harmless", "harmful"])
        outcome = pc.fill_null(pc.index_in(result.scores["outcome"], words), LEFT_OUT)
        return cls(ScoredRows.of(result.scores, names, ()), np.asarray(outcome, np.int8))


def content_keys(result: Result) -> pa.Array:
    """Return what names each row of a result, files by their content.

    The same data may lie in two places.
    """
    scores = result.scores
    if "row_id" not in scores.column_names:
        seen: dict[str, int] = {}
        content = {}
        for file in result.report.data:
            place = seen[file.sha256] = seen.get(file.sha256, -1) + 1
            content[file.path] = f"{file.sha256} {place}"
        files = pc.index_in(scores["file"].cast(pa.string()), pa.array(list(content), pa.string()))
        named = pa.array(list(content.values()), pa.string()).take(files.combine_chunks())
        scores = pa.table({"file": named, "row": scores["row"]})
    return row_keys(scores)


def on_same_rows(
    keys: tuple[pa.Array, pa.Array], a: JudgedRows, b: JudgedRows, *, same_split: bool
) -> SameRows | None:
    """Compare two results on the rows that both hold, or return None where there are none.

    Parameters
    ----------
    keys : pair of pyarrow.Array
        From `content_keys`, of A and of B; none twice.
    a, b : JudgedRows
        The rows.
    same_split : bool
        Whether the outcomes mean the same in both.
    """
    at = pc.index_in(keys[0], keys[1])
    here = np.flatnonzero(np.asarray(at.is_valid()))
    if not len(here):
        return None
    there = np.asarray(at.drop_null(), np.int64)
    judged = (a.outcome[here] != LEFT_OUT) & (b.outcome[there] != LEFT_OUT)
    labelled = (a.rows.label[here] >= 0) & (b.rows.label[there] >= 0)
    return SameRows(
        n=len(here),
        only_in_a=len(keys[0]) - len(here),
        only_in_b=len(keys[1]) - len(here),
        same_prediction=float(np.mean(a.rows.prediction[here] == b.rows.prediction[there])),
        flagged=paired(a.rows.flagged[here], b.rows.flagged[there]),
        harmful=paired(a.outcome[here][judged] == HARMFUL, b.outcome[there][judged] == HARMFUL)
        if same_split and judged.any()
        else None,
        right=paired(a.rows.right[here][labelled], b.rows.right[there][labelled])
        if labelled.any()
        else None,
    )


def paired(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Paired:
    """Compare a property of the same n rows, n at least 1: B minus A.

    p is of McNemar's exact test: that of the rows which differ, half are hits in A and half in B.

    Examples
    --------
    >>> found = paired(np.array([True, True, False, False]), np.array([True, False, False, True]))
    >>> found.agree, found.only_a, found.only_b, found.p_value
    (0.5, 1, 1, 1.0)
    """
    only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    discordant = only_a + only_b
    change = difference_of_shares(a, b, ALPHA)
    return Paired(
        n=len(a),
        agree=1 - discordant / len(a),
        only_a=only_a,
        only_b=only_b,
        difference=Difference(estimate=change.estimate, low=change.low, high=change.high),
        p_value=float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0,
    )
