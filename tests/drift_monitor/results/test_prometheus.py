"""An interval's numbers in Prometheus' text form."""

import dataclasses
import math
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from drift_monitor.results.export import measurements
from drift_monitor.results.prometheus import registry, write_metrics
from drift_monitor.results.report import Report
from tests.support.reports.cases import Case
from tests.support.reports.make import make

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
CASE = Case(labels=True)


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def written(report: Report) -> Samples:
    return samples(generate_latest(registry(report)).decode())


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    labels = {"monitor": CASE.monitor, **labels}
    return f"drift_monitor_{name}", frozenset(labels.items())


def test_values_are_those_of_the_report() -> None:
    report = make(CASE)[0]
    found, harm = written(report), report.harm.current
    assert harm
    whole = {"harm_by": "labels", "by": "", "slice": ""}
    assert found[sample("harm_rate", **whole)] == harm.rate
    assert found[sample("harm_rate_low", **whole)] == harm.low
    assert found[sample("harm_rate_high", **whole)] == harm.high
    assert found[sample("harm_rate_difference_threshold", **whole)] == report.harm.margin
    part = next(part for part in report.slices if part.current)
    labels = {"harm_by": "labels", "by": part.by, "slice": part.value}
    assert part.current
    assert found[sample("harm_rate", **labels)] == part.current.rate
    assert found[sample("test_effect", test="score")] == report.test("score").effect
    assert found[sample("rows_scored")] == report.counts.scored
    assert found[sample("score_quantile", quantile="0.5")] > 0
    end = report.data_interval.end.timestamp()
    assert found[sample("interval_end_timestamp_seconds")] == end
    assert found[sample("detector_info", fingerprint=report.detector.fingerprint)] == 1


def test_one_verdict_holds() -> None:
    found = written(make(CASE)[0])
    verdicts = {key: value for key, value in found.items() if key[0] == "drift_monitor_verdict"}
    assert len(verdicts) == 6
    assert sum(verdicts.values()) == 1
    assert verdicts[sample("verdict", verdict="harmful_drift")] == 1


@pytest.mark.parametrize("case", [CASE, Case("insufficient_data", rows=0, examples=0)])
def test_every_number_of_the_export_is_there_and_none_is_missing(case: Case) -> None:
    report = make(case)[0]
    found = written(report)
    assert not any(math.isnan(value) for value in found.values())
    numbers = sum(
        value is not None for row in measurements(report) for value in (*row[1:4], row.threshold)
    )
    assert len(found) == numbers + 2 + 1 + 6  # start and end, detector, verdicts


@pytest.mark.parametrize("word", ['"', "\\", "\n", "}", 'a="b",c', "\\n", "é ", "{x}\t"])
def test_hostile_names_come_back_as_they_were(word: str) -> None:
    case = dataclasses.replace(CASE, word=word)
    report = make(case)[0]
    found = written(report)
    for part in report.slices:
        labels = {"harm_by": "labels", "by": part.by, "slice": part.value}
        if part.current:
            assert found[sample("harm_rate", **labels)] == part.current.rate


def test_a_segment_that_is_named_like_a_test_is_none() -> None:
    report = make(CASE)[0].model_copy(deep=True)
    for part in report.slices:
        part.by = "test"
    report.slices = report.slices[:2]
    found = written(report)
    value = report.slices[0].value
    share = found[sample("row_share", by="test", slice=value)]
    assert share == report.slices[0].share_current


def test_metrics_have_help_and_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "drift.prom"
    path.write_text("old")
    report = make(CASE)[0]
    write_metrics(report, path)
    text = path.read_text(encoding="utf-8")
    assert samples(text) == written(report)
    names = {key[0] for key in samples(text)}
    assert all(f"# HELP {name} " in text and f"# TYPE {name} gauge" in text for name in names)
    assert [p.name for p in tmp_path.iterdir()] == ["drift.prom"]
    with pytest.raises(OSError, match="nowhere"):
        write_metrics(report, tmp_path / "nowhere" / "drift.prom")
