"""From a path or URL to the folder that is there."""

import os
import re
from pathlib import Path

from adversarial.storage.folder import Folder
from adversarial.storage.local_folder import LocalFolder

Location = str | os.PathLike[str]
"""A local path, or a URL such as `s3://bucket/reports`."""


def open_folder(location: Location) -> Folder:
    """Return the folder at a local path or a URL (`s3://`, `gs://`, `az://`), there or not."""
    if is_url(location):
        from adversarial.storage.object_folder import ObjectFolder

        return ObjectFolder(str(location).rstrip("/"))
    return LocalFolder(Path(location))


def is_url(location: Location) -> bool:
    """Whether a location is on an object store."""
    return "://" in os.fspath(location)


def is_collapsed_url(path: Path) -> bool:
    """Whether a path was a URL before `Path` made one slash of two; as a path it is a mistake.

    Examples
    --------
    >>> is_collapsed_url(Path("s3://bucket/detector")), is_collapsed_url(Path("models/a:b"))
    (True, False)
    """
    return re.search(r"(^|/)[a-z][a-z0-9]+:/", str(path)) is not None


def join(location: Location, *names: str) -> str:
    """Return the location of something in a folder, without normalising it."""
    return "/".join([os.fspath(location).rstrip("/"), *names])
