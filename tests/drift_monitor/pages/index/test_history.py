"""A monitor's history: what is missing, across clock changes too, and which alarms survive."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from drift_monitor.intervals import Interval
from drift_monitor.pages.html import CHARTED, render_index
from drift_monitor.pages.index.history import FDR, summarise
from drift_monitor.pages.index.history_charts import charts
from drift_monitor.results.report import Report
from drift_monitor.stats.multiple_testing import lord
from tests.support.reports.cases import SMALL, Case
from tests.support.reports.make import history, make


def with_p(report: Report, p_value: float | None, verdict: str = "harmful_drift") -> Report:
    changed = report.verdict.model_copy(update={"p_value": p_value, "verdict": verdict})
    return report.model_copy(update={"verdict": changed})


def test_a_gap_is_found_between_its_neighbours() -> None:
    found = summarise(history(12, missing=[3, 4, 9]))
    assert [(gap.first.day, gap.last.day, gap.missing) for gap in found.gaps] == [
        (23, 24, 2),
        (29, 29, 1),
    ]
    assert found.missing == 3


def test_a_day_of_23_or_25_hours_is_no_gap() -> None:
    zone = ZoneInfo("Europe/Berlin")
    base = make(SMALL)[0]
    reports = []
    for first in (date(2026, 3, 27), date(2026, 10, 23)):
        for day in (first + timedelta(days=n) for n in range(5)):
            start, end = (
                datetime(d.year, d.month, d.day, tzinfo=zone)
                for d in (day, day + timedelta(days=1))
            )
            interval = Interval.model_validate_json(
                Interval(start=start, end=end).model_dump_json()
            )
            changes = {"data_interval": interval, "interval": str(day)}
            reports.append(base.model_copy(update=changes))
    found = summarise(reports)
    assert [(gap.first.date(), gap.missing) for gap in found.gaps] == [(date(2026, 4, 1), 205)]


def test_the_marks_are_those_of_the_online_procedure_in_the_order_of_the_intervals() -> None:
    rng = np.random.default_rng(3)
    reports = history(40)
    p_values = [None if i == 5 else float(rng.beta(0.1, 2)) for i in range(40)]
    marked = [with_p(*pair) for pair in zip(reports, p_values, strict=True)]
    expected = [bool(d and d.rejected) for d in lord(p_values, FDR)]
    assert any(expected)
    for order in (range(40), reversed(range(40)), rng.permutation(40)):
        found = summarise([marked[i] for i in order])
        assert [entry.survives for entry in found.entries] == expected
        assert found.surviving == sum(expected)


def test_a_small_p_without_an_alarm_does_not_survive_as_one() -> None:
    report = with_p(make(SMALL)[0], 1e-9, "no_drift")
    found = summarise([report])
    assert (found.alarms, found.surviving) == (0, 0)


def test_where_harm_is_unknown_there_is_an_alarm() -> None:
    found = summarise([with_p(make(SMALL)[0], 1e-9, "drift_harm_unknown")])
    assert (found.alarms, found.surviving) == (1, 1)
    found = summarise([with_p(make(SMALL)[0], None, "drift_harm_unknown")])
    assert (found.alarms, found.surviving) == (1, 0)


def test_intervals_with_harm_and_with_unknown_harm_are_marked_in_ways_of_their_own() -> None:
    reports = history(17)
    verdicts = [report.verdict.verdict for report in reports]
    drawn = next(c for c in charts(reports) if c.title == "Harm rate")
    marks = {mark.legend: mark for mark in drawn.marks}
    harmful, unknown = marks["harmful drift"], marks["harm unknown"]
    assert harmful.path.count("M") == verdicts.count("harmful_drift") == 1
    assert unknown.path.count("M") == verdicts.count("drift_harm_unknown") == 1
    assert harmful.kind != unknown.kind
    assert harmful.tone != unknown.tone


def test_the_bounds_of_accuracy_are_drawn_around_the_estimate() -> None:
    reports = history(12)
    accuracy = next(c for c in charts(reports) if c.title == "Accuracy")
    outer, inner = (mark for mark in accuracy.marks if mark.kind == "area")
    assert outer.legend == "bounds of the estimate"
    assert outer.path != inner.path
    lowest = min(r.accuracy.estimated.bounds.low for r in reports if r.accuracy.estimated)
    assert lowest < 0.1
    assert accuracy.y_ticks[0].text in ("0%", "20%"), "the axis reaches down to the bounds"
    assert "bounds" in accuracy.links[0].text


def test_a_line_breaks_at_a_gap_and_nowhere_else() -> None:
    def pieces(reports: list[Report]) -> int:
        drawn = next(c for c in charts(reports) if c.title == "D of the score")
        line = next(m for m in drawn.marks if m.kind == "thin" and "L" in m.path)
        return line.path.count("M")

    assert pieces(history(12)) == 1
    assert pieces(history(12, missing=[4, 8])) == 3


def test_rates_by_different_splits_are_not_joined() -> None:
    reports = history(9)
    assert [report.harm.by for report in reports[:4]] == [
        "labels",
        "detector",
        "detector",
        "labels",
    ]
    drawn = next(c for c in charts(reports) if c.title == "Harm rate")
    legends = [mark.legend for mark in drawn.marks if mark.legend]
    assert {"by labels", "by detector"} <= set(legends)
    lines = [m.path for m in drawn.marks if m.kind == "thin" and m.tone == "current"]
    joined = [path for path in lines if "L" in path]
    assert [path.count("L") for path in joined] == [3], "pairs of days by the detector, no more"


def test_a_new_detector_is_marked() -> None:
    same = charts(history(1))
    assert all(m.legend != "detector replaced" for c in same for m in c.marks)
    changed = charts(history(10))
    marks = [m for c in changed for m in c.marks if m.legend == "detector replaced"]
    assert len(marks) == len(changed)
    assert all(mark.path.count("M") == 1 for mark in marks)


@pytest.mark.parametrize("length", [timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)])
def test_one_report_is_a_history(length: timedelta) -> None:
    case = Case(rows=200, length=length, start=datetime(2026, 11, 16, tzinfo=UTC), examples=0)
    report = make(case)[0]
    assert len(charts([report])) == 4
    assert summarise([report]).gaps == []


def test_the_latest_intervals_are_drawn_and_all_are_listed() -> None:
    reports = history(CHARTED + 3)
    page = render_index("m", reports, [])
    assert "Only the latest 500 intervals are drawn." in page
    oldest, first_drawn = reports[0].interval, reports[3].interval
    assert page.count(f'{first_drawn}/report.html"') > page.count(f'{oldest}/report.html"') == 2
    assert "Only the latest" not in render_index("m", reports[3:], [])
