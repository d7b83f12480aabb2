"""What tells attacked images from originals: ROC (Figures 5, 6), entropy (Figure 4) and score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from adversarial.evaluation.estimates import roc
from adversarial.evaluation.read import Case, Columns, Results
from adversarial.reporting.figures.style import (
    COLOURS,
    DASHES,
    INK,
    LINE,
    MARKERS,
    MUTED,
    plot,
    set_legend,
    set_title,
    shorten,
)
from adversarial.reporting.formatting import describe, rate_text

N_BINS = 40
SCORE_FLOOR = 1e-7
"""Scores below this are drawn here: a logarithmic axis has no zero."""


def roc_curves(results: Results, case: Case, rows: Mapping[str, Columns]) -> Figure:
    """Draw the ROC of each defence on originals and attacked images, thresholds marked."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=LINE)
        for index, (defence, columns) in enumerate(rows.items()):
            colour = COLOURS[index % len(COLOURS)]
            fpr, tpr = roc(columns["score_clean"], columns["score"])
            area = results.find(case, "auc", defence=defence)
            label = f"{shorten(defence)}: AUC {describe(area)}"
            axes.plot(fpr, tpr, color=colour, linestyle=DASHES[index % len(DASHES)], label=label)
            for marker, epsilon in zip(MARKERS, results.config["fprs"], strict=False):
                place = {"defence": defence, "fpr": epsilon}
                flagged = results.find(case, "flagged_clean", **place)
                detected = results.find(case, "detection_rate", **place)
                if flagged and detected:
                    axes.plot(
                        flagged["value"],
                        detected["value"],
                        marker,
                        markerfacecolor=colour,
                        markeredgecolor=INK,
                        clip_on=False,
                        zorder=3,
                    )
        for marker, epsilon in zip(MARKERS, results.config["fprs"], strict=False):
            label = f"threshold at ε_FPR {rate_text(epsilon)}"
            axes.plot([], [], marker, markerfacecolor="none", markeredgecolor=INK, label=label)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.005)
        axes.set_xlabel("share of originals flagged")
        axes.set_ylabel("share of attacked images flagged")
        set_title(axes, case.title)
        set_legend(axes, columns=1)

    return plot(draw, size=(4.9, 4.2))


def entropies(case: Case, columns: Columns) -> Figure:
    """Draw the entropy of M(x) on originals and attacked images."""

    def draw(axes: Axes) -> None:
        before, after = columns["entropy_clean"], columns["entropy"]
        top = max(float(before.max()), float(after.max()), 1e-3)
        _histograms(axes, before, after, np.linspace(0, top, N_BINS + 1))
        axes.set_xlabel("entropy of M (nats)")
        set_title(axes, case.title)
        set_legend(axes)

    return plot(draw)


def scores(results: Results, case: Case, defence: str, columns: Columns) -> Figure:
    """Draw the score of originals and attacked images, and the thresholds that are known."""

    def draw(axes: Axes) -> None:
        before, after = (
            np.maximum(columns[name], SCORE_FLOOR) for name in ("score_clean", "score")
        )
        both = np.concatenate([before, after])
        bins = np.geomspace(both.min(), max(both.max(), both.min() * 10), N_BINS + 1)
        _histograms(axes, before, after, bins)
        axes.set_xscale("log")
        # The default writes powers in mathematical text, which names of classes must not be.
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        for dashes, epsilon in zip((":", "-."), results.config["fprs"], strict=False):
            threshold = results.find(case, "threshold", defence=defence, fpr=epsilon)
            if threshold:
                label = f"threshold at ε_FPR {rate_text(epsilon)}"
                axes.axvline(threshold["value"], color=MUTED, linestyle=dashes, label=label)
        axes.set_xlabel("adversarial score (nats)")
        set_title(axes, f"{case.title}; {defence}")
        set_legend(axes)

    return plot(draw)


def _histograms(
    axes: Axes,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    bins: NDArray[np.float64],
) -> None:
    for values, colour, dashes, hatch, name in (
        (before, COLOURS[0], "-", "", "originals"),
        (after, COLOURS[1], "--", "///", "attacked images"),
    ):
        share = np.full(len(values), 1 / len(values))
        axes.hist(
            values,
            bins=list(bins),
            weights=share,
            histtype="stepfilled",
            facecolor=(*to_rgb(colour), 0.2),
            edgecolor=colour,
            linestyle=dashes,
            linewidth=1.5,
            hatch=hatch,
            label=f"{name} ({len(values):,})",
        )
    axes.set_ylabel("share of images")
