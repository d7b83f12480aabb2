"""PyArrow without pandas, in commands, which make no data frames."""

import importlib.abc
import sys


class _NoPandas(importlib.abc.MetaPathFinder):
    """Says of pandas that it is not installed."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


def keep_pandas_out() -> None:
    """Let PyArrow find no pandas, for which it looks once, when it makes its first array.

    Importing pandas takes longer than most commands. Whoever asks PyArrow for a data frame still
    gets one: it looks again then.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
