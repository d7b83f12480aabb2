"""What `studies/false_alarms.md` says is what was counted."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path("studies").resolve()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(RESULTS)
    sys.modules.pop("tables", None)
    return runpy.run_path(str(RESULTS / "false_alarms.py"))


def written(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, directory: Path) -> str:
    names = script["write"].__globals__
    monkeypatch.setitem(names, "HERE", directory)
    script["write"]()
    return (directory / "false_alarms.md").read_text(encoding="utf-8")


def test_the_page_is_that_of_the_record(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = (RESULTS / "false_alarms.md").read_text(encoding="utf-8")
    assert written(script, monkeypatch, tmp_path) == kept


def without_alarms() -> dict[str, Any]:
    record: dict[str, Any]
    record = json.loads((RESULTS / "false_alarms.json").read_text(encoding="utf-8"))
    for entry in record["null"]:
        entry["verdicts"] = {"no_drift": 100}
    return record | {"at_temperature": {}}


def test_alarms_beyond_alpha_are_named(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = without_alarms()
    record["null"][0]["verdicts"] = {"no_drift": 900, "harmful_drift": 60, "harmless_drift": 40}
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.setitem(script["write"].__globals__, "RECORD", changed)
    page = written(script, monkeypatch, tmp_path)
    assert (
        "| fixed | labels | 200 | 1,000 | 10.0% (8.3% to 12.0%) | 6.0% | 0.0% | 4.0% | 0.0% |"
        in page
    )
    assert "sampling error: fixed, labels, n = 200." in page


def test_another_score_has_its_own_section(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = without_alarms()
    other = json.loads(json.dumps(record))
    for entry in other["null"]:
        entry["verdicts"] = {"no_drift": 10, "harmful_drift": 90}
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(record | {"at_temperature": {"0.25": other}}), encoding="utf-8")
    monkeypatch.setitem(script["write"].__globals__, "RECORD", changed)
    paper, _, section = written(script, monkeypatch, tmp_path).partition("## The score at T = 0.25")
    assert "| fixed | labels | 200 | 100 | 90.0% (82.6% to 94.5%) |" in section
    assert "sampling error: fixed, labels, n = 200" in section
    assert "In no row do alarms exceed" in paper
