"""What is made or read in files of this machine, wherever it is kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from adversarial import files
from adversarial.errors import DriftMonitorError
from adversarial.storage.folder import writing
from adversarial.storage.opening import Location, is_url, open_folder


def work_directory(location: Location) -> Path:
    """Return where a folder's files are made: in their place, or on this machine for a URL.

    What is made there for a URL stays in `~/.cache/drift-monitor` until `deliver` puts it in its
    place, so that work that was interrupted goes on.
    """
    if not is_url(location):
        return Path(location)
    url = str(location).rstrip("/")
    return files.cache_directory() / "evaluations" / files.digest(url.encode())[:16]


def collect(location: Location) -> Path:
    """Return `work_directory`, with what is at the URL already unless work on it is under way."""
    directory = work_directory(location)
    if is_url(location) and not directory.exists():
        files.make_directory(directory.parent)
        files.sweep(directory.parent)
        scratch = files.scratch_path(directory)
        scratch.mkdir()
        _download(location, scratch, open_folder(location).names())
        scratch.rename(directory)
    return directory


def deliver(directory: Path, location: Location, last: str) -> None:
    """Put what `work_directory` holds in its place, the file `last` at the end.

    On this machine it is in its place already. What was at the URL and is not in the directory
    stays there.
    """
    if not is_url(location):
        return
    folder = open_folder(location)
    found = (path for path in directory.rglob("*") if path.is_file())
    names = [path.relative_to(directory).as_posix() for path in found]
    for name in sorted(names, key=lambda name: (name == last, name)):
        folder.put(directory / name, name)
    shutil.rmtree(directory)


@contextmanager
def replace_at(location: Location) -> Iterator[Path]:
    """Write a file at a local path or a URL, whole or not at all, as `files.replace_file` does.

    Raises
    ------
    DriftMonitorError
        If its directory is missing on disk.
    """
    if is_url(location):
        url, _, name = str(location).rpartition("/")
        with writing(open_folder(url), name) as scratch:
            yield scratch
    else:
        path = Path(location)
        if not path.parent.is_dir():
            raise DriftMonitorError(
                f"{path} cannot be written, as there is no directory {path.parent}: make it, or "
                "name another file"
            )
        with files.replace_file(path) as scratch:
            yield scratch


@contextmanager
def local_copy(location: Location) -> Iterator[Path]:
    """Give a directory with the files of a folder, without those of folders in it, to read them.

    For a URL it is a copy, whose path ends like the URL.
    """
    if not is_url(location):
        yield Path(location)
        return
    parts = urlsplit(str(location))
    with TemporaryDirectory(prefix="drift-monitor-") as scratch:
        directory = Path(scratch, parts.netloc, parts.path.strip("/"))
        _download(location, directory, open_folder(location).find("*"))
        yield directory


def _download(location: Location, directory: Path, names: list[str]) -> None:
    folder = open_folder(location)
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(folder.read(name))
