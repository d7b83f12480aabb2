"""A monitor with rows to evaluate its detector on, and candidates to replace it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adversarial import AdversarialDetector
from drift_monitor.config import Monitor
from tests.conftest import MakeMonitor
from tests.support.evaluations import with_rows
from tests.support.models import detectors

Altered = Callable[..., Path]


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    return with_rows(make_monitor)


@pytest.fixture
def altered(bundle: Path, tmp_path: Path) -> Altered:
    """Return a function that saves the bundle's detector with something changed in it."""

    def save(name: str, **changes: Any) -> Path:
        detectors.altered(AdversarialDetector.load(bundle), **changes).save(tmp_path / name)
        return tmp_path / name

    return save
