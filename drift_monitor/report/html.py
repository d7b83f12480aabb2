"""HTML pages from committed results: the report of one interval, and a monitor's index."""

from collections.abc import Sequence
from functools import cache

import jinja2
import numpy as np
import pyarrow as pa

from drift_monitor.report.model import Report
from drift_monitor.verdict import format_p

VERDICTS = {
    "insufficient_data": "Insufficient data",
    "harmful_drift": "Harmful drift",
    "harmless_drift": "Harmless drift",
    "statistical_only": "Statistical only",
    "no_drift": "No drift",
}


def render_report(report: Report, scores: pa.Table) -> str:
    """Return the page of one interval.

    Parameters
    ----------
    report : Report
        The content of `report.json`.
    scores : pyarrow.Table
        The content of `scores.parquet`.
    """
    return (
        _environment()
        .get_template("report.html.j2")
        .render(report=report, plots=_plots(report, scores), verdicts=VERDICTS)
    )


def render_index(monitor: str, reports: Sequence[Report], unreadable: Sequence[str]) -> str:
    """Return a monitor's index: its intervals, the latest first.

    Parameters
    ----------
    monitor : str
        Name of the monitor.
    reports : sequence of Report
        Committed reports in the order of time.
    unreadable : sequence of str
        Why other reports could not be read.
    """
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            monitor=monitor,
            reports=list(reversed(reports)),
            unreadable=unreadable,
            verdicts=VERDICTS,
        )
    )


def _plots(report: Report, scores: pa.Table) -> list[tuple[str, str]]:
    """Return (caption, svg) pairs."""
    if not len(scores):
        return []
    from drift_monitor.report import plots

    x = np.asarray(scores["adversarial_score"])
    outcome = scores["outcome"].to_numpy(zero_copy_only=False)
    threshold = report.detector.threshold
    quantiles = np.array(report.reference.score_quantiles)
    found = [
        (
            "Distribution of the adversarial score, batch against reference",
            plots.score_ecdf(quantiles, x, report.tests[0], threshold),
        )
    ]
    if len(judged := x[outcome != None]):  # noqa: E711 - elementwise
        harmful = x[outcome == "harmful"]
        found.append(
            (
                f"Scores of the batch by outcome ({len(judged):,} rows)",
                plots.score_histogram(x[outcome == "harmless"], harmful, threshold),
            )
        )
    if report.harm.reference and report.harm.current:
        found.append(
            (
                f"Harm rate with its {report.harm.confidence:.0%} interval",
                plots.harm_rates(report.harm.reference, report.harm.current),
            )
        )
    return found


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("drift_monitor.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda x: "–" if x is None else f"{x:.1%}"
    environment.filters["points"] = lambda x: f"{100 * x:+.1f}"
    environment.filters["count"] = lambda x: f"{x:,}"
    environment.filters["fixed"] = lambda x: "–" if x is None else f"{x:.3f}"
    environment.filters["nats"] = lambda x: "–" if x is None else f"{x:.3g}"
    environment.filters["p"] = lambda x: (
        "–" if x is None else format_p(x).removeprefix("p ").removeprefix("= ")
    )
    return environment
