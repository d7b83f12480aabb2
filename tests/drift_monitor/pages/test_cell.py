"""A report in a notebook's output cell: whole in itself, readable in light and dark."""

import re
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from drift_monitor.pages.html import render_cell
from tests.support.chromium import assert_opens_well
from tests.support.reports.cases import CASES, MARKUP
from tests.support.reports.make import make

NOTEBOOK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A notebook</title>
<meta name="viewport" content="width=device-width"><style>
body {{ margin: 0; background: {background}; color-scheme: {scheme}; }}
.cell {{ color: {ink}; font: 14px/1.6 serif; }}
.cell p {{ margin: 0 0 1em; }}
.cell h2 {{ margin: 1.2em 0 .5em; }}
.cell ul:not(.list-inline) {{ padding-left: 2em; }}
.cell :not(pre) > code {{ color: #888; background: #888; padding: 1px 5px; }}
.cell dl {{ font-family: monospace; }}
.cell dt {{ float: left; width: 20%; font-weight: bold; }}
</style><main><div class="cell">
<p id="before">Before</p>{cells}<p id="after">After</p>
</div></main>"""
"""Like JupyterLab's own rules for HTML in an output cell."""

FOREIGN = """
html { font-size: 10px; }
.lead { margin-bottom: 20px; font-size: 21px; font-weight: 300; line-height: 1.4; }
.panel { margin-bottom: 20px; border: 1px solid transparent; box-shadow: 0 1px 1px #000; }
.cell small { font-size: 85%; }
.cell svg { vertical-align: middle; }
.next, .value, .title { display: none; }
"""
"""Like the rules of Bootstrap, on which the classic notebook, nbviewer and Quarto are built."""

THEMES = {
    "light": {"background": "#ffffff", "ink": "rgba(0, 0, 0, .87)"},
    "dark": {"background": "#111111", "ink": "#ffffff"},
}


def notebook(path: Path, scheme: str) -> Path:
    cells = "".join(f"<section>{render_cell(make(case)[0])}</section>" for case in CASES.values())
    page = NOTEBOOK.format(cells=cells, scheme=scheme, **THEMES[scheme])
    path.write_text(page, encoding="utf-8")
    return path


def test_a_report_shows_itself_and_is_short_as_text() -> None:
    report = make(CASES["harmful, labels"])[0]
    cell = report._repr_html_()
    assert cell == render_cell(report)
    assert "Harmful drift" in cell
    assert report.verdict.reason in cell
    assert "as_html" not in report.to_json()
    assert repr(report).startswith("Report(monitor=")
    assert len(repr(report)) < 1_000


@pytest.mark.parametrize("case", CASES)
def test_a_cell_is_small_asks_for_nothing_and_can_be_shown_twice(case: str) -> None:
    cell = render_cell(make(CASES[case])[0])
    assert len(cell.encode()) < 20_000
    assert not re.search(r"<script|@import|url\(| id=|\b(src|href)=", cell)
    assert MARKUP not in cell
    # A report made in a notebook lies beside no files.
    assert "rejected.parquet" not in cell
    assert "drift-monitor labels" not in cell


@pytest.mark.parametrize("width", [1100, 390])
@pytest.mark.parametrize("scheme", THEMES)
def test_a_cell_can_be_read_in_a_notebook_of_either_theme(
    browser: webdriver.Chrome, axe_core: str, tmp_path: Path, scheme: str, width: int
) -> None:
    assert_opens_well(browser, notebook(tmp_path / "notebook.html", scheme), width, scheme)
    browser.execute_script(axe_core)
    found: list[dict[str, Any]] = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run('.drift-monitor-report', {runOnly: ['wcag2a', 'wcag2aa']})"
        ".then(result => done(result.violations));"
    )
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


def test_a_cell_keeps_the_notebook_s_rules_out_and_leaves_the_notebook_alone(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    assert_opens_well(browser, notebook(tmp_path / "notebook.html", "light"), 1100, "light")

    def style(selector: str, name: str) -> str:
        return str(
            browser.execute_script(
                "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]",
                selector,
                name,
            )
        )

    report = ".drift-monitor-report"
    assert style(f"{report} dt", "float") == "none"
    assert style(f"{report} .commands", "paddingLeft") == "0px"
    assert "serif" not in style(f"{report} dl", "fontFamily").replace("sans-serif", "")
    assert "monospace" not in style(f"{report} dl", "fontFamily")
    assert [style(f"#{p}", "marginBottom") for p in ("before", "after")] == ["14px", "14px"]
    assert style("#after", "fontFamily") == "serif"


def test_a_cell_looks_the_same_in_a_notebook_that_uses_its_class_names(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    page = notebook(tmp_path / "notebook.html", "light")

    def look() -> list[list[object]]:
        assert_opens_well(browser, page, 1100, "light")
        elements: list[list[object]] = browser.execute_script(
            "return [...document.querySelectorAll('.drift-monitor-report *')].map(element => {"
            "const {x, y, width, height} = element.getBoundingClientRect();"
            "const {fontSize, fontWeight, boxShadow} = getComputedStyle(element);"
            "return [element.className, x, y, width, height, fontSize, fontWeight, boxShadow]; });"
        )
        return elements

    plain = look()
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("<style>", f"<style>{FOREIGN}", 1), encoding="utf-8")
    assert look() == plain
