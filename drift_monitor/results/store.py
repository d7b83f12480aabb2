"""Results on disk: `<reports>/<monitor>/<interval>/`, committed by its `report.json`."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adversarial.files import write_text
from adversarial.locks import lock_directory
from drift_monitor.errors import StoreError

SCORES = "scores.parquet"
REJECTED = "rejected.parquet"
REPORT = "report.json"
PAGE = "report.html"
RUN = "run.json"
_STAGING = ".staging-"
_INTERVAL = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2})?")
"""Names of intervals (`Interval.id`); a copy beside them has another name, and is ignored."""
ABANDONED_AFTER = 2 * 24 * 3600
"""Seconds after which a staging directory is assumed to be abandoned."""


class Store:
    """The intervals of one monitor.

    An interval is made in a staging directory and then published file by file. It is committed
    exactly while its `report.json` exists: publishing removes the old one first and puts the new
    one in place last, so a reader never mistakes files of two runs for one result.

    Parameters
    ----------
    directory : Path
        `<reports>/<monitor>`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def staging(self, interval: str, token: str) -> Path:
        """Return the staging directory of one run of an interval; create it if needed.

        The same token gives the same directory, so that a later task of a run finds what an
        earlier one left.
        """
        path = self.directory / f"{_STAGING}{interval}-{token}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"reports cannot be written to {self.directory}: {error.strerror}; fix 'reports' "
                "in the monitor's YAML file or the directory's permissions"
            ) from error
        return path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the monitor's directory against all other processes of this machine."""
        with lock_directory(self.directory):
            yield

    @contextmanager
    def lock_interval(self, interval: str) -> Iterator[None]:
        """Lock an interval while its result is read, judged and published."""
        directory = self.directory / interval
        directory.mkdir(parents=True, exist_ok=True)
        with lock_directory(directory):
            yield

    def discard(self, staging: Path) -> None:
        """Remove a staging directory, and the monitor's directory if nothing else is in it."""
        shutil.rmtree(staging, ignore_errors=True)
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            self.directory.rmdir()

    def is_committed(self, interval: str) -> bool:
        """Whether the interval has a finished result."""
        return (self.directory / interval / REPORT).exists()

    def committed(self) -> list[str]:
        """Return the committed intervals in time order."""
        if not self.directory.is_dir():
            return []
        return sorted(
            path.name
            for path in self.directory.iterdir()
            if _INTERVAL.fullmatch(path.name) and (path / REPORT).exists()
        )

    def publish(self, staging: Path, interval: str) -> Path:
        """Move the files of a staging directory to the interval's, `report.json` last.

        Returns
        -------
        Path
            The interval's directory.
        """
        target = self.directory / interval
        with self.lock():
            target.mkdir(parents=True, exist_ok=True)
            (target / REPORT).unlink(missing_ok=True)
            for path in sorted(staging.iterdir(), key=lambda path: path.name == REPORT):
                path.replace(target / path.name)
            staging.rmdir()
            self._sweep()
        return target

    def _sweep(self) -> None:
        """Remove what killed runs have left behind."""
        for path in self.directory.glob(f"{_STAGING}*"):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(path, ignore_errors=True)

    def write(self, path: Path, text: str) -> None:
        """Replace a derived file in one step, so that no reader sees half a file."""
        write_text(path, text)
