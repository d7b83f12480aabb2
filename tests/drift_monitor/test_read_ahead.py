"""Generators that run ahead of their reader."""

import threading
from collections.abc import Generator

import pytest

from drift_monitor.read_ahead import read_ahead


def test_items_come_in_order_and_no_more_are_made_than_may_wait() -> None:
    made: list[int] = []

    def numbers() -> Generator[int]:
        for n in range(50):
            made.append(n)
            yield n

    for n in read_ahead(numbers(), 3, "numbers"):
        assert n <= len(made) - 1 <= n + 3
    assert made == list(range(50))


def test_an_error_is_raised_where_its_item_was_due() -> None:
    def two() -> Generator[int]:
        yield from (0, 1)
        raise ValueError("the third")

    items = read_ahead(two(), 5, "two")
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(items)
    assert next(items, None) is None


def test_a_generator_is_closed_in_its_own_thread_with_its_reader() -> None:
    threads: list[str] = []

    def numbers() -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            threads.append(threading.current_thread().name)

    items = read_ahead(numbers(), 2, "maker")
    next(items)
    items.close()
    assert threads == ["maker_0"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maker")]
