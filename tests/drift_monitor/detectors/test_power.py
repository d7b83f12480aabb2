"""How well a new detector tells harm, and what is advised where it does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adversarial import AdversarialDetector, read_bundle
from drift_monitor.detectors.power import LOSS, Power, advice, measure_power
from tests.support.animals import make_images, make_inputs

WEAK = Power(0.5, 0.05, True, 0.02, 0.02, 0.03, 0.03, None)


def test_the_power_is_that_of_noise_that_costs_what_it_says(bundle: Path) -> None:
    detector = AdversarialDetector.load(bundle)
    x, y = make_inputs(400, seed=9), make_images(400, seed=9)[1]
    found = measure_power(detector, x, y, 160)
    assert found
    assert found.labelled
    assert found.lost == pytest.approx(LOSS, abs=0.02)
    assert found == measure_power(detector, x, y, 160)
    assert found.harm_rate > found.harm_rate_normal
    assert found.power >= found.power_of_rate > 0
    assert "of accuracy brings the detector's harm rate from" in found.describe()
    unlabelled = measure_power(detector, x, np.full(400, -1), 160)
    assert unlabelled
    assert not unlabelled.labelled
    assert "of predictions brings" in unlabelled.describe()


def test_too_few_rows_tell_nothing(bundle: Path) -> None:
    detector = AdversarialDetector.load(bundle)
    assert measure_power(detector, make_inputs(50, seed=9), np.full(50, -1), 160) is None


def test_the_bundle_keeps_what_was_measured(bundle: Path) -> None:
    assert {"power", "power_of_rate", "rows_needed", "lost"} <= read_bundle(
        bundle
    ).manifest.training["power"].keys()


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ({"loss": [1.0], "val_loss": [1.0]}, "more --epochs: one is rarely enough"),
        ({"loss": [1.0, 0.9], "val_loss": [1.0, 0.9]}, "still fell by 10.0% in the last one"),
        ({"loss": [1.0, 0.5], "val_loss": [1.0, 1.0]}, "2.0 times that of the training rows"),
        ({"loss": [1.0, 1.0], "val_loss": [1.0, 1.0]}, "--latent-dim"),
        ({"runs": [{"loss": [1.0], "val_loss": [1.0]}]}, "more --epochs"),
    ],
)
def test_advice_follows_from_the_losses(summary: dict[str, Any], expected: str) -> None:
    assert expected in (advice(WEAK, summary) or "")
    assert advice(replace(WEAK, power=0.9), summary) is None


def test_where_the_reference_is_too_small_more_of_it_is_advised() -> None:
    weak = replace(WEAK, harm_rate=0.05, power=0.2, rows_needed=None)
    assert "more reference rows" in (advice(weak, {"loss": [1.0], "val_loss": [1.0]}) or "")
