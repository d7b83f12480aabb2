"""An iterator that is run ahead of its reader, in a thread of its own."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

T = TypeVar("T")


def read_ahead(items: Generator[T], most: int, name: str) -> Generator[T]:
    """Yield what a generator gives, in its order, while a thread makes the next items.

    The generator runs in that thread alone, and is closed with this one. An error that it raises is
    raised here, where its item was due.

    Parameters
    ----------
    items : generator
        Makes the items.
    most : int
        Items made and not yet read, at most; the one that is being made is among them.
    name : str
        Of the thread.

    Examples
    --------
    >>> list(read_ahead((n * n for n in range(4)), 2, "squares"))
    [0, 1, 4, 9]
    """
    end = object()
    ahead: deque[Future[object]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix=name) as pool:
        try:
            while True:
                while len(ahead) < most:
                    ahead.append(pool.submit(next, items, end))
                item = ahead.popleft().result()
                if item is end:
                    return
                ahead.append(pool.submit(next, items, end))
                yield cast("T", item)
        finally:
            for future in ahead:
                future.cancel()
            pool.submit(items.close)
