"""Results where they are kept: `<reports>/<monitor>/<interval>/`, committed by `report.json`.

`report.json` names the files that belong to it, which are never changed: they lie in `data/` under
the SHA-256 of their content. So replacing `report.json` replaces a result, in one step, and a
reader sees the earlier one or the new one, whole. Labels that arrive late are files of their own in
`labels/`, which no run touches. All else is derived from these, and made anew where it is missing
or out of date: `report.html`, `index.html`, and the names without a SHA-256 that people look for.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from adversarial import files
from adversarial.files import digest
from adversarial.storage.folder import ChangedError, Folder, Seen
from adversarial.storage.opening import Location, open_folder
from drift_monitor.errors import StoreError
from drift_monitor.results.report import (
    Report,
    StoredFile,
    is_whole,
    parse_report,
)

SCORES = "scores.parquet"
REJECTED = "rejected.parquet"
REPORT = "report.json"
PAGE = "report.html"
RUN = "run.json"
SCORING = "scoring.json"
"""What scoring leaves in a staging folder for the report; a folder without it is no use."""

DATA = "data"
LABELS = "labels"
_STAGING = re.compile(r"\.staging-.+")
_INTERVAL = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2})?")
"""Names of intervals (`Interval.id`); a copy beside them has another name, and is ignored."""


class Store:
    """The intervals of one monitor.

    An interval is made in a staging folder, and is committed when its `report.json` is in place.

    Parameters
    ----------
    location : str or Path
        `<reports>/<monitor>`, a directory or a URL.
    """

    def __init__(self, location: Location) -> None:
        self.folder = open_folder(location)

    def staging(self, interval: str, token: str) -> Folder:
        """Return the staging folder of one run of an interval, which need not exist.

        The same token gives the same folder, so that a later task of a run finds what an earlier
        one left.
        """
        return self.folder / f".staging-{interval}-{token}"

    def start(self, interval: str, token: str) -> Folder:
        """Return the staging folder of a run, and make it.

        Raises
        ------
        StoreError
            If nothing can be written here.
        """
        folder = self.staging(interval, token)
        try:
            folder.make()
        except OSError as error:
            raise StoreError(
                f"reports cannot be written to {self.folder}: {error.strerror}; fix 'reports' "
                "in the monitor's YAML file or the directory's permissions"
            ) from error
        return folder

    def discard(self, staging: Folder) -> None:
        """Remove a staging folder, and the monitor's if nothing else is in it."""
        staging.remove(SCORING)
        staging.remove_all()
        self.folder.remove_empty()

    def lock(self) -> AbstractContextManager[None]:
        """Keep the other processes of this machine from what all intervals share."""
        return self.folder.lock()

    def look(self, interval: str) -> Seen:
        """Return what an interval's `report.json` is now, for `publish`."""
        return (self.folder / interval).look(REPORT)

    def read(self, interval: str) -> Report:
        """Return an interval's report.

        Raises
        ------
        StoreError
            If it is not committed, or cannot be read.
        """
        return read_seen(self.folder / interval)[0]

    def is_committed(self, interval: str) -> bool:
        """Whether the interval has a finished result; one that is cut short is none."""
        try:
            content = self.look(interval).content
        except OSError:  # running the interval again says why it cannot be read
            return False
        return content is not None and is_whole(content)

    def committed(self) -> list[str]:
        """Return the intervals that have a `report.json`, readable or not, in time order."""
        names = (path.split("/")[0] for path in self.folder.find(f"*/{REPORT}"))
        return [name for name in names if _INTERVAL.fullmatch(name)]

    def publish(self, staging: Folder, interval: str, seen: Seen) -> None:
        """Commit what a staging folder holds, if the interval is still what it was when `seen`.

        The staging folder is removed.

        Raises
        ------
        ChangedError
            If the interval has been committed by another process meanwhile. Nothing has changed.
        StoreError
            If a file that the report names is missing.
        """
        target = self.folder / interval
        content = staging.read(REPORT)
        report = parse_report(content, f"{staging}/{REPORT}")
        assert report.files is not None  # noqa: S101 - written by this version
        (target / DATA).take(staging / DATA)
        for file in (report.files.scores, report.files.rejected):
            if not target.exists(file.path):
                raise StoreError(f"{target}/{file.path} is missing: score {interval} again")
        target.replace(REPORT, content, seen)
        self.link_tables(report)
        for name in (RUN, PAGE):  # the page last: it says that all else is up to date
            target.write(name, staging.read(name))
        self.discard(staging)
        kept = {Path(file.path).name for file in (report.files.scores, report.files.rejected)}
        data = target / DATA
        data.sweep([name for name in data.find("*") if name not in kept])
        target.sweep_unfinished()
        self.folder.sweep_unfinished()
        self.folder.sweep_unfinished(_STAGING)

    def link_tables(self, report: Report) -> None:
        """Let the names that people look for stand for the tables of a committed report."""
        if report.files is not None:
            folder = self.folder / report.interval
            folder.link(SCORES, report.files.scores.path)
            folder.link(REJECTED, report.files.rejected.path)

    def labels(self, interval: str) -> list[str]:
        """Return the files of an interval's late labels, in the order in which they were given."""
        return (self.folder / interval).find(f"{LABELS}/*.parquet")

    def all_labels(self) -> dict[str, list[str]]:
        """Return the files of late labels of all intervals that have any."""
        result = defaultdict(list)
        for path in self.folder.find(f"*/{LABELS}/*.parquet"):
            interval, _, name = path.partition("/")
            result[interval].append(name)
        return result

    def add_labels(self, interval: str, content: bytes) -> None:
        """Keep a file of late labels; it comes after all that have been given before."""
        folder = self.folder / interval
        number = len(self.labels(interval))
        while True:
            number += 1
            try:
                (folder / LABELS).replace(f"{number:04}.parquet", content, Seen(None, None))
            except ChangedError:  # another process has taken the number
                continue
            return


def read_seen(folder: Folder) -> tuple[Report, Seen]:
    """Return the report in an interval's folder, and what its file was then.

    Raises
    ------
    StoreError
        If the interval is not committed, or the report cannot be read.
    """
    path = f"{folder}/{REPORT}"
    try:
        seen = folder.look(REPORT)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    if seen.content is None:
        raise StoreError(f"{path} not found: the interval has not been committed; run it first")
    return parse_report(seen.content, path), seen


def stored(folder: Folder, name: str) -> StoredFile:
    """Describe a file of a folder, as a report names it."""
    return StoredFile(path=name, sha256=digest(folder.read(name)))


def put_data(folder: Folder, name: str, write: Callable[[Path], None]) -> StoredFile:
    """Write a file to a folder's `data/`, under a name with the SHA-256 of what is in it.

    Parameters
    ----------
    folder : Folder
        The folder.
    name : str
        Its name without a SHA-256.
    write : callable
        Given a local path, writes the file.
    """
    with folder.scratch(f"{DATA}/{name}") as scratch:
        write(scratch)
        sha256 = files.sha256(scratch)
        stem, _, suffix = name.partition(".")
        path = f"{DATA}/{stem}-{sha256[:16]}.{suffix}"
        folder.put(scratch, path)
    return StoredFile(path=path, sha256=sha256)
