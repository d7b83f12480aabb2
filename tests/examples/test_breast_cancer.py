"""The tabular example, by the commands of its README."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adversarial import load_scorer
from drift_monitor.cli.main import main
from drift_monitor.config import load_monitor
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


def check_agreement(build: Path, monitor: Path) -> None:
    """Compare OpenVINO's scores with TensorFlow's on every row of the example."""
    data = load_monitor(monitor).data
    by_openvino = load_scorer(build / "detector", runtime="openvino", precision="float32")
    by_tensorflow = load_scorer(build / "detector", runtime="tensorflow")
    files = [*build.glob("*.parquet"), *build.glob("production/*/*.parquet")]
    assert len(files) == 2 + len(VERDICTS)
    for file in files:
        columns = [pq.read_table(file)[name].to_numpy() for name in data.input_columns]
        x = np.stack(columns, axis=1).astype(np.float32)
        np.testing.assert_allclose(by_openvino.score(x), by_tensorflow.score(x), rtol=0, atol=1e-5)


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

    check_agreement(build, monitor)

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
