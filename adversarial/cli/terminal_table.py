"""A table for the terminal. Text that comes from data is shown as it is, never obeyed as markup."""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_PIPE = 10_000


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Collection[str] = (),
    caption: str | None = None,
) -> None:
    """Print a table to stdout.

    Parameters
    ----------
    headings : sequence of str
        Of the columns.
    rows : iterable of sequence of str or rich.text.Text
        As many cells each; markup and control characters in a str have no effect, and a Text has
        its style.
    right : collection of str
        Headings of the columns that are aligned to the right.
    caption : str, optional
        Below the table.
    """
    table = Table(box=box.SIMPLE, caption=caption, caption_justify="left")
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading in right else "left"
        table.add_column(_plain(heading), justify=justify, overflow="fold")
    for cells in rows:
        table.add_row(*(cell if isinstance(cell, Text) else _plain(cell) for cell in cells))
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=WIDTH_OF_PIPE)
    console.print(table)


def _plain(text: str) -> Text:
    return Text("".join(c if c.isprintable() else "�" for c in text))
