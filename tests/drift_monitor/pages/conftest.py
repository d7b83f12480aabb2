"""What the tests of pages in a browser share."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def axe_core() -> str:
    """The source of axe-core."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None or not package.submodule_search_locations:
        pytest.skip("needs the development dependency axe-playwright-python, for its axe-core")
    return Path(package.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
