"""The index: quick, small, and every interval in its place."""

import re
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from drift_monitor.pages.html import render_index
from drift_monitor.results.report import Report
from tests.support.reports.cases import MARKUP, SMALL
from tests.support.reports.make import history
from tests.support.reports.page import assert_self_contained, section

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_the_index_of_500_intervals_is_quick_and_small() -> None:
    reports = history(500)
    started = time.process_time()
    page = render_index("m", reports, [])
    assert time.process_time() - started < 3
    assert len(page.encode()) < 1_000_000
    assert_self_contained(page)


def test_every_interval_is_linked_from_calendar_charts_and_table() -> None:
    reports = history(20, missing=[5])
    page = render_index("m", reports, [])
    for report in reports:
        assert page.count(f'href="{report.interval}/report.html"') >= 6
    assert "2026-11-25/report.html" not in page
    assert "2026-11-25" in section(page, "missing")


def test_the_table_has_the_latest_interval_first() -> None:
    text = section(render_index("m", history(20), []), "intervals")
    found = re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', text)
    assert found == sorted(found, reverse=True)
    assert len(found) == 20


def test_the_index_does_not_depend_on_the_order_of_the_runs() -> None:
    reports = history(60, missing=[7])
    shuffled = [reports[i] for i in np.random.default_rng(0).permutation(len(reports))]
    assert render_index("m", shuffled, []) == render_index("m", reports, [])


def test_the_index_names_what_cannot_be_read() -> None:
    page = render_index("m", [], ["reports/2026-11-01/report.json: not JSON"])
    assert "reports/2026-11-01/report.json: not JSON" in page
    assert "No interval has been committed yet" in page


@pytest.mark.parametrize(
    ("length", "title", "cells"),
    [
        (timedelta(hours=1), "Fri 20 Nov 2026", 30),
        (timedelta(days=1), "November 2026", 30),
        (timedelta(weeks=1), "Weeks of 2026", 30),
    ],
)
def test_the_calendar_has_a_cell_for_each_interval(
    length: timedelta, title: str, cells: int
) -> None:
    reports: list[Report] = history(
        cells + 1, case=replace(SMALL, length=length), missing=[cells // 2]
    )
    text = section(render_index("m", reports, []), "calendar")
    assert f"<h3>{title}</h3>" in text
    assert text.count("/report.html") == cells
    assert text.count('class="missing"') == 1


def test_markup_is_text_on_the_index_and_in_its_drawings() -> None:
    reports = [
        report.model_copy(update={"interval": f"{MARKUP}{report.interval}"})
        for report in history(3)
    ]
    page = render_index(MARKUP, reports, [f"{MARKUP} is broken"])
    assert MARKUP not in page
    assert re.search(rf"<title>{re.escape(ESCAPED)}.*?: harm", page)
    assert f"<li>{ESCAPED} is broken" in page
    assert 'href="%3Cscript%3Ealert%281%29%3C/script%3E2026-11-20/report.html"' in page


def test_an_interval_with_unknown_harm_has_a_question_mark_in_the_calendar() -> None:
    page = render_index("m", history(17), [])
    cell = re.search(r'<li class="drift_harm_unknown[^"]*"><a [^>]*title="([^"]*)"', page)
    assert cell
    assert cell[1].endswith(": Drift, harm unknown")
    assert '.drift_harm_unknown.key::after { content: "?"' in page
