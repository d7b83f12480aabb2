"""What tells attacked images from originals: ROC (Figures 5, 6), entropy (Figure 4) and score.

Each plot comes in two parts: the arrays that it shows, which are kept as Parquet, and their
drawing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from adversarial.evaluation.estimates import roc
from adversarial.evaluation.read import Case, Columns, Results
from adversarial.reporting.figures.matplotlib_style import (
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
from adversarial.reporting.figures.simplify import simplify
from adversarial.reporting.formatting import describe, rate_text

N_BINS = 40
SCORE_FLOOR = 1e-7
"""Lower scores are drawn here: a logarithmic axis has no zero."""
TOLERANCE = 7.5e-4
"""How far a drawn ROC curve may be from the exact one, in rates; a quarter of a point on paper."""


def roc_table(rows: Mapping[str, Columns]) -> pa.Table:
    """Return the corners of each defence's ROC.

    Returns
    -------
    pyarrow.Table
        The columns defence, and originals and attacked: how many of each are flagged.
    """
    defences: list[str] = []
    corners = []
    for defence, columns in rows.items():
        before, after = columns["score_clean"], columns["score"]
        rates = np.column_stack(roc(before, after))
        counts = np.rint(rates * [len(before), len(after)]).astype(np.int64)
        step, following = np.diff(counts[:-1], axis=0), np.diff(counts[1:], axis=0)
        turns = step[:, 0] * following[:, 1] != step[:, 1] * following[:, 0]
        kept = counts[np.concatenate([[True], turns, [True]])]
        defences += [defence] * len(kept)
        corners.append(kept)
    originals, attacked = np.concatenate(corners).T
    return pa.table({"defence": defences, "originals": originals, "attacked": attacked})


def roc_curves(results: Results, case: Case, curves: pa.Table) -> Figure:
    """Draw the ROC of each defence on originals and attacked images, thresholds marked."""
    names = np.asarray(curves["defence"])
    counts = [np.asarray(curves[name]) for name in ("originals", "attacked")]
    rates = np.column_stack(counts) / results.config["n"]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=LINE)
        for index, defence in enumerate(dict.fromkeys(names.tolist())):
            colour = COLOURS[index % len(COLOURS)]
            fpr, tpr = simplify(rates[names == defence], TOLERANCE).T
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


def entropy_table(columns: Columns) -> pa.Table:
    """Return histograms of the entropy of M(x), with the columns of `_histograms`."""
    before, after = columns["entropy_clean"], columns["entropy"]
    top = max(float(before.max()), float(after.max()), 1e-3)
    return _histograms(before, after, np.linspace(0, top, N_BINS + 1))


def entropies(results: Results, case: Case, histograms: pa.Table) -> Figure:
    """Draw the entropy of M(x) on originals and attacked images."""

    def draw(axes: Axes) -> None:
        _draw_histograms(axes, histograms, results.config["n"])
        axes.set_xlabel("entropy of M (nats)")
        set_title(axes, case.title)
        set_legend(axes)

    return plot(draw)


def score_table(columns: Columns) -> pa.Table:
    """Return histograms of the adversarial score, with the columns of `_histograms`."""
    before, after = (np.maximum(columns[name], SCORE_FLOOR) for name in ("score_clean", "score"))
    both = np.concatenate([before, after])
    bins = np.geomspace(both.min(), max(both.max(), both.min() * 10), N_BINS + 1)
    return _histograms(before, after, bins)


def scores(results: Results, case: Case, defence: str, histograms: pa.Table) -> Figure:
    """Draw the score of originals and attacked images, and the thresholds that are known."""

    def draw(axes: Axes) -> None:
        _draw_histograms(axes, histograms, results.config["n"])
        axes.set_xscale("log")
        # The default formats powers as mathematical text, which the style turns off for class
        # names.
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
    before: NDArray[np.float64], after: NDArray[np.float64], edges: NDArray[np.float64]
) -> pa.Table:
    """Return a row for each bin.

    Returns
    -------
    pyarrow.Table
        The columns low and high, the ends of the bin; originals and attacked, how many of each are
        in it. The last bin includes its upper end.
    """
    counts = [np.histogram(values, edges)[0] for values in (before, after)]
    names = ["low", "high", "originals", "attacked"]
    return pa.table([edges[:-1], edges[1:], *counts], names=names)


def _draw_histograms(axes: Axes, histograms: pa.Table, n: int) -> None:
    edges = np.append(np.asarray(histograms["low"]), histograms["high"][-1].as_py())
    for column, colour, dashes, hatch, name in (
        ("originals", COLOURS[0], "-", "", "originals"),
        ("attacked", COLOURS[1], "--", "///", "attacked images"),
    ):
        axes.stairs(
            np.asarray(histograms[column]) / n,
            edges,
            fill=True,
            facecolor=(*to_rgb(colour), 0.2),
            edgecolor=colour,
            linestyle=dashes,
            linewidth=1.5,
            hatch=hatch,
            label=f"{name} ({n:,})",
        )
    axes.set_ylabel("share of images")
