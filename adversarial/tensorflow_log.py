"""What TensorFlow's libraries write to stderr, kept from users whom it tells nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

MIN_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
SEVERITIES = "IWE"
"""Information, warnings and errors, as log lines begin; level n hides the first n of them."""

NO_GPU_DRIVER = r"E.*Failed call to cuInit: .*\(303\)"
"""CUDA's driver library is not there, which TensorFlow calls an error on machines without a GPU."""

FILTER = """
import re, sys
hidden = re.compile(sys.argv[1].encode())
for line in sys.stdin.buffer:
    if not hidden.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


def quieten_tensorflow() -> None:
    """Hide what TensorFlow logs below an error, from its import on.

    This is for programs, before they import TensorFlow: a library leaves it to its users what
    their processes log. `TF_CPP_MIN_LOG_LEVEL` stays as it is where it is set, and is 2 elsewhere.
    TensorFlow 2.21 reads it too late for what its libraries log while they are loaded
    (https://github.com/tensorflow/tensorflow/issues/100442), so that the import applies it to
    those lines.
    """
    level = os.environ.setdefault(MIN_LOG_LEVEL, "2")
    hidden = SEVERITIES[: int(level)] if level.isdecimal() else ""
    is_set_up = any(isinstance(finder, _QuietFinder) for finder in sys.meta_path)
    if hidden and sys.stderr is not None and not is_set_up:
        sys.meta_path.insert(0, _QuietFinder(hidden))


class _QuietFinder:
    """Finds TensorFlow as Python does, to be loaded with part of its log hidden."""

    def __init__(self, hidden: str) -> None:
        self.hidden = hidden

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _QuietLoader(fullname, spec.loader.path)
            spec.loader.hidden = self.hidden
        return spec


class _QuietLoader(SourceFileLoader):
    hidden: str

    def exec_module(self, module: ModuleType) -> None:
        # Absl announces that it has not been set up; its lines give severity, date and time.
        lines = rf"WARNING: All log messages before absl|[{self.hidden}]\d{{4}} \d\d:\d\d:"
        with _stderr_without(rf"{lines}|{NO_GPU_DRIVER}"):
            super().exec_module(module)
            # Looks for a GPU, as the first operation would, while it may say that there is none.
            module.config.list_physical_devices("GPU")


@contextmanager
def _stderr_without(pattern: str) -> Iterator[None]:
    """Hide lines that match, whoever in this process writes them to file descriptor 2.

    A process of its own passes the others on, so that they are seen even if this one is aborted,
    as TensorFlow does on a CPU that it cannot use.
    """
    reading, writing = os.pipe()
    stderr = os.dup(2)
    with subprocess.Popen(  # noqa: S603 - this Python, with the code above
        [sys.executable, "-I", "-S", "-c", FILTER, pattern],
        stdin=reading,
        stdout=stderr,
        start_new_session=True,  # an interrupt from the keyboard is not for it
    ):
        sys.stderr.flush()
        os.dup2(writing, 2)
        os.close(writing)
        os.close(reading)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)  # and with this the filter has read all, and ends
            os.close(stderr)
