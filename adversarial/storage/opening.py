"""From a path or URL to the folder that is there."""

import os
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


def join(location: Location, *names: str) -> str:
    """Return the location of something in a folder, without normalising it."""
    return "/".join([os.fspath(location).rstrip("/"), *names])
