"""The pages in a real browser: nothing overflows, nothing fails, and axe-core finds no barrier."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from drift_monitor.pages.html import render_index, render_report
from tests.support.chromium import assert_opens_well, show
from tests.support.reports.cases import CASES, SMALL
from tests.support.reports.make import history, make

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "best-practice"]
"""Tags of axe-core's rules. WCAG 2.2 AA adds the size of targets: points of a chart are smaller,
and the calendar and the table of intervals hold the same links."""

HISTORIES = {
    "index of days": history(41, missing=[12, 13]),
    "index of hours": history(80, case=replace(SMALL, length=timedelta(hours=1))),
    "index of weeks": history(30, case=replace(SMALL, length=timedelta(weeks=1))),
    "index of nothing": [],
}
PAGES = [*CASES, *HISTORIES]
SCREENS = [*product((1440, 390), ("light", "dark"))]
COMMON = ("harmful, labels", "index of days")
"""Seen on every screen by axe-core, which takes its time; the others on two."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with every page."""
    directory = tmp_path_factory.mktemp("pages")
    for name, case in CASES.items():
        (directory / f"{name}.html").write_text(render_report(*make(case)), encoding="utf-8")
    for name, reports in HISTORIES.items():
        page = render_index("fashion_mnist", reports, ["2026-11-01/report.json is not a report"])
        (directory / f"{name}.html").write_text(page, encoding="utf-8")
    return directory


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_error_request_or_overflow(
    pages: Path, browser: webdriver.Chrome, page: str, width: int, scheme: str
) -> None:
    assert_opens_well(browser, pages / f"{page}.html", width, scheme)


@pytest.mark.parametrize(
    ("page", "width", "scheme"),
    [
        (page, *screen)
        for page in PAGES
        for screen in (SCREENS if page in COMMON else (SCREENS[0], SCREENS[-1]))
    ],
)
def test_axe_core_finds_no_violation(
    pages: Path, browser: webdriver.Chrome, axe_core: str, page: str, width: int, scheme: str
) -> None:
    show(browser, pages / f"{page}.html", width, scheme)
    browser.execute_script(axe_core)
    found: list[dict[str, Any]] = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run({runOnly: arguments[0], resultTypes: ['violations']})"
        ".then(result => done(result.violations));",
        RULES,
    )
    assert [(rule["id"], [node["html"] for node in rule["nodes"][:3]]) for rule in found] == []


@pytest.mark.parametrize("page", CASES)
def test_the_first_screen_fits_one_screen(
    pages: Path, browser: webdriver.Chrome, page: str
) -> None:
    show(browser, pages / f"{page}.html", 1440, "light")
    bottom = "return document.querySelector('.facts').getBoundingClientRect().bottom"
    assert browser.execute_script(bottom) <= 900


def test_the_verdict_is_the_first_thing_on_the_page(pages: Path, browser: webdriver.Chrome) -> None:
    show(browser, pages / "harmful.html", 390, "light")
    text = browser.find_element("tag name", "main").text
    assert text.startswith("Harmful drift\n")
    assert "\nHarm rate " in text.split("What to do next")[0]


def test_a_click_selects_a_command_whole(pages: Path, browser: webdriver.Chrome) -> None:
    show(browser, pages / "harmful.html", 1440, "light")
    code = browser.find_element("css selector", "#commands code")
    code.click()
    assert browser.execute_script("return getSelection().toString()") == code.text


def test_every_link_within_a_page_has_its_target(pages: Path, browser: webdriver.Chrome) -> None:
    for page in PAGES:
        show(browser, pages / f"{page}.html", 1440, "light")
        missing = browser.execute_script(
            "return [...document.querySelectorAll('a[href^=\"#\"]')]"
            ".map(a => a.getAttribute('href').slice(1))"
            ".filter(id => !document.getElementById(id))"
        )
        assert missing == [], page


def test_a_point_of_a_chart_leads_to_its_report(pages: Path, browser: webdriver.Chrome) -> None:
    show(browser, pages / "index of days.html", 1440, "light")
    column = browser.find_element("css selector", ".plot a rect")
    href = browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});"
        "const box = arguments[0].getBoundingClientRect();"
        "const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];"
        "return document.elementFromPoint(x, y).closest('a').getAttribute('href')",
        column,
    )
    assert href == "2026-11-20/report.html"
