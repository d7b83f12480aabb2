"""A chart as plain values; the template draws it as SVG that stretches to the page's width.

Horizontal and vertical positions are per mille of the drawing, from the left and from the top.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZE = 1000

Kind = Literal["line", "thin", "dashed", "area", "dots", "rings", "squares", "bold"]
Tone = Literal["reference", "current", "estimate", "alarm", "unknown", "muted"]
Floats = NDArray[np.float64]


class Tick(NamedTuple):
    """A label beside an axis; `at` in per mille."""

    at: float
    text: str


class Mark(NamedTuple):
    """Something drawn: an SVG path, and the words for it in the legend, if any."""

    kind: Kind
    tone: Tone
    path: str
    legend: str | None = None


class Link(NamedTuple):
    """A column of the chart that leads to an interval's report, and what it says there."""

    left: float
    width: float
    interval: str
    text: str


@dataclass(frozen=True)
class Chart:
    """What the template draws.

    Attributes
    ----------
    title : str
        What is shown.
    unit : str
        Unit of the vertical axis.
    description : str
        What the drawing says, for readers who cannot see it.
    """

    title: str
    unit: str
    description: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    marks: Sequence[Mark]
    links: Sequence[Link] = ()
    x_unit: str = ""


@dataclass(frozen=True)
class Scale:
    """Where a value lies: linear, or logarithmic; values outside are drawn at the ends."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, values: Floats | float) -> Floats:
        """Return positions in per mille, from `low` at 0 to `high` at 1000."""
        low, high, clipped = self.low, self.high, np.clip(values, self.low, self.high)
        if self.logarithmic:
            low, high, clipped = math.log10(low), math.log10(high), np.log10(clipped)
        return np.asarray(SIZE * (clipped - low) / (high - low))

    def up(self, values: Floats | float) -> Floats:
        """Return positions from the top, so that larger values lie higher."""
        return SIZE - self.at(values)

    def ticks(self, text: Callable[[float], str]) -> list[Tick]:
        """Return round values and where they lie; `text` writes them."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            step = max(1, (last - first + 5) // 6)
            values = [10.0**exponent for exponent in range(first, last + 1, step)]
        else:
            values = _round_values(self.low, self.high)
        return [Tick(round(float(self.at(value)), 1), text(value)) for value in values]


def linear(values: Iterable[float], *, low: float = 0.0, most: float = math.inf) -> Scale:
    """Return a scale from `low` to somewhat above the largest value, at most `most`."""
    high = max([value for value in values if math.isfinite(value)], default=low)
    high = min(most, low + 1.08 * (high - low))
    return Scale(low, high if high > low else low + 1)


def _round_values(low: float, high: float) -> list[float]:
    raw = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def line(x: Floats, y: Floats) -> str:
    """Return the path through the points; it breaks where a value is not finite."""
    commands, pen = [], "M"
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(b):
            commands.append(f"{pen}{_number(a)} {_number(b)}")
            pen = "L"
        else:
            pen = "M"
    return "".join(commands)


def dots(x: Floats, y: Floats) -> str:
    """Return a path with a dot at each point; round line caps keep them round when stretched."""
    return "".join(
        f"M{_number(a)} {_number(b)}h0"
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
        if math.isfinite(b)
    )


def bars(x: Floats, low: Floats, high: Floats) -> str:
    """Return a path of vertical lines, such as error bars."""
    return "".join(
        f"M{_number(a)} {_number(b)}V{_number(c)}"
        for a, b, c in zip(x.tolist(), low.tolist(), high.tolist(), strict=True)
        if math.isfinite(b) and math.isfinite(c)
    )


def steps(left: Floats, right: Floats, y: Floats) -> str:
    """Return a path of horizontal lines, one for each value."""
    return "".join(
        f"M{_number(a)} {_number(c)}H{_number(b)}"
        for a, b, c in zip(left.tolist(), right.tolist(), y.tolist(), strict=True)
        if math.isfinite(c)
    )


def area(left: Floats, right: Floats, low: Floats, high: Floats) -> str:
    """Return a path of filled blocks, one for each pair of values."""
    return "".join(
        f"M{_number(a)} {_number(c)}H{_number(b)}V{_number(d)}H{_number(a)}z"
        for a, b, c, d in zip(
            left.tolist(), right.tolist(), low.tolist(), high.tolist(), strict=True
        )
        if math.isfinite(c) and math.isfinite(d)
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
