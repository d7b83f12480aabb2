"""Compare two committed results: two intervals, or two detectors on the same rows."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.runtimes.guard_figures import ScoredBy
from adversarial.statistics import mcnemar_test
from drift_monitor.analysis.harm import HARMFUL, LEFT_OUT, JudgedRows, read_outcomes
from drift_monitor.errors import ComparisonError
from drift_monitor.results.read import Result
from drift_monitor.results.report import Report, ScoreQuantile
from drift_monitor.results.report_findings import ReportModel, TwoSampleTest
from drift_monitor.results.score_columns import ScoreColumn, make_score_table, row_keys
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.estimates import Estimate, Rate
from drift_monitor.stats.ks import ks_test
from drift_monitor.stats.proportions import difference_of_shares, rate, rate_difference

ALPHA = 0.05
"""1 − confidence of each interval in a comparison."""
TENSORFLOW = ScoredBy(runtime="tensorflow", precision="float32")
"""What scored intervals whose report does not say it."""


class Paired(ReportModel):
    """A property of the rows that are in both results, compared row by row."""

    n: int
    agree: float
    only_a: int
    only_b: int
    difference: Estimate
    p_value: float


class SameRows(ReportModel):
    """The comparison on the rows that are in both results."""

    n: int
    only_in_a: int
    only_in_b: int
    same_prediction: float
    flagged: Paired
    harmful: Paired | None
    correct: Paired | None


class Side(ReportModel):
    """What one of the two reports says."""

    directory: str
    monitor: str
    interval: str
    start: datetime
    end: datetime
    detector: str
    verdict: str
    rows_read: int
    rows_scored: int
    harm_by: str
    harm: Rate | None
    accuracy_realised: Rate | None
    accuracy_estimated: float | None
    flagged: Rate | None
    score_quantiles: list[ScoreQuantile]
    tests: list[TwoSampleTest]


class ScoreDistance(ReportModel):
    """The two-sample KS test between the scores of A and of B, with an interval for D."""

    statistic: float
    low: float
    high: float
    location: float
    p_value: float
    p_value_is_bound: bool
    n_a: int
    n_b: int


class IntervalComparison(ReportModel):
    """Two results compared. Differences are B minus A, with 95 % intervals.

    `same_rows` is given where both results are from the same data. Its differences use the pairing
    of rows, so their intervals are narrower than those of the differences outside it.
    """

    a: Side
    b: Side
    harm_difference: Estimate | None
    accuracy_difference: Estimate | None
    flagged_difference: Estimate | None
    score_distance: ScoreDistance | None
    same_rows: SameRows | None
    notes: list[str]

    def to_json(self) -> str:
        """Return the comparison as JSON text."""
        return self.model_dump_json(indent=2) + "\n"


def compare_results(a: Result, b: Result) -> IntervalComparison:
    """Compare two results.

    Parameters
    ----------
    a, b : Result
        Two intervals, or one interval by two detectors.

    Raises
    ------
    ComparisonError
        If their detectors have different classes.
    """
    names, others = (result.report.detector.class_names for result in (a, b))
    if sorted(names) != sorted(others):
        raise ComparisonError(
            f"{a.directory} and {b.directory} are of detectors with different classes (only in "
            f"the first: {_only(names, others)}; only in the second: {_only(others, names)}): "
            "compare results with the same classes"
        )
    one, other = (_judged_rows(result, tuple(names)) for result in (a, b))
    sides = _side(a, one), _side(b, other)
    same_harm_by = a.report.harm.by == b.report.harm.by
    notes = _notes(a.report, b.report)
    same_rows = None
    if _data(a.report) == _data(b.report):
        keys = content_keys(a), content_keys(b)
        if any(len(key.unique()) < len(key) or key.null_count for key in keys):
            notes.append(
                "the data are the same, but row ids repeat or are missing: rows are not paired"
            )
        else:
            same_rows = compare_same_rows(keys, one, other, same_harm_by=same_harm_by)
            if not same_rows:
                notes.append(
                    "the data are the same, but rows are named differently: no rows are paired"
                )
    return IntervalComparison(
        a=sides[0],
        b=sides[1],
        harm_difference=_difference(sides[0].harm, sides[1].harm) if same_harm_by else None,
        accuracy_difference=_difference(sides[0].accuracy_realised, sides[1].accuracy_realised),
        flagged_difference=_difference(sides[0].flagged, sides[1].flagged),
        score_distance=_distance(one.rows, other.rows),
        same_rows=same_rows,
        notes=notes,
    )


def _judged_rows(result: Result, names: tuple[str, ...]) -> JudgedRows:
    """Return a result's rows, with classes numbered by `names`, and its report's outcomes."""
    outcome = read_outcomes(result.scores[ScoreColumn.OUTCOME])
    return JudgedRows(ScoredRows.of(result.scores, names, ()), outcome)


def _only(names: list[str], others: list[str]) -> str:
    return ", ".join(sorted(set(names) - set(others))) or "none"


def _side(result: Result, rows: JudgedRows) -> Side:
    report = result.report
    realised, estimated = report.accuracy.realised.current, report.accuracy.estimated
    harm = report.harm.current
    return Side(
        directory=str(result.directory),
        monitor=report.monitor,
        interval=report.interval,
        start=report.data_interval.start,
        end=report.data_interval.end,
        detector=report.detector.fingerprint,
        verdict=report.verdict.verdict,
        rows_read=report.counts.read,
        rows_scored=report.counts.scored,
        harm_by=report.harm.by,
        harm=rate(harm.count, harm.n, ALPHA) if harm else None,
        accuracy_realised=rate(realised.count, realised.n, ALPHA) if realised else None,
        accuracy_estimated=estimated.current.estimate if estimated else None,
        flagged=rate(int(np.count_nonzero(rows.rows.flagged)), len(rows.rows), ALPHA),
        score_quantiles=report.score_quantiles,
        tests=report.tests,
    )


def _difference(a: Rate | None, b: Rate | None) -> Estimate | None:
    return rate_difference(b, a) if a and b else None


def _distance(a: ScoredRows, b: ScoredRows) -> ScoreDistance | None:
    one, other = (side.score[side.finite] for side in (a, b))
    if not len(one) or not len(other):
        return None
    result = ks_test(one, other, ALPHA)
    return ScoreDistance(
        statistic=result.statistic,
        low=result.low,
        high=result.high,
        location=result.location,
        p_value=result.p_value,
        p_value_is_bound=result.p_value_is_bound,
        n_a=result.n_reference,
        n_b=result.n_current,
    )


def _notes(a: Report, b: Report) -> list[str]:
    notes = []
    if a.harm.by != b.harm.by:
        notes.append(
            f"harm is judged by {a.harm.by} in A and by {b.harm.by} in B: the rates mean "
            "different things and are not compared"
        )
    if a.detector.fingerprint != b.detector.fingerprint:
        notes.append(
            "the detectors differ, so scores and flags differ because of them too, not only "
            "because of the data"
        )
    if (one := _scored_by(a)) != (other := _scored_by(b)):
        notes.append(
            f"A was scored by {one}, B by {other}: scores differ a little because of that too "
            "(scored_by.guard in report.json says by how much at most)"
        )
    if a.monitor != b.monitor and _data(a) != _data(b):
        notes.append("two monitors and two sets of data: differences have no single cause")
    return notes


def _scored_by(report: Report) -> str:
    """Return what computed a report's scores, as text."""
    return (report.scored_by or TENSORFLOW).describe()


def _data(report: Report) -> list[str]:
    return sorted(file.sha256 for file in report.data)


def content_keys(result: Result) -> pa.Array:
    """Return a key for each row of a result, which names its file by content.

    The same data may lie in two places.
    """
    scores = result.scores
    if ScoreColumn.ROW_ID not in scores.column_names:
        seen: dict[str, int] = {}
        content = {}
        for file in result.report.data:
            place = seen[file.sha256] = seen.get(file.sha256, -1) + 1
            content[file.path] = f"{file.sha256} {place}"
        file = scores[ScoreColumn.FILE].cast(pa.string())
        files = pc.index_in(file, pa.array(list(content), pa.string()))
        named = pa.array(list(content.values()), pa.string()).take(files.combine_chunks())
        scores = make_score_table({ScoreColumn.FILE: named, ScoreColumn.ROW: scores["row"]})
    return row_keys(scores)


def compare_same_rows(
    keys: tuple[pa.Array, pa.Array], a: JudgedRows, b: JudgedRows, *, same_harm_by: bool
) -> SameRows | None:
    """Compare two results on the rows that are in both, or return None where there are none.

    Parameters
    ----------
    keys : pair of pyarrow.Array
        From `content_keys`, of A and of B, each without repeats.
    a, b : JudgedRows
        The rows.
    same_harm_by : bool
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
        flagged=compare_paired(a.rows.flagged[here], b.rows.flagged[there]),
        harmful=compare_paired(
            a.outcome[here][judged] == HARMFUL, b.outcome[there][judged] == HARMFUL
        )
        if same_harm_by and judged.any()
        else None,
        correct=compare_paired(a.rows.correct[here][labelled], b.rows.correct[there][labelled])
        if labelled.any()
        else None,
    )


def compare_paired(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Paired:
    """Compare a property of the same n rows, n at least 1: B minus A.

    p is from McNemar's exact test: under its null hypothesis, half of the rows that differ are
    hits in A, and half in B.

    Examples
    --------
    >>> a, b = np.array([True, True, False, False]), np.array([True, False, False, True])
    >>> found = compare_paired(a, b)
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
        difference=Estimate(estimate=change.estimate, low=change.low, high=change.high),
        p_value=mcnemar_test(a, b),
    )
