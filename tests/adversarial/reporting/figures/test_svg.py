"""Drawings as SVG: of few bytes, in the page's colours, and the same picture as Matplotlib's."""

import base64
import doctest
import io
import re
from xml.etree import ElementTree

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from adversarial.reporting.figures import svg
from adversarial.reporting.figures.matplotlib_style import COLOURS, drawn_in_style, plot
from adversarial.reporting.figures.svg import to_inline, to_svg
from adversarial.reporting.style import LIGHT

PICTURE = np.random.default_rng(0).random((4, 4, 3))
X = np.linspace(0, 6, 400)
Y = np.sin(X)


def draw(axes: Axes) -> None:
    axes.plot(X, Y, "o-", color=COLOURS[0], markevery=100, label="sine & <b>cosine</b>")
    axes.plot(X, -Y, color=COLOURS[1])
    axes.imshow(PICTURE, extent=(1, 2, -1, 1), interpolation="none")
    axes.set_title("title")


def draw_line(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1])


def points(path: str) -> list[tuple[float, float]]:
    """Return the corners of a path, which is in the short form."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    for letter, text in re.findall(r"([Mhvl])([^Mhvlz]*)", path):
        numbers = [float(number) for number in text.split()]
        while numbers:
            if letter == "M":
                x, y = numbers[:2]
            else:
                x += 0 if letter == "v" else numbers[0]
                y += 0 if letter == "h" else numbers[0] if letter == "v" else numbers[1]
            found.append((x, y))
            numbers = numbers[1 if letter in "hv" else 2 :]
    return found


def test_examples() -> None:
    tried = doctest.testmod(svg)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_a_curve_stays_within_a_twentieth_of_a_point() -> None:
    figure, buffer = plot(draw), io.StringIO()
    with drawn_in_style():
        figure.savefig(buffer, format="svg")
    numbers = re.findall(r"[ML] (\S+) (\S+)", longest_path(buffer.getvalue()))
    corners = points(longest_path(to_svg(figure)))
    assert len(corners) > 50
    np.testing.assert_allclose(corners, np.array(numbers, np.float64), atol=0.0501)


def longest_path(text: str) -> str:
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    return max((path.get("d", "") for path in root.iter(f"{{{svg.SVG}}}path")), key=len)


def test_a_file_is_small_and_says_each_thing_once() -> None:
    text = to_svg(plot(draw_line))
    assert len(text) < 2_500
    assert text.count("font-family") == 1
    assert not re.search(r"\d\.\d{3}", text)
    assert "<metadata" not in text
    assert "<style" not in text


def test_inline_the_colours_are_the_pages_and_ids_do_not_collide() -> None:
    figure = plot(draw)
    inline = to_inline(figure, "f7")
    assert inline.startswith("<svg ")
    assert "sine &amp; &lt;b&gt;cosine" not in inline  # no legend was asked for
    assert "var(--reference)" in inline
    assert "var(--muted)" in inline
    assert not any(colour in inline for colour in LIGHT.values())
    ids = re.findall(r' id="([^"]*)"', inline)
    assert ids
    assert all(name.startswith("f7-") for name in ids)
    used = re.findall(r'(?:href="|url\()#([^")]*)', inline)
    assert used
    assert set(used) <= set(ids)
    assert "font-family" not in inline
    # Drawing it as part of a page leaves the figure as it was.
    assert "fill:#ffffff" in to_svg(figure)


def test_inline_an_image_keeps_its_pixels() -> None:
    [data] = re.findall(r'href="data:image/webp;base64,([^"]*)"', to_inline(plot(draw), "f"))
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        pixels = np.asarray(image.convert("RGB"))
    np.testing.assert_allclose(pixels, PICTURE * 255, atol=1)
