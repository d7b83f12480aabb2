"""HTML pages from committed results: the report of one interval, and a monitor's index."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2
import pyarrow as pa
import yaml

from adversarial.reporting.style import HEAT, mixed_css
from adversarial.reporting.templating import make_environment
from drift_monitor import formatting
from drift_monitor.pages import classes, confusion, corrections, inputs, resemblance, slices
from drift_monitor.pages.ecdf import distribution_charts
from drift_monitor.pages.index import history_charts
from drift_monitor.pages.index.calendar import blocks
from drift_monitor.pages.index.history import FDR, summarise
from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import TwoSampleTest

VERDICTS = {
    "insufficient_data": "Insufficient data",
    "harmful_drift": "Harmful drift",
    "drift_harm_unknown": "Drift, harm unknown",
    "harmless_drift": "Harmless drift",
    "statistical_only": "Statistical only",
    "no_drift": "No drift",
}

MEANINGS = {
    "insufficient_data": "there is too little to judge by",
    "harmful_drift": "more predictions are wrong than in the reference",
    "drift_harm_unknown": "something changed, and harm is neither shown nor excluded",
    "harmless_drift": "the data moved; harm beyond the margin is excluded",
    "statistical_only": "a difference beyond chance, below the minimum effect",
    "no_drift": "no test finds a difference from the reference",
}

CHARTED = 500
"""How many of the latest intervals are charted. More would be too narrow to tell apart or click."""

ROOT = 16
"""Pixels of 1 rem in a notebook, as in a browser that has not been set otherwise."""


def render_report(report: Report, scores: pa.Table, digest: str | None = None) -> str:
    """Return the page of one interval.

    Parameters
    ----------
    report : Report
        The content of `report.json`.
    scores : pyarrow.Table
        The content of `scores.parquet`.
    digest : str, optional
        SHA-256 of `report.json`, which the page then names: it tells whether it is out of date.
    """
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            digest=digest,
            beside_results=True,
            charts=distribution_charts(report, scores),
            corrections=corrections.summarise(report),
            columns=slices.by_column(report),
            moved=inputs.summarise(report.inputs),
            looks_like=_looks_like(report),
            confusion=confusion.summarise(scores, report.detector.class_names),
            classes=classes.summarise(report.accuracy.by_class),
            config=yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True),
            alpha=report.config["policy"]["alpha"],
        )
    )


def render_cell(report: Report) -> str:
    """Return a report's first screen for a notebook: part of a page, with its own style.

    It has no element ids, because a notebook can show several reports, or one report twice.
    """
    cell = (
        _environment()
        .get_template("cell.html.j2")
        .render(report=report, beside_results=False, looks_like=_looks_like(report))
    )
    return re.sub(r' id="[^"]*"', "", cell)


def render_index(monitor: str, reports: Sequence[Report], unreadable: Sequence[str]) -> str:
    """Return a monitor's index: its history, and its intervals with the latest first.

    Parameters
    ----------
    monitor : str
        Name of the monitor.
    reports : sequence of Report
        Committed reports in any order.
    unreadable : sequence of str
        Why other reports could not be read.
    """
    history = summarise(reports)
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            monitor=monitor,
            history=history,
            calendar=blocks(history),
            charts=history_charts.charts(history.reports[-CHARTED:]) if history.entries else [],
            charted=CHARTED,
            unreadable=unreadable,
            fdr=FDR,
        )
    )


def _looks_like(report: Report) -> str | None:
    columns = report.config["data"]["input"]
    return resemblance.sentence(report.support, columns if isinstance(columns, list) else ())


def decision(test: TwoSampleTest, alpha: float) -> str:
    """Return the outcome of a test in words."""
    if test.skipped is not None:
        return "not made"
    if not test.in_family:
        return "does not count for drift"
    if test.drift_detected:
        return "drift"
    if test.p_value_adjusted is not None and test.p_value_adjusted < alpha:
        return "significant, effect below threshold"
    return "not significant"


@cache
def _environment() -> jinja2.Environment:
    environment = make_environment("drift_monitor.pages")
    environment.filters |= {
        "percent": formatting.percent,
        "points": formatting.points,
        "count": formatting.count,
        "fixed": formatting.fixed,
        "signed": formatting.signed,
        "significant": formatting.significant,
        "days": formatting.days,
        "p": formatting.p_text,
        "rounded": lambda share: formatting.DASH if share is None else f"{share:.0%}",
        "whole_percent": lambda share: f"{100 * share:g}%",
        "in_pixels": lambda css: re.sub(
            r"([\d.]+)rem\b", lambda length: f"{ROOT * float(length[1]):g}px", css
        ),
    }
    named: dict[str, Any] = {"verdicts": VERDICTS, "meanings": MEANINGS, "decision": decision}
    named |= {"mixed_css": mixed_css, "strongest_heat": HEAT}
    named |= {"moved_headline": inputs.headline, "moved_words": inputs.WORDS}
    environment.globals |= named
    return environment


# A report shows itself in a notebook, but its model is in a lower layer and cannot import pages.
Report.as_html = render_cell
