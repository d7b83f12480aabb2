"""A candidate against the current detector on the same rows: what gets better, what worse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from adversarial.bundle.threshold import correct_flagged
from adversarial.reporting.terminal_table import format_table
from adversarial.statistics import roc_area
from drift_monitor.stats.estimates import PairedDifference
from drift_monitor.stats.paired_differences import (
    difference_of_areas,
    difference_of_means,
)
from drift_monitor.stats.proportions import difference_of_shares

CURRENT, CANDIDATE = "current", "candidate"
ALPHA = 0.05
"""1 − joint confidence of all intervals in a comparison."""

Verdict = Literal["better", "equal", "worse", "undecided"]
Values = NDArray[np.bool_] | NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]
"""For each row: hit or not; a mean over severities; or its scores before and after the attack."""

HIGHER_IS_BETTER = {
    "accuracy_clean": True,
    "accuracy_defended_clean": True,
    "flagged_clean": False,
    "accuracy_defended": True,
    "undetected_error": False,
    "auc": True,
}
"""What is compared, by its name in `adversarial.evaluation.attack_metrics`.

Each detector has its own threshold. `accuracy_defended` corrects flagged rows; `undetected_error`
refuses them.
"""


class Measure(NamedTuple):
    """What was measured: a metric, without an attack, or under an attack or a corruption."""

    metric: str
    attack: str | None = None
    threat_model: str | None = None
    corruption: str | None = None

    @property
    def condition(self) -> str:
        """What was done to the rows, in words."""
        return " ".join(part for part in self[1:] if part) or "no attack"


@dataclass(frozen=True)
class Change:
    """One measure of both detectors.

    Attributes
    ----------
    measure : Measure
        What was measured.
    current, candidate : float
        Values of the metric.
    difference : PairedDifference
        Candidate minus current, with an interval that holds for all measures at once.
    """

    measure: Measure
    current: float
    candidate: float
    difference: PairedDifference

    @property
    def gain(self) -> tuple[float, float]:
        """Ends of the interval for how much better the candidate is; below 0 it is worse."""
        low, high = self.difference.low, self.difference.high
        return (low, high) if HIGHER_IS_BETTER[self.measure.metric] else (-high, -low)


@dataclass(frozen=True)
class Comparison:
    """The verdict on a candidate, and what it is based on.

    Attributes
    ----------
    verdict : {"better", "equal", "worse", "undecided"}
        See `compare`.
    reason : str
        Why, in a sentence.
    changes : list of Change
        All measures.
    n : int
        Rows.
    """

    verdict: Verdict
    reason: str
    changes: list[Change]
    n: int

    def describe(self) -> str:
        """Return the table of all measures as lines of text."""
        numbers = ("current", "candidate", "difference", "interval", "detectable")
        rows = []
        for change in self.changes:
            result = change.difference
            low, high = change.gain
            rows.append(
                [
                    "worse" if high < 0 else "better" if low > 0 else "",
                    change.measure.condition,
                    change.measure.metric,
                    f"{change.current:.4f}",
                    f"{change.candidate:.4f}",
                    f"{result.estimate:+.4f}",
                    f"{result.low:+.4f} to {result.high:+.4f}",
                    f"{result.detectable:.4f}",
                ]
            )
        return format_table(["", "condition", "metric", *numbers], rows, right=numbers)


def describe(measures: dict[Measure, Values]) -> str:
    """Return what was measured for one detector as lines of text."""
    rows = [
        [what.condition, what.metric, f"{_value(values):.4f}"] for what, values in measures.items()
    ]
    return format_table(["condition", "metric", "value"], rows, right=["value"])


def measure(rows: pa.Table, defence: str, threshold: float) -> dict[Measure, Values]:
    """Return what a detector does on each row of an evaluation.

    Parameters
    ----------
    rows : pyarrow.Table
        `rows.parquet` of an evaluation (`adversarial.evaluation.experiment`).
    defence : str
        Which detector. Attacks that target a detector count only if they target this one.
    threshold : float
        Its threshold in nats.
    """
    of_defence = (pc.field("defence") == defence) & (
        pc.field("target").is_null() | (pc.field("target") == defence)
    )
    own = rows.filter(of_defence).sort_by([("row", "ascending"), ("severity", "ascending")])
    result: dict[Measure, Values] = {}
    for attack, threat_model, corruption in _conditions(rows):
        part = own.filter(
            _equals("attack", attack)
            & _equals("threat_model", threat_model)
            & _equals("corruption", corruption)
        )
        label = part["label"].to_numpy()
        before = _Answers.of(part, "_clean", threshold)
        after = _Answers.of(part, "", threshold)
        n = len(pc.unique(part["row"]))
        first = slice(None, None, len(part) // n)
        if not result:
            result = {
                Measure("accuracy_clean"): (before.prediction == label)[first],
                Measure("accuracy_defended_clean"): (before.corrected == label)[first],
                Measure("flagged_clean"): before.flagged[first],
            }
        place = (attack, threat_model, corruption)
        hits = {
            "accuracy_defended": after.corrected == label,
            "undetected_error": ~after.flagged & (after.prediction != label),
        }
        for metric, of_rows in hits.items():
            result[Measure(metric, *place)] = (
                of_rows.reshape(n, -1).mean(axis=1) if corruption else of_rows
            )
        if attack:
            result[Measure("auc", *place)] = (before.score, after.score)
    return result


def compare(
    current: dict[Measure, Values],
    candidate: dict[Measure, Values],
    *,
    margin: float = 0.0,
    tolerance: float = 0.05,
) -> Comparison:
    """Return the verdict on a candidate, the first that holds.

    - `worse`: a measure's interval lies wholly on the worse side, beyond the margin;
    - `undecided`: a measure's interval includes losses above the tolerance, so there are too few
      rows to tell;
    - `better`: a measure's interval lies wholly on the better side, and none on the worse;
    - `equal`.

    All k intervals hold at once with 95 % confidence (Bonferroni: each at 1 − 0.05/k), so a
    candidate that is no worse is refused by chance in at most one of twenty comparisons, however
    much is measured.

    Parameters
    ----------
    current, candidate : dict
        From `measure`, on the same rows; every measure in `current` is compared.
    margin, tolerance : float
        In the units of the measures, which are shares.
    """
    alpha = ALPHA / len(current)
    changes = [
        Change(
            what,
            _value(values),
            _value(candidate[what]),
            _difference(values, candidate[what], alpha),
        )
        for what, values in current.items()
    ]
    flagged = current[Measure("flagged_clean")]
    n = len(flagged)
    verdict, reason = _decide(changes, n, margin, max(margin, tolerance))
    return Comparison(verdict, reason, changes, n)


def _decide(
    changes: Sequence[Change], n: int, margin: float, tolerance: float
) -> tuple[Verdict, str]:
    worse = [change for change in changes if change.gain[1] < -margin]
    if worse:
        beyond = f" by more than {margin:g}" if margin else ""
        return "worse", f"the candidate is worse{beyond} in {_names(worse)}"
    unsure = [change for change in changes if change.gain[0] < -tolerance]
    if unsure:
        widest = min(unsure, key=lambda change: change.gain[0])
        reach = (widest.difference.high - widest.difference.low) / 2
        needed = max(int(np.ceil(n * (reach / tolerance) ** 2)), n + 1)
        return "undecided", (
            f"undecided: {n:,} rows are too few to tell. The candidate may be worse by "
            f"{-widest.gain[0]:.4f} in {_names([widest])}, where nothing below "
            f"{widest.difference.detectable:.4f} is detectable, and a loss of {tolerance:g} must "
            f"not go unnoticed; about {needed:,} rows would do"
        )
    better = [change for change in changes if change.gain[0] > 0]
    lost = [change for change in changes if change.gain[1] < 0]
    if better and not lost:
        return "better", f"the candidate is better in {_names(better)}, and worse in nothing"
    return "equal", (
        f"the candidate is equal: no loss beyond {margin:g} is seen, and none of {tolerance:g} is "
        "hidden"
    )


def _names(changes: Sequence[Change]) -> str:
    return ", ".join(f"{c.measure.metric} ({c.measure.condition})" for c in changes)


@dataclass(frozen=True)
class _Answers:
    """What a detector says about rows, by its own threshold."""

    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    prediction: NDArray[np.int64]
    corrected: NDArray[np.int64]

    @classmethod
    def of(cls, rows: pa.Table, when: str, threshold: float) -> "_Answers":
        score, prediction, reconstructed = (
            rows[f"{name}{when}"].to_numpy()
            for name in ("score", "prediction", "reconstruction_prediction")
        )
        flagged, corrected = correct_flagged(score, threshold, prediction, reconstructed)
        return cls(score, flagged, prediction, corrected)


def _conditions(rows: pa.Table) -> Iterator[tuple[str | None, str | None, str | None]]:
    names = ["attack", "threat_model", "corruption"]
    result = rows.group_by(names, use_threads=False).aggregate([])
    yield from zip(*(result[name].to_pylist() for name in names), strict=True)


def _equals(column: str, value: str | None) -> pc.Expression:
    return pc.field(column).is_null() if value is None else pc.field(column) == value


def _value(values: Values) -> float:
    return roc_area(*values) if isinstance(values, tuple) else float(values.mean())


def _difference(first: Values, second: Values, alpha: float) -> PairedDifference:
    if isinstance(first, tuple) and isinstance(second, tuple):
        return difference_of_areas(first, second, alpha)
    one, other = np.asarray(first), np.asarray(second)
    if one.dtype == np.bool_:
        return difference_of_shares(one.astype(np.bool_), other.astype(np.bool_), alpha)
    return difference_of_means(one.astype(np.float64), other.astype(np.float64), alpha)
