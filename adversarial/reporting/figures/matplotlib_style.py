"""The style of all pages (`adversarial.reporting.style`), for Matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adversarial.reporting.style import LIGHT, SERIES

INK, MUTED, LINE = LIGHT["ink"], LIGHT["muted"], LIGHT["line"]
RIGHT, WRONG = LIGHT["quiet"], LIGHT["harmful"]
"""Colours of class names, which have a symbol besides the colour."""

COLOURS = tuple(LIGHT[name] for name in SERIES)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")

LONGEST_NAME = 16
LONGEST_LINE = 48

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "adversarial",
    "text.parse_math": False,  # a class may be called "$x$"
    "image.composite_image": False,
    "font.size": 10,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.bottom": False,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.major.pad": 6,
    "xtick.major.size": 0,
    "xtick.labelcolor": MUTED,
    "ytick.major.pad": 6,
    "ytick.major.size": 0,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.labelcolor": MUTED,
}


def plot(draw: Callable[[Axes], None], size: tuple[float, float] = (4.9, 3.7)) -> Figure:
    """Return a figure with one pair of axes, drawn in this style."""
    with drawn_in_style():
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
    return figure


def shorten(name: str) -> str:
    """Return a name, cut to fit a figure.

    Examples
    --------
    >>> shorten("autoencoder trained for reconstruction")
    'autoencoder tra…'
    """
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def set_title(axes: Axes, title: str) -> None:
    """Give axes a title, broken where it is too long for a line."""
    axes.set_title(textwrap.fill(title, LONGEST_LINE))


def set_legend(axes: Axes, columns: int = 2) -> None:
    """Put a legend above the axes, where it covers nothing."""
    figure = axes.get_figure(root=True)
    if figure is not None:
        figure.legend(loc="outside upper left", ncols=columns)


@contextmanager
def drawn_in_style() -> Iterator[None]:
    """Draw in this style, which matters both when a figure is made and when it is saved."""
    with rc_context(STYLE):
        yield
