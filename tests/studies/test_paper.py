import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial.evaluation.read import Case, read_results
from adversarial.evaluation.schemas import METRICS

RESULTS = Path("studies").resolve()
NULL: dict[str, Any] = dict.fromkeys(METRICS.names)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The script's names, with an empty directory of results."""
    monkeypatch.syspath_prepend(RESULTS)
    for module in ("goals", "pages", "runs", "tables"):
        sys.modules.pop(module, None)
    names = runpy.run_path(str(RESULTS / "paper.py"))
    for module in ("runs", "tables"):
        monkeypatch.setattr(sys.modules[module], "HERE", tmp_path)
    names["write"].__globals__["HERE"] = tmp_path
    return names


def record(value: float, **fields: Any) -> dict[str, Any]:
    return NULL | {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 500} | fields


def keep(directory: Path, records: list[dict[str, Any]]) -> None:
    directory.mkdir()
    config = {"n": 500, "seed": 0, "fprs": [0.05], "dataset": "mnist", "model": "cnn"}
    names = {"attacks": ["cw"], "threat_models": ["grey-box"], "corruptions": []}
    models = {"class_names": list("0123456789"), "detectors": {"kl": "1f"}}
    (directory / "config.json").write_text(json.dumps(config | names | models))
    pq.write_table(pa.Table.from_pylist(records, METRICS), directory / "metrics.parquet")


def test_what_is_written_is_what_was_measured(scripts: dict[str, Any], tmp_path: Path) -> None:
    attack = {"attack": "cw", "threat_model": "grey-box"}
    keep(
        tmp_path / "mnist",
        [
            record(0.9912, **attack, metric="accuracy_clean"),
            record(0.0234, **attack, metric="accuracy_attacked"),
            record(0.9876, **attack, defence="kl", metric="accuracy_defended", fpr=0.05),
            record(0.9765, **attack, defence="kl", metric="accuracy_reconstructed"),
            record(0.1234, **attack, defence="kl", metric="accuracy_defended", fpr=0.01),
            record(10.5, **attack, metric="l2"),
        ],
    )
    scripts["write"]()
    text = (tmp_path / "mnist.md").read_text()
    [undefended] = [line for line in text.splitlines() if "MNIST, C&W, no defence" in line]
    assert "| .0058 | ≤ .01 | .0234 (.0134 to .0334) | 500 | **no** |" in undefended
    rows = [line for line in text.splitlines() if line.startswith("| MNIST, C&W, AE^KL")]
    for row, reading, value in zip(rows, ("flagged", "all"), (".9876", ".9765"), strict=True):
        assert f"{reading} corrected | .9928 | ≥ .990 | {value} (" in row
        assert "**no**" in row
    assert ".1234" not in text
    assert "10.5000 (10.4900 to 10.5100)" in text
    unknown = "| Fashion-MNIST, C&W, AE^KL, all corrected | .9211 | within 1.5 points | not run |"
    assert unknown in (tmp_path / "fashion_mnist.md").read_text()
    first = (tmp_path / "paper.md").read_text()
    beside = ".9912 | .0234 / .0058 | – | .9765 / .9928 | – | – | – / .9992 |"
    assert f"| MNIST | C&W | {beside}" in first
    assert "| CIFAR-10, ResNet-56 | C&W | – / .9315 | – | – / .1650 | – / .8048 |" in first


def test_drift_is_that_of_all_corruptions_together(scripts: dict[str, Any], tmp_path: Path) -> None:
    of = {"defence": "kl", "severity": 3}
    together = {"corruption": "all", **of}
    keep(
        tmp_path / "cifar10-drift",
        [
            record(9.0, **of, corruption="fog", metric="score_ratio"),
            record(1.94, **together, metric="score_ratio"),
            record(0.0, **together, metric="ks_p_value"),
        ],
    )
    scripts["write"]()
    assert (
        "| CIFAR-10 simple CNN | – | – | 1.94 (1.93 to 1.95) |"
        in (tmp_path / "paper.md").read_text()
    )
    text = (tmp_path / "cifar10.md").read_text()
    [found] = [row for row in text.splitlines() if "simple CNN, severity 3" in row]
    assert "| 1.94 (1.93 to 1.95); p = 0 | 500 | **no** | `cifar10-drift` |" in found
    [missing] = [row for row in text.splitlines() if "simple CNN, severity 4" in row]
    assert "not run" in missing


def test_the_pages_are_what_their_script_writes(scripts: dict[str, Any], tmp_path: Path) -> None:
    for run in RESULTS.iterdir():
        if run.is_dir():
            (tmp_path / run.name).symlink_to(run)
    scripts["write"]()
    for page in ("paper", "mnist", "fashion_mnist", "cifar10", "resnet56"):
        assert (tmp_path / f"{page}.md").read_text() == (RESULTS / f"{page}.md").read_text()


@pytest.mark.parametrize("run", ["mnist", "cifar10-drift"])
def test_plots_are_those_of_the_arrays_beside_them(
    scripts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    shutil.copytree(RESULTS / run, tmp_path / run)
    for figure in (tmp_path / run / "figures").glob("*.svg"):
        figure.unlink()
    monkeypatch.setattr(sys, "argv", ["paper.py", "draw"])
    scripts["main"]()
    plots = sorted((RESULTS / run / "figures").glob("*.svg"))
    assert plots
    for plot in plots:
        assert (tmp_path / run / "figures" / plot.name).read_text() == plot.read_text(), plot


def test_a_roc_kept_has_the_area_that_was_measured() -> None:
    results = read_results(RESULTS / "cifar10")
    for attack in ("cw", "slide", "fgsm-0.1"):
        file = RESULTS / "cifar10" / "figures" / f"roc-{attack}-grey-box.parquet"
        corners = pq.read_table(file).to_pandas()
        for defence, curve in corners.groupby("defence"):
            area = results.find(Case(attack, "grey-box"), "auc", defence=defence)
            assert area is not None
            n = results.config["n"]
            found = np.trapezoid(curve["attacked"] / n, curve["originals"] / n)
            assert found == pytest.approx(area["value"], abs=1e-12)


def test_figures_weigh_little() -> None:
    figures = [file for file in RESULTS.glob("*/figures/*") if file.is_file()]
    assert {file.suffix for file in figures} == {".parquet", ".svg", ".webp"}
    assert sum(file.stat().st_size for file in figures) < 1_500_000
