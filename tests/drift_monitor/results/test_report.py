"""`report.json` read back: what is not of this version is refused, with the command to renew it."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drift_monitor.errors import StoreError
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import Report, json_schema, read_report
from drift_monitor.results.store import REPORT
from tests.conftest import MakeMonitor
from tests.support.job.monitors import prepare
from tests.support.reports.cases import SMALL
from tests.support.reports.make import make


def of_version_2(report: dict[str, Any]) -> None:
    report["schema_version"] = "2"


def with_an_old_field(report: dict[str, Any]) -> None:
    report["harm"]["split"] = report["harm"].pop("by")


@pytest.mark.parametrize(
    ("age", "field"),
    [(of_version_2, "schema_version"), (with_an_old_field, "harm.by")],
    ids=["version", "field"],
)
def test_an_old_report_is_refused_with_the_command_that_makes_it_anew(
    age: Callable[[dict[str, Any]], None], field: str, tmp_path: Path
) -> None:
    content = json.loads(make(SMALL)[0].to_json())
    age(content)
    path = tmp_path / "2026-11-20" / REPORT
    path.parent.mkdir()
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StoreError) as error:
        read_report(path)
    assert str(error.value).startswith(f"{path} is not a report of this version ({field}: ")
    command = "drift-monitor backfill MONITOR.yaml --start 2026-11-20 --end 2026-11-20 --overwrite"
    assert command in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"harm":' * 100_000])
def test_what_is_no_report_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / REPORT).write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=f"{tmp_path / REPORT} "):
        read_report(tmp_path / REPORT)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = make(SMALL)[0]
    (tmp_path / REPORT).write_text(report.to_json(), encoding="utf-8")
    assert read_report(tmp_path / REPORT) == report


def test_the_report_is_valid_under_the_published_schema(make_monitor: MakeMonitor) -> None:
    monitor, interval = prepare(make_monitor)
    run_interval(monitor, interval)
    published = Path(inspect.getfile(Report)).with_name("report.schema.json").read_text()
    schema = json.loads(published)
    content = json.loads((monitor.directory / interval.id / "report.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**content, "surprise": 1})


def test_the_published_schema_is_that_of_the_model() -> None:
    published = Path(inspect.getfile(Report)).with_name("report.schema.json").read_text()
    assert published == json_schema(), "run: python -m drift_monitor.results.report"
