"""Drift (Figure 7): by severity with intervals, and by corruption and severity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adversarial.evaluation.drift_metrics import SeveritySummary
from adversarial.evaluation.read import Case, Results
from adversarial.reporting.figures.style import (
    COLOURS,
    DASHES,
    MARKERS,
    MUTED,
    plot,
    set_legend,
    set_title,
    shorten,
)
from adversarial.reporting.formatting import number_text

Lines = Mapping[str, str]

SCORE_LINES: Lines = {
    "score_harmless": "harmless",
    "score_harmful": "harmful",
    "score": "all rows",
}
ACCURACY_LINES: Lines = {"accuracy": "M(x)", "accuracy_reconstructed": "M(AE(x))"}
RATIO_LINES: Lines = {"ratio": "harmful ÷ harmless"}
KS_LINES: Lines = {"ks": "D"}


def severity_lines(summaries: Sequence[SeveritySummary], lines: Lines, label: str) -> Figure:
    """Draw statistics by severity, 0 being the originals: colour by statistic, dashes by defence.

    Parameters
    ----------
    summaries : sequence of SeveritySummary
    lines : mapping of str to str
        Attributes of a summary, and what to call them.
    label : str
        Of the axis.
    """
    defences = list(dict.fromkeys(summary.defence for summary in summaries))

    def draw(axes: Axes) -> None:
        for index, defence in enumerate(defences):
            for place, (attribute, name) in enumerate(lines.items()):
                points = [
                    (summary.severity, *_ends(summary, attribute))
                    for summary in summaries
                    if summary.defence == defence
                ]
                severity, value, low, high = np.array(points).T
                colour = COLOURS[(place if len(lines) > 1 else index) % len(COLOURS)]
                axes.errorbar(
                    severity + 0.08 * (index - (len(defences) - 1) / 2),
                    value,
                    yerr=np.nan_to_num([value - low, high - value]).clip(min=0),
                    color=colour,
                    linestyle=DASHES[index % len(DASHES)],
                    marker=MARKERS[place if len(lines) > 1 else index % len(MARKERS)],
                    markersize=5,
                    capsize=2,
                    label=f"{name}; {shorten(defence)}" if len(lines) > 1 else shorten(defence),
                )
        axes.set_xticks(sorted({summary.severity for summary in summaries}))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("severity (0: originals)")
        axes.set_ylabel(label)
        set_legend(axes)

    return plot(draw)


def heatmap(results: Results, metric: str, defence: str, title: str) -> Figure:
    """Draw a number of every corruption and severity, also written in its cell."""
    places = [
        (record["corruption"], record["severity"])
        for record in results.records
        if record["metric"] == metric and record["defence"] == defence and record["corruption"]
    ]
    corruptions = list(dict.fromkeys(corruption for corruption, _ in places))
    severities = sorted({severity for _, severity in places})
    values = np.full((len(corruptions), len(severities)), np.nan)
    for corruption, severity in places:
        case = Case(corruption=corruption, severity=severity)
        record = results.find(case, metric, defence=defence)
        if record is not None and record["value"] is not None:
            values[corruptions.index(corruption), severities.index(severity)] = record["value"]

    def draw(axes: Axes) -> None:
        axes.imshow(
            np.ma.masked_invalid(values), cmap="cividis", aspect="auto", interpolation="none"
        )
        axes.grid(visible=False)
        axes.set_xticks(range(len(severities)), [str(severity) for severity in severities])
        axes.set_yticks(range(len(corruptions)), corruptions)
        axes.set_xlabel("severity")
        set_title(axes, title)
        middle = (np.nanmin(values) + np.nanmax(values)) / 2 if np.isfinite(values).any() else 0
        for (row, column), value in np.ndenumerate(values):
            if math.isnan(value):
                axes.text(column, row, "–", ha="center", va="center", color=MUTED)
                continue
            text = number_text(value) if value >= 10 else f"{value:.2f}"
            colour = "#ffffff" if value < middle else "#000000"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)

    return plot(draw, size=(4.9, 1.3 + 0.27 * len(corruptions)))


def _ends(summary: SeveritySummary, attribute: str) -> tuple[float, float, float]:
    found = getattr(summary, attribute)
    if isinstance(found, float):
        return found, found, found
    return found.value, found.low, found.high
