from pathlib import Path

import pytest

from adversarial import AdversarialDetector


@pytest.fixture(scope="package")
def detectors(bundle: Path) -> dict[str, AdversarialDetector]:
    """Two detectors of one bundle."""
    return {"kl": AdversarialDetector.load(bundle), "again": AdversarialDetector.load(bundle)}
