"""Imports of libraries that look for pandas and do without it, made without it."""

import importlib.abc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _NoPandas(importlib.abc.MetaPathFinder):
    """Says to one thread that pandas is not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Let this thread find no pandas, whose import takes longer than most commands.

    Where pandas is imported already, it is found as ever, and afterwards whoever asks for it gets
    it. This is for imports of libraries that need pandas only when they are given its data frames.

    Examples
    --------
    >>> with without_pandas():
    ...     import sklearn.ensemble
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
