"""A table for the terminal. Text from data is shown as it is, never interpreted as markup."""

import io
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_PIPE = 10_000

Rows = Iterable[Sequence[str | Text]]


def print_table(
    headings: Sequence[str],
    rows: Rows,
    *,
    right: Collection[str] = (),
    caption: str | None = None,
) -> None:
    """Print a table to stdout, as wide as the terminal.

    Parameters
    ----------
    headings : sequence of str
        Headings of the columns.
    rows : iterable of sequence of str or rich.text.Text
        One cell per column. Markup and control characters in a str have no effect; a Text keeps its
        style.
    right : collection of str
        Headings of the columns that are aligned to the right.
    caption : str, optional
        A line below the table.
    """
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=WIDTH_OF_PIPE)
    console.print(_table(headings, rows, right, caption))


def format_table(headings: Sequence[str], rows: Rows, *, right: Collection[str] = ()) -> str:
    """Return a table as lines of text, for a log.

    Parameters as in `print_table`.

    Examples
    --------
    >>> print(format_table(["metric", "value"], [["auc", "0.98"]], right=["value"]))
      metric   value
     ────────────────
      auc       0.98
    """
    console = Console(file=io.StringIO(), width=WIDTH_OF_PIPE, color_system=None)
    with console.capture() as captured:
        console.print(_table(headings, rows, right))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join(line for line in lines if line)


def _table(
    headings: Sequence[str], rows: Rows, right: Collection[str], caption: str | None = None
) -> Table:
    table = Table(box=box.SIMPLE, caption=caption, caption_justify="left")
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading in right else "left"
        table.add_column(_plain(heading), justify=justify, overflow="fold")
    for cells in rows:
        table.add_row(*(cell if isinstance(cell, Text) else _plain(cell) for cell in cells))
    return table


def _plain(text: str) -> Text:
    return Text("".join(c if c.isprintable() else "�" for c in text))
