"""The tabular example, by the commands of its README."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from drift_monitor.cli.main import main
from examples.breast_cancer import prepare

EXAMPLE = Path(prepare.__file__).parent
VERDICTS = {
    "2026-11-16": ("labels", "no_drift"),
    "2026-11-17": ("detector", "no_drift"),
    "2026-11-18": ("labels", "drift_harm_unknown"),
    "2026-11-19": ("labels", "harmful_drift"),
    "2026-11-20": ("labels", "no_drift"),
}


def drift_monitor(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["drift-monitor", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code


def test_every_day_gets_the_right_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = tmp_path / "examples" / "breast_cancer" / "monitor.yaml"
    monitor.parent.mkdir(parents=True)
    shutil.copy(EXAMPLE / "monitor.yaml", monitor)
    build = tmp_path / "build" / "breast_cancer"
    prepare.main(["--output", str(build)])

    drift_monitor(
        monkeypatch,
        *("fit", "--classifier", build / "classifier.keras", "--data", build / "train.parquet"),
        *("--reference-data", build / "reference.parquet", "--input", f"@{build / 'columns.txt'}"),
        *("--label", "diagnosis", "--class-names", "malignant,benign", "--epochs", 40),
        *("--output", build / "detector"),
    )
    days = list(VERDICTS)
    drift_monitor(monkeypatch, "backfill", monitor, "--start", days[0], "--end", days[-1])

    reports = build / "reports" / "breast_cancer"
    found = {day: json.loads((reports / day / "report.json").read_text()) for day in days}
    verdicts = {day: (r["harm"]["by"], r["verdict"]["verdict"]) for day, r in found.items()}
    assert verdicts == VERDICTS

    # The columns whose unit changed are what the page shows first of the worst row.
    worst = found["2026-11-19"]["examples"][0]["values"][:5]
    assert all(any(w in v["name"] for w in ("radius", "perimeter", "area")) for v in worst)
    page = reports / "2026-11-19" / "report.html"
    before = page.read_bytes()
    page.unlink()
    drift_monitor(monkeypatch, "report", monitor)
    assert page.read_bytes() == before
