"""What the page on extending shows is what runs."""

import re
import runpy
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_blocks_of_the_page_are_a_script_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    script = tmp_path / "extending.py"
    script.write_text("\n\n".join(blocks), encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(script))

    assert (
        made["MomentumIterative"](0.1)
        .run(made["detector"].classifier, made["x"], made["y"])
        .success.any()
    )
    assert made["found"].success.any()
    attacks = pq.read_table(tmp_path / "build/momentum/metrics.parquet")["attack"].to_pylist()
    assert set(attacks) == {"momentum-0.1", "fgsm-0.1", "strongest", "any"}
    threats = pq.read_table(tmp_path / "build/shirt/metrics.parquet")["threat_model"].to_pylist()
    assert set(threats) == {"taken-for-a-shirt", "any"}
    assert (tmp_path / "build/momentum/report.html").is_file()
