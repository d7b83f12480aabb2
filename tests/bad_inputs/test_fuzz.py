"""Spoiled files of each kind: an error of ours that names the file, or the content as it was meant.

`make fuzz` goes on for as long as FUZZ_SECONDS says; a test run tries a few hundred files.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_inputs.kinds import KINDS, copy_bundle, is_file_refused, is_refused

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
FILES = 150


def seeds() -> Iterator[int]:
    """Yield a few hundred seeds, or as many as there is time for."""
    until = time.monotonic() + SECONDS
    seed = 0
    while seed < FILES or time.monotonic() < until:
        yield seed
        seed += 1


@pytest.mark.parametrize("name", KINDS)
def test_a_spoiled_file_is_named_or_read(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    path = tmp_path / kind.name
    content = kind.write(path)
    kind.read(path)
    assert sum(is_refused(kind, path, content, seed) for seed in seeds()) > FILES / 10


def test_a_spoiled_bundle_is_refused_by_the_name_of_a_file(bundle: Path, tmp_path: Path) -> None:
    whole = copy_bundle(bundle, tmp_path / "detector")
    assert sum(is_file_refused(tmp_path / "detector", whole, seed) for seed in seeds()) > FILES / 2
