"""Results on disk: `<reports>/<monitor>/<interval>/`, committed by its `report.json`."""

import os
import shutil
from pathlib import Path

SCORES = "scores.parquet"
REJECTED = "rejected.parquet"
REPORT = "report.json"
PAGE = "report.html"
RUN = "run.json"
_STAGING = ".staging-"


class Store:
    """The intervals of one monitor.

    An interval is made in a staging directory and then published file by file. It is committed
    exactly while its `report.json` is there: publishing removes the old one first and puts the new
    one in place last, so a reader never takes files of two runs for one result.

    Parameters
    ----------
    directory : Path
        `<reports>/<monitor>`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def staging(self, interval: str, token: str) -> Path:
        """Return the staging directory of one run of an interval, made if need be.

        The same token gives the same directory, so that a later task of a run finds what an
        earlier one left.
        """
        path = self.directory / f"{_STAGING}{interval}-{token}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def discard(self, staging: Path) -> None:
        """Remove a staging directory, and the monitor's own where nothing else is in it."""
        shutil.rmtree(staging, ignore_errors=True)
        if self.directory.is_dir() and not any(self.directory.iterdir()):
            self.directory.rmdir()

    def is_committed(self, interval: str) -> bool:
        """Whether the interval has a finished result."""
        return (self.directory / interval / REPORT).exists()

    def committed(self) -> list[str]:
        """Return the committed intervals in the order of time."""
        if not self.directory.is_dir():
            return []
        return sorted(
            path.name
            for path in self.directory.iterdir()
            if not path.name.startswith(".") and (path / REPORT).exists()
        )

    def publish(self, staging: Path, interval: str) -> Path:
        """Move the files of a staging directory to the interval's, `report.json` last.

        Returns
        -------
        Path
            The interval's directory.
        """
        target = self.directory / interval
        target.mkdir(parents=True, exist_ok=True)
        (target / REPORT).unlink(missing_ok=True)
        for path in sorted(staging.iterdir(), key=lambda path: path.name == REPORT):
            path.replace(target / path.name)
        staging.rmdir()
        return target

    def write(self, path: Path, text: str) -> None:
        """Replace a derived file in one step, so that no reader sees half of it."""
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
