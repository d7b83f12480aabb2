"""Static SVG plots of a report, drawn by matplotlib in colours that the page's theme supplies."""

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drift_monitor.report.model import HarmRate, KSTest

SCORE_FLOOR = 1e-7
"""Scores below this are drawn here: a logarithmic axis has no zero."""

CURVE_POINTS = 501

# Each placeholder colour becomes a CSS variable, so that one drawing serves light and dark.
_THEME = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--reference)",
    "#050505": "var(--current)",
    "#060606": "var(--alarm)",
}
_INK, _MUTED, _LINE, _REFERENCE, _CURRENT, _ALARM = _THEME

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "drift-monitor",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.color": _MUTED,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def score_ecdf(
    reference_quantiles: NDArray[np.float64],
    current: NDArray[np.float64],
    test: KSTest,
    threshold: float,
) -> str:
    """Draw the two empirical distribution functions of the score, with D marked.

    Parameters
    ----------
    reference_quantiles : (k,) float64
        Scores of the reference at evenly spaced probabilities from 0 to 1, in nats.
    current : (n,) float64
        Scores of the batch, at least one.
    test : KSTest
        The test on these samples.
    threshold : float
        t, in nats.

    Returns
    -------
    str
        An `<svg>` element.
    """

    def draw(axes: Axes) -> None:
        _score_axis(axes, np.concatenate([reference_quantiles, current]))
        probabilities = np.linspace(0, 1, len(reference_quantiles))
        axes.plot(_floor(reference_quantiles), probabilities, color=_REFERENCE, label="reference")
        steps = np.linspace(0, 1, CURVE_POINTS)
        axes.plot(_floor(np.quantile(current, steps)), steps, color=_CURRENT, label="batch")
        axes.axvline(max(threshold, SCORE_FLOOR), color=_MUTED, linestyle=":", label="threshold t")
        if test.location is not None and test.statistic is not None:
            at = max(test.location, SCORE_FLOOR)
            ends = (
                float(np.interp(test.location, reference_quantiles, probabilities)),
                float(np.mean(current <= test.location)),
            )
            label = f"D = {test.statistic:.3f}"
            axes.plot([at, at], ends, color=_ALARM, linewidth=2.5, label=label)
        axes.set_ylim(0, 1)
        axes.set_ylabel("share of rows at or below")
        axes.legend(loc="upper left")

    return _svg("ecdf", draw)


def score_histogram(
    harmless: NDArray[np.float64], harmful: NDArray[np.float64], threshold: float
) -> str:
    """Draw the batch's scores by outcome, (n,) and (m,) in nats. Returns an `<svg>` element."""

    def draw(axes: Axes) -> None:
        scores = _floor(np.concatenate([harmless, harmful]))
        _score_axis(axes, scores)
        bins = np.geomspace(scores.min(), max(scores.max(), scores.min() * 1.01), 41)
        axes.hist(
            [_floor(harmless), _floor(harmful)],
            bins=list(bins),
            stacked=True,
            color=[_REFERENCE, _ALARM],
            label=[f"harmless ({len(harmless):,})", f"harmful ({len(harmful):,})"],
        )
        axes.axvline(max(threshold, SCORE_FLOOR), color=_MUTED, linestyle=":", label="threshold t")
        axes.set_ylabel("rows")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)

    return _svg("histogram", draw)


def harm_rates(reference: HarmRate, current: HarmRate) -> str:
    """Draw the two harm rates with their intervals. Returns an `<svg>` element."""

    def draw(axes: Axes) -> None:
        rates = (("reference", reference, _REFERENCE), ("batch", current, _CURRENT))
        for height, (_, rate, colour) in enumerate(rates):
            axes.plot([100 * rate.low, 100 * rate.high], [height, height], color=colour, lw=5)
            axes.plot(100 * rate.rate, height, "o", color=_INK, markersize=6)
            axes.annotate(
                f"{rate.rate:.1%}",
                (100 * rate.rate, height),
                xytext=(0, 9),
                textcoords="offset points",
                ha="center",
            )
        axes.set_yticks([0, 1], [name for name, _, _ in rates])
        axes.set_ylim(-0.6, 1.7)
        axes.set_xlim(left=0)
        axes.set_xlabel("harmful rows (%)")

    return _svg("harm", draw)


def _floor(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(scores, SCORE_FLOOR)


def _score_axis(axes: Axes, scores: NDArray[np.float64]) -> None:
    scores = _floor(scores)
    low, high = float(scores.min()), float(scores.max())
    axes.set_xscale("log")
    axes.set_xlim(low / 1.5, max(high * 1.5, low * 10))  # equal limits have no axis between them
    axes.set_xlabel("adversarial score (nats)")


def _svg(name: str, draw: Callable[[Axes], None]) -> str:
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.9, 3.1), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # Several drawings share a page, so each needs ids of its own.
    for opening in ('id="', 'href="#', "url(#"):
        svg = svg.replace(opening, f"{opening}{name}-")
    for placeholder, variable in _THEME.items():
        svg = svg.replace(placeholder, variable)
    return re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
