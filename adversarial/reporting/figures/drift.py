"""Drift (Figure 7): by severity with intervals, and by corruption and severity.

Each plot comes in two parts: the arrays that it shows, which are kept as Parquet, and their
drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

from adversarial.evaluation.drift_metrics import SeveritySummary
from adversarial.evaluation.read import Results
from adversarial.reporting.figures.matplotlib_style import (
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
from adversarial.reporting.style import HEAT

Lines = Mapping[str, str]

SCORE_LINES: Lines = {
    "score_harmless": "harmless",
    "score_harmful": "harmful",
    "score": "all rows",
}
ACCURACY_LINES: Lines = {"accuracy": "M(x)", "accuracy_reconstructed": "M(AE(x))"}
RATIO_LINES: Lines = {"ratio": "harmful ÷ harmless"}
KS_LINES: Lines = {"ks": "D"}


def severity_table(summaries: Sequence[SeveritySummary], lines: Lines) -> pa.Table:
    """Return statistics by severity, 0 being the originals.

    Parameters
    ----------
    summaries : sequence of SeveritySummary
    lines : mapping of str to str
        Attributes of a summary, and their names.

    Returns
    -------
    pyarrow.Table
        The columns defence, line, severity, value, low and high; NaN where there is no number.
    """
    rows = [
        (summary.defence, name, summary.severity, *_ends(summary, attribute))
        for attribute, name in lines.items()
        for summary in summaries
    ]
    names = ["defence", "line", "severity", "value", "low", "high"]
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def severity_lines(table: pa.Table, label: str) -> Figure:
    """Draw statistics by severity: colour by statistic, dashes by defence.

    Parameters
    ----------
    table : pyarrow.Table
        As `severity_table` returns it.
    label : str
        Label of the axis.
    """
    rows = table.to_pylist()
    defences = list(dict.fromkeys(row["defence"] for row in rows))
    lines = list(dict.fromkeys(row["line"] for row in rows))

    def draw(axes: Axes) -> None:
        for index, defence in enumerate(defences):
            for place, name in enumerate(lines):
                points = [
                    [row[column] for column in ("severity", "value", "low", "high")]
                    for row in rows
                    if (row["defence"], row["line"]) == (defence, name)
                ]
                severity, value, low, high = np.array(points, np.float64).T
                look = place if len(lines) > 1 else index
                axes.errorbar(
                    severity + 0.08 * (index - (len(defences) - 1) / 2),
                    value,
                    yerr=np.nan_to_num([value - low, high - value]).clip(min=0),
                    color=COLOURS[look % len(COLOURS)],
                    linestyle=DASHES[index % len(DASHES)],
                    marker=MARKERS[look % len(MARKERS)],
                    markersize=5,
                    label=f"{name}; {shorten(defence)}" if len(lines) > 1 else shorten(defence),
                )
        axes.set_xticks(sorted({row["severity"] for row in rows}))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("severity (0: originals)")
        axes.set_ylabel(label)
        set_legend(axes)

    return plot(draw)


def heatmap_table(results: Results, metric: str, defence: str) -> pa.Table:
    """Return a number for every corruption and severity: columns corruption, severity and value."""
    result = [
        {name: record[name] for name in ("corruption", "severity", "value")}
        for record in results.records
        if record["metric"] == metric and record["defence"] == defence and record["corruption"]
    ]
    types = {"corruption": pa.string(), "severity": pa.int64(), "value": pa.float64()}
    return pa.Table.from_pylist(result, pa.schema(types))


def heatmap(table: pa.Table, title: str) -> Figure:
    """Draw a number for every corruption and severity, also written in its cell."""
    rows = table.to_pylist()
    corruptions = list(dict.fromkeys(row["corruption"] for row in rows))
    severities = sorted({row["severity"] for row in rows})
    values = np.full((len(corruptions), len(severities)), np.nan)
    for row in rows:
        if row["value"] is not None:
            place = corruptions.index(row["corruption"]), severities.index(row["severity"])
            values[place] = row["value"]
    red, green, blue = to_rgb(COLOURS[0])
    ends = [(red, green, blue, 0), (red, green, blue, HEAT / 100)]

    def draw(axes: Axes) -> None:
        axes.imshow(
            np.ma.masked_invalid(values),
            cmap=LinearSegmentedColormap.from_list("heat", ends),
            aspect="auto",
            interpolation="none",
        )
        axes.grid(visible=False)
        axes.set_xticks(range(len(severities)), [str(severity) for severity in severities])
        axes.set_yticks(range(len(corruptions)), corruptions)
        axes.set_xlabel("severity")
        set_title(axes, title)
        for (row, column), value in np.ndenumerate(values):
            if np.isnan(value):
                axes.text(column, row, "–", ha="center", va="center", color=MUTED)
                continue
            text = number_text(value) if value >= 10 else f"{value:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8)

    return plot(draw, size=(4.9, 1.3 + 0.27 * len(corruptions)))


def _ends(summary: SeveritySummary, attribute: str) -> tuple[float, float, float]:
    result = getattr(summary, attribute)
    if isinstance(result, float):
        return result, result, result
    return result.value, result.low, result.high
