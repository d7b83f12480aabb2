"""A figure with its texts, and the files it is saved as."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from PIL import Image

from adversarial.files import replace_file, write_text
from adversarial.reporting.figures.grids import POINTS
from adversarial.reporting.figures.matplotlib_style import drawn_in_style
from adversarial.reporting.figures.svg import to_svg

IMAGE_QUALITY = 30
"""Quality of WebP. With image pixels drawn as four each, more hardly shows, at twice the bytes."""


@dataclass(frozen=True)
class Drawing:
    """A figure with its texts.

    Attributes
    ----------
    stem : str
        Name of its files.
    figure : matplotlib.figure.Figure
    kind : {"grid", "roc", "entropy", "score", "drift", "heatmap"}
    caption : str
        What the figure shows, and which figure of the paper it repeats.
    alt : str
        The same for those who cannot see it.
    table : pyarrow.Table, optional
        The arrays that a plot shows, from which it can be drawn again. A grid of images has none.
    is_in_report : bool
        Whether the page has it: images of every corruption and severity would be many megabytes.
    """

    stem: str
    figure: Figure
    kind: str
    caption: str
    alt: str
    table: pa.Table | None = None
    is_in_report: bool = True


def save(drawing: Drawing, directory: Path) -> None:
    """Write a plot as SVG with its arrays as Parquet beside it, and a grid of images as WebP."""
    directory.mkdir(exist_ok=True)
    if drawing.table is None:
        with replace_file(directory / f"{drawing.stem}.webp") as scratch:
            scratch.write_bytes(to_webp(drawing.figure))
        return
    save_svg(drawing.figure, directory, drawing.stem)
    with replace_file(directory / f"{drawing.stem}.parquet") as scratch:
        write_arrays(drawing.table, scratch)


def write_arrays(table: pa.Table, file: Path) -> None:
    """Write the arrays of a plot as compact Parquet."""
    counts = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    pq.write_table(
        table,
        file,
        compression="zstd",
        # Counts rise slowly along a curve.
        column_encoding=dict.fromkeys(counts, "DELTA_BINARY_PACKED"),
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        # These would take up half of the file.
        write_statistics=False,
        store_schema=False,
    )


def save_svg(figure: Figure, directory: Path, stem: str) -> Path:
    """Write a plot as SVG, and return the file."""
    file = directory / f"{stem}.svg"
    write_text(file, to_svg(figure))
    return file


def to_webp(figure: Figure) -> bytes:
    """Return a figure as WebP, the same bytes in every run."""
    buffer = io.BytesIO()
    with drawn_in_style():
        figure.savefig(buffer, format="png", dpi=POINTS)
    webp = io.BytesIO()
    with Image.open(buffer) as image:
        image.convert("RGB").save(webp, "WEBP", quality=IMAGE_QUALITY, method=6)
    return webp.getvalue()
