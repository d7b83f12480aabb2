"""The look of all figures: Okabe and Ito's colours, line styles and markers beside colour."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, LINE = "#1b1f24", "#59616b", "#d5d9de"
RIGHT, WRONG = "#00694c", "#a84300"
"""Of text; Okabe and Ito's green and vermilion are too pale for it on white."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")

LONGEST_NAME = 16
LONGEST_LINE = 48

THEME = {INK: "--ink", MUTED: "--muted", LINE: "--line", RIGHT: "--right", WRONG: "--wrong"}
"""CSS variables that replace colours where a page has a light and a dark theme."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "adversarial",
    "text.parse_math": False,  # a class may be called "$x$"
    "image.composite_image": False,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@dataclass(frozen=True)
class Drawing:
    """A figure with the words that belong to it.

    Attributes
    ----------
    stem : str
        Name of its files.
    figure : matplotlib.figure.Figure
    kind : {"grid", "roc", "entropy", "score", "drift", "heatmap"}
    caption : str
        What is seen, and which figure of the paper it repeats.
    alt : str
        The same for those who cannot see it.
    is_in_report : bool
        Images of every corruption and severity would make a page of many megabytes.
    """

    stem: str
    figure: Figure
    kind: str
    caption: str
    alt: str
    is_in_report: bool = True


def save(drawing: Drawing, directory: Path) -> None:
    """Write a drawing as PNG and SVG."""
    directory.mkdir(exist_ok=True)
    svg, png = (directory / f"{drawing.stem}.{kind}" for kind in ("svg", "png"))
    svg.write_text(to_svg(drawing.figure), encoding="utf-8")
    png.write_bytes(to_png(drawing.figure))


def plot(draw: Callable[[Axes], None], size: tuple[float, float] = (4.9, 3.7)) -> Figure:
    """Return a figure of one pair of axes, drawn in this style."""
    with drawn_in_style():
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
    return figure


def shorten(name: str) -> str:
    """Return a name as it fits a figure.

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
    """Draw in this style; both making and saving a figure look at it."""
    with rc_context(STYLE):
        yield


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG file without what differs from one run to the next."""
    buffer = io.StringIO()
    with drawn_in_style():
        figure.savefig(buffer, format="svg")
    return re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)


def to_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file without what differs from one run to the next."""
    buffer = io.BytesIO()
    with drawn_in_style():
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def to_inline(figure: Figure, prefix: str) -> str:
    """Return an `<svg>` element without background, in the colours of the page's theme.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    prefix : str
        Of the ids in it: several drawings share a page.
    """
    patches = [figure.patch, *(axes.patch for axes in figure.axes)]
    seen = [patch.get_visible() for patch in patches]
    for patch in patches:
        patch.set_visible(False)
    svg = to_svg(figure)
    for patch, visible in zip(patches, seen, strict=True):
        patch.set_visible(visible)
    svg = svg[svg.index("<svg") :]
    for opening in ('id="', 'href="#', "url(#"):
        svg = svg.replace(opening, f"{opening}{prefix}-")
    for colour, variable in THEME.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
