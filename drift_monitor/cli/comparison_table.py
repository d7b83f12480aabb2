"""A comparison of two results as tables of text."""

from collections.abc import Callable
from itertools import chain

from drift_monitor.analysis.interval_comparison import IntervalComparison, Paired, Side
from drift_monitor.formatting import DASH, count, fixed, p_text, percent, points, significant
from drift_monitor.results.report_findings import TwoSampleTest
from drift_monitor.stats.estimates import Estimate, Rate

Rows = list[tuple[str, ...]]


def side_by_side(found: IntervalComparison) -> Rows:
    """Return what the two reports say: (what, A, B)."""
    lines: list[tuple[str, Callable[[Side], str]]] = [
        ("monitor", lambda side: side.monitor),
        ("interval", lambda side: side.interval),
        ("detector", lambda side: side.detector[:12]),
        ("verdict", lambda side: side.verdict),
        ("rows scored", lambda side: f"{count(side.rows_scored)} of {count(side.rows_read)}"),
        ("harm is judged by", lambda side: side.harm_by),
        ("harm rate", lambda side: _rate(side.harm)),
        ("accuracy realised", lambda side: _rate(side.accuracy_realised)),
        ("accuracy estimated", lambda side: percent(side.accuracy_estimated)),
        ("flagged", lambda side: _rate(side.flagged)),
    ]
    rows: Rows = [(what, text(found.a), text(found.b)) for what, text in lines]
    quantiles = [{q.probability: q.score for q in side.score_quantiles} for side in _sides(found)]
    for probability in sorted(set(chain(*quantiles))):
        scores = [significant(side.get(probability)) for side in quantiles]
        rows.append((f"score, {probability:.0%} quantile", *scores))
    tests = [{test.name: test for test in side.tests} for side in _sides(found)]
    for name in dict.fromkeys(chain(*tests)):
        rows.append((f"test {name}", *(_test(side.get(name)) for side in tests)))
    return rows


def differences(found: IntervalComparison) -> Rows:
    """Return how B differs from A: (what, difference, 95 % interval, p)."""
    rows: Rows = [
        (what, *_points(difference), "")
        for what, difference in (
            ("harm rate, points", found.harm_difference),
            ("accuracy realised, points", found.accuracy_difference),
            ("flagged, points", found.flagged_difference),
        )
        if difference
    ]
    if distance := found.score_distance:
        rows.append(
            (
                "D of the scores",
                fixed(distance.statistic),
                f"{fixed(distance.low)} to {fixed(distance.high)}",
                p_text(distance.p_value, bound=distance.p_value_is_bound),
            )
        )
    return rows


def on_same_rows(found: IntervalComparison) -> Rows:
    """Return the comparison on the rows that both results have.

    (what, rows, share on which they agree, only in A, only in B, difference, interval, McNemar's p)
    """
    same = found.same_rows
    if not same:
        return []
    named: list[tuple[str, Paired | None]] = [
        ("flagged", same.flagged),
        ("harmful", same.harmful),
        ("correct", same.correct),
    ]
    return [
        (
            what,
            count(paired.n),
            percent(paired.agree),
            count(paired.only_a),
            count(paired.only_b),
            *_points(paired.difference),
            p_text(paired.p_value),
        )
        for what, paired in named
        if paired
    ]


def _sides(found: IntervalComparison) -> tuple[Side, Side]:
    return found.a, found.b


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return DASH
    return f"{percent(rate.rate)} ({percent(rate.low)} to {percent(rate.high)})"


def _test(test: TwoSampleTest | None) -> str:
    if test is None or test.skipped:
        return DASH
    p_value = test.p_value if test.p_value_adjusted is None else test.p_value_adjusted
    text = f"{fixed(test.effect)}, p {p_text(p_value, bound=test.p_value_is_bound)}"
    return f"{text}, drift" if test.drift_detected else text


def _points(difference: Estimate) -> tuple[str, str]:
    return points(difference.estimate), f"{points(difference.low)} to {points(difference.high)}"
