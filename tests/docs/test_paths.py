"""The pages that lead a newcomer through the tree name files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["CONTRIBUTING.md", "README.md", "docs/architecture.md"]
TOP = ("adversarial", "benchmarks", "dags", "docs", "drift_monitor", "examples", "studies", "tests")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{'|'.join(TOP)})/[^`<*]*)`", text)
    named += re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    folders = [ROOT, (ROOT / page).parent]
    missing = [path for path in named if not any((folder / path).exists() for folder in folders)]
    assert named
    assert missing == []


@pytest.mark.parametrize("package", ["adversarial", "drift_monitor"])
def test_every_package_and_module_has_its_line_in_the_architecture(package: str) -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.split(f"| `{package}/` | |")[1].split("\n\n")[0]
    parts = [path for path in (ROOT / package).iterdir() if not path.name.startswith("_")]
    names = {f"{path.name}/" if path.is_dir() else path.name for path in parts}
    names.discard("py.typed")
    assert names == set(re.findall(r"`([a-z_]+(?:/|\.py))`", table.split("\n", 1)[1])) - {"core/"}
