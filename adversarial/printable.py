"""Texts that come from data, such that a terminal shows them and does nothing else."""

import re

_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""Control characters but for tab and end of line, and those that turn the order of others round."""


def printable(text: str) -> str:
    r"""Return a text in which characters that act on a terminal are written as escapes.

    Examples
    --------
    >>> print(printable("red \x1b[31m, then\n\u202eback"))
    red \x1b[31m, then
    \u202eback
    """
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
