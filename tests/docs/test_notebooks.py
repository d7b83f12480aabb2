"""The examples in docs/notebooks.md run, one after the other, on the quickstart's data."""

import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the quickstart's files and one day of its batches."""
    shutil.copytree(ROOT / "monitors", tmp_path / "monitors")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    images = pq.read_table(ROOT / "examples/fashion_mnist/test.parquet").slice(2000, 300)
    n = len(images)
    batch = tmp_path / "build/demo/production/2026-11-16/part.parquet"
    batch.parent.mkdir(parents=True)
    columns = {
        "image": images["image"],
        "label": images["label"],
        "request_id": pa.array([f"r{row}" for row in range(n)]),
        "served_at": pa.array([1_795_000_000 + row for row in range(n)], pa.timestamp("s")),
        "prediction": images["label"],
        "channel": pa.array(["web"] * n),
    }
    pq.write_table(pa.table(columns), batch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_run_and_give_what_they_say(checkout: Path) -> None:
    text = (ROOT / "docs/notebooks.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(example, "docs/notebooks.md", "exec"), names)  # noqa: S102 - our own page
    assert names["report"].verdict.verdict == "no_drift"
    assert names["noisy_report"].verdict.verdict == "harmful_drift"
    assert "Harmful drift" in names["noisy_report"]._repr_html_()
    result = names["result"]
    assert (result.skipped, list(result.failed)) == (["2026-11-16"], ["2026-11-17", "2026-11-18"])
    assert names["history"]["interval"].unique().tolist() == ["2026-11-16"]
    assert (checkout / "build/demo/reports/fashion_mnist/2026-11-16/report.html").exists()
