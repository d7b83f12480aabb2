"""A monitor with rows to evaluate its detector on, and candidates to replace it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adversarial import AdversarialDetector
from drift_monitor.config import Monitor
from tests.conftest import MakeMonitor
from tests.support.evaluations import with_rows

Altered = Callable[..., Path]


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    return with_rows(make_monitor)


@pytest.fixture
def altered(bundle: Path, tmp_path: Path) -> Altered:
    """Return a function that saves the bundle with attributes of the detector changed."""

    def save(name: str, **changes: Any) -> Path:
        detector = AdversarialDetector.load(bundle)
        for attribute, value in changes.items():
            setattr(detector, attribute, value)
        detector.save(tmp_path / name)
        return tmp_path / name

    return save
