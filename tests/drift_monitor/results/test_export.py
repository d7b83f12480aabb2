"""The long table of a monitor's history."""

import dataclasses
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from drift_monitor.results.export import METRICS, SCHEMA, history_table, measurements
from drift_monitor.results.report import Report
from tests.support.reports.cases import SMALL, Case
from tests.support.reports.make import history, make

KEY = ["interval", "metric", "by", "slice"]
DOCS = Path(__file__).resolve().parents[3] / "docs"
CASES = [
    Case(),
    Case(labels=True, trailing=3),
    Case("no_drift", accuracy_estimator=False, segments=()),
    Case("insufficient_data", rows=0, examples=0),
    Case(input="flat"),
    Case("drift_harm_unknown"),
]


def rows(report: Report) -> list[dict[str, object]]:
    found: list[dict[str, object]] = history_table([report]).to_pylist()
    return found


def value(report: Report, metric: str, part: str | None = None) -> dict[str, object]:
    (row,) = (r for r in rows(report) if r["metric"] == metric and r["slice"] == part)
    return row


@pytest.mark.parametrize("case", CASES)
def test_each_row_is_of_one_metric_and_part_and_each_metric_is_explained(case: Case) -> None:
    table = history_table([make(case)[0]])
    assert table.schema == SCHEMA
    keys = [tuple(row[name] for name in KEY) for row in table.to_pylist()]
    assert max(Counter(keys).values()) == 1
    assert set(table["metric"].to_pylist()) <= set(METRICS)


def test_every_metric_occurs_somewhere() -> None:
    found = {row.metric for case in CASES for row in measurements(make(case)[0])}
    assert found == set(METRICS)


@pytest.mark.parametrize("case", CASES)
def test_there_is_a_row_for_each_test_made_or_not(case: Case) -> None:
    report = make(case)[0]
    for metric, tests in (
        ("test_effect", report.tests),
        ("test_p_value", report.tests),
        ("test_p_value_adjusted", [test for test in report.tests if test.in_family]),
    ):
        found = {row["slice"]: row["value"] for row in rows(report) if row["metric"] == metric}
        field = metric.removeprefix("test_")
        assert found == {test.name: getattr(test, field) for test in tests}


def test_numbers_are_those_of_the_report() -> None:
    report = make(Case(labels=True))[0]
    harm, score = report.harm.current, report.test("score")
    assert harm
    whole = value(report, "harm_rate")
    assert (whole["value"], whole["low"], whole["high"], whole["n"]) == (
        *(harm.rate, harm.low, harm.high),
        harm.n,
    )
    assert value(report, "harm_rate_difference")["threshold"] == report.harm.margin
    effect = value(report, "test_effect", "score")
    assert (effect["value"], effect["n"]) == (score.effect, score.n_current)
    assert effect["threshold"] == score.threshold
    assert value(report, "test_p_value_adjusted", "score")["threshold"] == 0.05
    assert value(report, "rows_scored")["value"] == report.counts.scored
    median = next(q.score for q in report.score_quantiles if q.probability == 0.5)
    assert value(report, "score_quantile", "0.5")["value"] == median
    part = report.slices[0]
    assert value(report, "row_share", part.value)["value"] == part.share_current
    assert value(report, "accuracy_realised")["value"] == report.accuracy.realised.current.rate  # type: ignore[union-attr]


def test_what_a_report_lacks_has_no_row() -> None:
    bare = make(CASES[2])[0]
    metrics = {row["metric"] for row in rows(bare)}
    assert not metrics & {"accuracy_estimated", "accuracy_realised"}
    empty = {row["metric"]: row["value"] for row in rows(make(CASES[3])[0])}
    assert empty["rows_scored"] == 0
    assert "harm_rate" not in empty
    assert "flagged_share" not in empty


def test_intervals_are_in_the_order_of_time_and_each_is_whole() -> None:
    reports = history(5)
    together = history_table(reports[::-1])
    assert together.equals(pa.concat_tables([history_table([report]) for report in reports]))
    assert together.equals(history_table(reports))


def test_hostile_names_stay_what_they_are() -> None:
    word = '"a",\n\\<b>;= '
    report = make(dataclasses.replace(SMALL, rows=400, word=word, segments=(("x", 2),)))[0]
    found = {row["by"] for row in rows(report)}
    assert f"{word}x" in found


@pytest.mark.parametrize("name", [*SCHEMA.names, *METRICS])
def test_columns_and_metrics_are_documented(name: str) -> None:
    assert f"`{name}`" in (DOCS / "files.md").read_text(encoding="utf-8")
