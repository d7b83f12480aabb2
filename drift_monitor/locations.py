"""Paths and URLs in a monitor's YAML file; a relative one is taken from the file's directory."""

import glob
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

SCHEMES = ("s3", "gs", "az")
"""Object stores that results can be written to."""


def _beside_the_yaml(path: str, info: ValidationInfo) -> str:
    """Resolve a relative local path against the directory of the YAML file; leave URLs alone."""
    return _resolve(path, str((info.context or {}).get("directory", "")))


def _pattern_beside_the_yaml(path: str, info: ValidationInfo) -> str:
    """As `_beside_the_yaml` for a path with placeholders; braces in the directory are its own."""
    sample = datetime(2026, 11, 20, tzinfo=UTC)
    try:
        path.format(date=sample.date(), start=sample)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"a placeholder cannot be filled ({error}): use {{date}} or {{start:%Y-%m-%d}}"
        ) from None
    directory = glob.escape(str((info.context or {}).get("directory", "")))
    return _resolve(path, directory.replace("{", "{{").replace("}", "}}"))


def _resolve(path: str, directory: str) -> str:
    return os.path.normpath(Path(directory, path)) if directory and "://" not in path else path


def _kept_in(path: str) -> str:
    scheme, separator, rest = path.partition("://")
    if separator and (scheme not in SCHEMES or not rest):
        raise ValueError(f"expected a local directory, or a URL with {', '.join(SCHEMES)}")
    return path.rstrip("/") if separator else path


Location = Annotated[str, Field(min_length=1), AfterValidator(_beside_the_yaml)]
"""A local path or a URL."""

KeptIn = Annotated[Location, AfterValidator(_kept_in)]
"""A local directory, or a URL of an object store that results can be written to."""

Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern_beside_the_yaml)]
"""A path, URL or glob with `{date}` or `{start:…}` where an interval's time goes."""
