"""Print for a person: what comes from data cannot act on the terminal."""

import typer

from adversarial.printable import printable


def echo(message: object, *, nl: bool = True, err: bool = False, fg: str | None = None) -> None:
    """Print a message as `typer.secho` does, its control characters as escapes.

    Parameters
    ----------
    message : object
        Its text is printed.
    nl : bool
        End the line.
    err : bool
        On stderr, not on stdout.
    fg : str, optional
        Colour of the text.
    """
    typer.secho(printable(str(message)), nl=nl, err=err, fg=fg)
