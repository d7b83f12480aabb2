"""Figures as compact SVG, as a file or as part of a page.

Matplotlib repeats the font for each text and writes six decimals of every coordinate. Here the font
is given once, lines go from point to point in tenths of a point, and lines that look the same
become one path.
"""

from __future__ import annotations

import base64
import io
import re
from itertools import groupby
from xml.etree import ElementTree

from matplotlib.figure import Figure
from PIL import Image

from adversarial.reporting.figures.matplotlib_style import drawn_in_style
from adversarial.reporting.style import FONT, LIGHT

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
NUMBER = re.compile(r"-?\d+\.\d+")
REFERENCE = re.compile(r"#([\w-]+)")
ROUNDED = {"height", "transform", "width", "x", "y"}


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG file, the same bytes in every run."""
    root = _draw(figure)
    root.set("font-family", FONT.replace('"', "'"))
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def to_inline(figure: Figure, prefix: str) -> str:
    """Return an `<svg>` element without background, in the colours and the font of the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    prefix : str
        Prefix of the ids in it, because several drawings share a page.
    """
    patches = [figure.patch, *(axes.patch for axes in figure.axes)]
    seen = [patch.get_visible() for patch in patches]
    for patch in patches:
        patch.set_visible(False)
    root = _draw(figure)
    for patch, visible in zip(patches, seen, strict=True):
        patch.set_visible(visible)
    for element in root.iter(f"{{{SVG}}}image"):
        element.set("href", _as_webp(element.attrib["href"]))
    svg = ElementTree.tostring(root, encoding="unicode")
    for opening in ('id="', 'href="#', "url(#"):
        svg = svg.replace(opening, f"{opening}{prefix}-")
    for name, colour in LIGHT.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def _draw(figure: Figure) -> ElementTree.Element:
    buffer = io.StringIO()
    with drawn_in_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 - our own
    used = set(REFERENCE.findall(buffer.getvalue()))
    _thin(root, used)
    # Matplotlib sets this in a style sheet, which would apply to the whole page.
    root.set("stroke-linejoin", "round")
    return root


def _thin(element: ElementTree.Element, used: set[str]) -> None:
    """Remove whatever is invisible from an element and all that it contains."""
    element.text = element.text if element.tag == f"{{{SVG}}}text" else None
    element.tail = None
    if element.get("id") not in used:
        element.attrib.pop("id", None)
    if f"{{{XLINK}}}href" in element.attrib:
        element.set("href", "".join(element.attrib.pop(f"{{{XLINK}}}href").split()))
    if "style" in element.attrib:
        style = re.sub(r"\s*font-family: [^;]*;", "", element.attrib["style"])
        element.set("style", re.sub(r"([;:,]) ", r"\1", style))
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name in ROUNDED & element.attrib.keys():
        element.set(name, NUMBER.sub(_round, element.attrib[name]))
    if "d" in element.attrib:
        element.set("d", _shorten(element.attrib["d"]))
    children: list[ElementTree.Element] = []
    for child in element:
        is_empty = child.tag == f"{{{SVG}}}path" and not child.get("d")
        if is_empty or child.tag in {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}:
            continue
        _thin(child, used)
        is_bare = child.tag in {f"{{{SVG}}}g", f"{{{SVG}}}defs"} and not child.attrib
        if child.tag == f"{{{SVG}}}g" and is_bare:
            children.extend(child)
        elif len(child) or not is_bare:
            children.append(child)
    element[:] = _group_texts(_merge(children))


def _merge(elements: list[ElementTree.Element]) -> list[ElementTree.Element]:
    """Return the elements, with lines that look the same and have only text between them joined."""
    merged: list[ElementTree.Element] = []
    line: ElementTree.Element | None = None
    for element in elements:
        is_path = element.tag == f"{{{SVG}}}path"
        if is_path and line is not None and _looks_like(element, line):
            line.set("d", line.attrib["d"] + element.attrib["d"])
            continue
        if is_path and "fill:none" in element.get("style", ""):
            line = element
        elif element.tag != f"{{{SVG}}}text":
            line = None
        merged.append(element)
    return merged


def _group_texts(elements: list[ElementTree.Element]) -> list[ElementTree.Element]:
    """Return the elements, with successive texts of one style in a group that has it."""
    grouped: list[ElementTree.Element] = []
    for style, run in groupby(elements, _style_of_text):
        texts = list(run)
        if style is None or len(texts) == 1:
            grouped += texts
            continue
        group = ElementTree.Element(f"{{{SVG}}}g", style=style)
        for text in texts:
            del text.attrib["style"]
        group.extend(texts)
        grouped.append(group)
    return grouped


def _style_of_text(element: ElementTree.Element) -> str | None:
    return element.get("style") if element.tag == f"{{{SVG}}}text" else None


def _looks_like(one: ElementTree.Element, other: ElementTree.Element) -> bool:
    looks = [{name: value for name, value in e.attrib.items() if name != "d"} for e in (one, other)]
    return looks[0] == looks[1]


def _shorten(path: str) -> str:
    """Return a path without the digits, letters and spaces that it does not need.

    Examples
    --------
    >>> _shorten("M 0.04 302.4 L 352.8 302.4 L 352.8 0.0 L 1.0 2.0 L 1.24 2.5 z")
    'M0 302.4h352.8v-302.4l-351.8 2 .2 .5z'
    """
    commands = COMMAND.findall(path)
    if not {letter for letter, _ in commands} <= {"M", "L", "z"}:
        return "".join(
            letter + " ".join(_short(float(number), 2) for number in numbers.split())
            for letter, numbers in commands
        )
    short, last = "", ""
    x = y = 0
    for letter, numbers in commands:
        if letter == "z":
            short, last = f"{short}z", "z"
            continue
        # Whole tenths, so that rounding errors do not add up from point to point.
        to_x, to_y = (round(10 * float(number)) for number in numbers.split())
        right, down = (_short(step / 10, 1) for step in (to_x - x, to_y - y))
        if letter == "M":
            kind, where = "M", f"{_short(to_x / 10, 1)} {_short(to_y / 10, 1)}"
        elif to_y == y:
            kind, where = "h", right
        elif to_x == x:
            kind, where = "v", down
        else:
            kind, where = "l", f"{right} {down}"
        short += f" {where}" if kind == last == "l" else kind + where
        x, y, last = to_x, to_y, kind
    return short


def _round(match: re.Match[str]) -> str:
    return _short(float(match[0]), 2)


def _short(number: float, decimals: int) -> str:
    """Return a number with at most this many decimals.

    Examples
    --------
    >>> [_short(number, 2) for number in (39.904146, -0.5, 268.0, -0.001)]
    ['39.9', '-.5', '268', '0']
    """
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else re.sub(r"^(-?)0\.", r"\1.", text)


def _as_webp(png: str) -> str:
    """Return a data URI of the same pixels in WebP, which takes fewer bytes than PNG."""
    _, _, data = png.partition("base64,")
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        image.save(buffer, "WEBP", lossless=True, method=6)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
