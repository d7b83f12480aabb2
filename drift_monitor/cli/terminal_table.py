"""A table for the terminal. What production data say is shown as text, never obeyed."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH_OF_PIPE = 10_000


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: int = 0) -> None:
    """Print a table to stdout.

    Parameters
    ----------
    headings : sequence of str
        Of the columns.
    rows : iterable of sequence of str
        As many cells each; markup and control characters in them have no effect.
    right : int
        So many columns, the last ones, are aligned to the right.
    """
    table = Table(box=box.SIMPLE)
    for place, heading in enumerate(headings):
        is_right = place >= len(headings) - right
        table.add_column(_plain(heading), justify="right" if is_right else "left", overflow="fold")
    for cells in rows:
        table.add_row(*map(_plain, cells))
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=WIDTH_OF_PIPE)
    console.print(table)


def _plain(text: str) -> Text:
    return Text("".join(c if c.isprintable() else "�" for c in text))
