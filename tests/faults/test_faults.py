"""A kill or a power loss at any moment loses nothing, and the next run leaves nothing outdated.

Here a sample of the moments; `python -m tests.faults.study` takes all of them and writes the counts
to studies/reliability.md.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.place import prepare


@pytest.fixture(scope="module")
def prepared(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("faults") / "place"
    place.mkdir()
    prepare(place, bundle)
    return place


@pytest.mark.parametrize(
    ("kind", "cases", "every"),
    [
        ([], ("run", "run again", "labels"), 61),
        ([], ("promote",), 29),
        (["--power"], ("run", "run again"), 61),
        (["--power"], ("promote", "threshold"), 29),
    ],
    ids=["kill", "kill, detector", "power", "power, detector"],
)
def test_nothing_is_lost_and_nothing_stays_outdated(
    kind: list[str], cases: tuple[str, ...], every: int, prepared: Path
) -> None:
    words = [word for case in cases for word in ("--case", case)]
    command = [sys.executable, "-m", "tests.faults.campaign", str(prepared), "--every", str(every)]
    done = subprocess.run([*command, *words, *kind], check=False, capture_output=True, text=True)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert found["failed"] == {}
    assert min(found["interruptions"][case] for case in cases) >= 1
