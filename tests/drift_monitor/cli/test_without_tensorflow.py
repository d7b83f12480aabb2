"""The commands of a worker on which the extra `train` is not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.manifest import SCORING_GRAPH, SCORING_GRAPH_WEIGHTS
from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from tests.conftest import MakeMonitor
from tests.support.animals import make_images
from tests.support.job.monitors import write_day

CODE = """
import contextlib, io, json, sys
for name in ("tensorflow", "keras", "h5py"):
    sys.modules[name] = None  # as where they are not installed: importing them is an error
from drift_monitor.cli.main import main
results = []
for words in json.loads(sys.stdin.read()):
    sys.argv = ["drift-monitor", *words]
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as stopped:
            said.flush()
            results.append([stopped.code or 0, said.buffer.getvalue().decode()])
print(json.dumps(results))
"""
DAYS = ("2026-11-20", "2026-11-21")


def run(*commands: list[object], cache: Path) -> list[tuple[int, str]]:
    """Run commands in one process; return the exit code of each, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps([[str(word) for word in words] for words in commands]),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_CACHE_HOME": str(cache), "COLUMNS": "500"},
    )
    assert not done.returncode, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def test_a_worker_does_its_work(make_monitor: MakeMonitor, tmp_path: Path) -> None:
    monitor = make_monitor(runtime="auto", evaluation={"path": "batches/*.parquet"})
    for day in DAYS:
        write_day(monitor, day)
    _, labels = make_images(120, seed=20)
    names = [f"r{i}" for i in range(120)]
    pq.write_table(pa.table({"id": names, "label": labels}), tmp_path / "labels.parquet")
    both = ["--start", DAYS[0], "--end", DAYS[1]]
    reports = tmp_path / "reports" / "animals"
    found = run(
        ["validate", monitor, "--date", DAYS[0]],
        ["run", monitor, "--date", DAYS[0]],
        ["backfill", monitor, *both],
        ["labels", monitor, "--labels", tmp_path / "labels.parquet", *both],
        ["report", monitor],
        ["rows", monitor, "--date", DAYS[0]],
        ["compare", reports / DAYS[0], reports / DAYS[1]],
        ["export", monitor],
        cache=tmp_path,
    )
    assert [code for code, _ in found] == [0] * len(found), found
    report = json.loads((reports / DAYS[0] / "report.json").read_text())
    assert report["scored_by"]["runtime"] == "openvino"
    assert report["examples"][0]["reconstruction"].startswith("data:image/png")


def test_what_needs_models_names_the_extra(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    graph = frozenset({SCORING_GRAPH, SCORING_GRAPH_WEIGHTS})
    rewrite_bundle(read_bundle(bundle), tmp_path / "without_graph", replaced=graph)
    monitor = make_monitor(detector=str(tmp_path / "without_graph"), runtime="auto")
    data = write_day(monitor, DAYS[0])
    for words in (
        ["run", monitor, "--date", DAYS[0]],
        ["fit", "--classifier", bundle / "classifier.keras", "--data", data, "--output", tmp_path],
        ["reference", bundle, "--data", data, "--output", tmp_path / "new"],
    ):
        [(code, said)] = run(words, cache=tmp_path)
        assert code == 1
        assert "pip install 'drift-monitor[train]'" in said, said
