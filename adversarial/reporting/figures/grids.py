"""Images before and after an attack, with their reconstructions (Figures 1, 3 and 8 to 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adversarial.evaluation.read import Columns
from adversarial.reporting.figures.matplotlib_style import RIGHT, WRONG, drawn_in_style, shorten

POINTS = 72
"""Points per inch. A grid is laid out in points, which are the pixels of a WebP file."""
SIDE = 64
"""Side of an image, which is square."""
CELL_WIDTH, CELL_HEIGHT = 80, 96
"""Size of an image with its margin and the text under it."""
LABEL_WIDTH, HEADER_HEIGHT = 74, 50
"""With these, images begin two pixels inside WebP's blocks of 16: on a block's edge, WebP would
smooth theirs away, and far from one they take more bytes."""


def image_grid(
    images: Mapping[str, NDArray[np.float32]],
    rows: Mapping[str, Columns],
    class_names: Sequence[str],
    *,
    changed: str = "attacked",
) -> Figure:
    """Draw a row per image: original, attacked, and what each defence makes of both.

    Parameters
    ----------
    images : mapping of str to (k, height, width, channels) array
        As `adversarial.evaluation.read.read_images` returns them.
    rows : mapping of str to columns
        By defence; row i is image i.
    class_names : sequence of str
        Names in the order of the classes.
    changed : {"attacked", "drifted"}
        What happened to the images.
    """
    defences = list(rows)
    k = len(images["original"])
    columns = [("original", "x"), *((name, "AE(x)") for name in defences)]
    columns += [(changed, "x'"), *((name, "AE(x')") for name in defences)]
    with drawn_in_style():
        width = LABEL_WIDTH + CELL_WIDTH * len(columns)
        height = HEADER_HEIGHT + CELL_HEIGHT * k
        figure = Figure(figsize=(width / POINTS, height / POINTS))
        # One pair of axes for all images: a pair for each takes a hundred times as long.
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for column, (name, symbol) in enumerate(columns):
            # Two texts, since SVG would align the lines of one by Matplotlib's font metrics.
            middle = CELL_WIDTH * (column + 0.5)
            _text(axes, middle, -24, shorten(name), fontsize=9)
            _text(axes, middle, -10, symbol, fontsize=9)
        for row in range(k):
            label = int(next(iter(rows.values()))["label"][row])
            top = CELL_HEIGHT * row
            _text(axes, -LABEL_WIDTH / 2, top + SIDE / 2, _name(label, class_names), fontsize=9)
            cells = [*_side(images, rows, row, clean=True), *_side(images, rows, row, clean=False)]
            for column, (image, given, score) in enumerate(cells):
                middle = CELL_WIDTH * (column + 0.5)
                _draw(axes, image, middle, top)
                is_right = given == label
                _text(
                    axes,
                    middle,
                    top + SIDE + 8,
                    f"{'✓' if is_right else '✗'} {_name(given, class_names)}",
                    color=RIGHT if is_right else WRONG,
                )
                if score is not None:
                    _text(axes, middle, top + SIDE + 20, f"S = {score:.3g}")
        axes.set_aspect("auto")
        axes.set_xlim(-LABEL_WIDTH, width - LABEL_WIDTH)
        axes.set_ylim(height - HEADER_HEIGHT, -HEADER_HEIGHT)
    return figure


def to_display(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image in [0, 1]: as it is or, if it leaves that range, stretched from its own."""
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        return (image - low) / (high - low if high > low else 1.0)
    return image


def is_stretched(images: Mapping[str, NDArray[np.float32]]) -> bool:
    """Say whether any of the images leaves [0, 1]."""
    return any(bool(np.any((some < 0) | (some > 1))) for some in images.values())


def _side(
    images: Mapping[str, NDArray[np.float32]],
    rows: Mapping[str, Columns],
    row: int,
    *,
    clean: bool,
) -> list[tuple[NDArray[np.float32], int, float | None]]:
    """Return image, class and score of an original or attacked image and its reconstructions."""
    suffix = "_clean" if clean else ""
    first = next(iter(rows.values()))
    cells: list[tuple[NDArray[np.float32], int, float | None]] = [
        (
            images["original" if clean else "attacked"][row],
            int(first[f"prediction{suffix}"][row]),
            None,
        )
    ]
    for defence, columns in rows.items():
        given = int(columns[f"reconstruction_prediction{suffix}"][row])
        score = float(columns[f"score{suffix}"][row])
        cells.append((images[f"reconstruction{suffix}-{defence}"][row], given, score))
    return cells


def _draw(axes: Axes, image: NDArray[np.float32], middle: float, top: float) -> None:
    shown = to_display(image)
    # Without interpolation an SVG keeps the pixels as they are, which also takes the fewest bytes.
    axes.imshow(
        shown[..., 0] if shown.shape[-1] == 1 else shown,
        extent=(middle - SIDE / 2, middle + SIDE / 2, top + SIDE, top),
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="none",
    )


def _text(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    axes.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 8, **look})


def _name(index: int, class_names: Sequence[str]) -> str:
    return shorten(class_names[index] if index < len(class_names) else str(index))
