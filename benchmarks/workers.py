"""Worker processes that take turns, so that whatever else slows the machine slows all alike.

A worker loads what it needs once and then runs a named task whenever it is told to, by one line on
its standard input; it answers by one line of JSON. Only the standard library is imported here: a
worker may run in the environment of a peer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO, cast

Task = Callable[[], Any]


class Answer(NamedTuple):
    """What a worker says of one task."""

    seconds: float
    """Wall-clock time of the task alone."""
    value: Any
    """What the task returned, as JSON holds it: an array becomes a list."""


class Worker:
    """A process that runs `serve`.

    Parameters
    ----------
    command : sequence of str
        Command line of the process. Its log goes to this process's standard error.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # This project turns oneDNN on; a peer gets the same kernels.
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"},
        )
        self._tasks = cast("TextIO", self._process.stdin)
        self._answers = cast("TextIO", self._process.stdout)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._tasks.close()
        self._process.wait()

    def ask(self, task: str) -> Answer:
        """Run a task and wait for its end.

        Raises
        ------
        RuntimeError
            If the worker ends instead; its log says why.
        """
        self._tasks.write(task + "\n")
        self._tasks.flush()
        line = self._answers.readline()
        if not line:
            raise RuntimeError(
                f"the worker {self._process.args!r} ended with code {self._process.wait()} during "
                f"{task!r}; its log is above"
            )
        return Answer(**json.loads(line))


def serve(tasks: Mapping[str, Task]) -> None:
    """Run tasks by name as they are asked for on standard input, until it is closed.

    Parameters
    ----------
    tasks : mapping of str to callable
        Each takes nothing and returns what JSON can hold, or a NumPy array.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # a library's stray print must not be an answer
    for line in sys.stdin:
        started = time.perf_counter()
        value = tasks[line.strip()]()
        seconds = time.perf_counter() - started
        answer = {"seconds": seconds, "value": value}
        print(json.dumps(answer, default=lambda array: array.tolist()), file=answers, flush=True)
