"""What `studies/randomised.md` counts as an attack that beats a defence."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adversarial import AdversarialDetector
from adversarial.attacks import Misclassified
from adversarial.bundle.calibration import Calibration
from tests.support.animals import make_inputs

STUDIES = Path("studies").resolve()


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    monkeypatch.syspath_prepend(STUDIES)
    found = runpy.run_path(str(STUDIES / "randomised.py"))
    # The functions share one namespace, which is not the dictionary that is returned.
    monkeypatch.setitem(found["run"].__globals__, "SCRATCH", tmp_path)
    return found


def test_an_attack_has_to_survive_what_it_cannot_know(
    scripts: dict[str, Any], bundle: Path
) -> None:
    detector = AdversarialDetector.load(bundle)
    x = make_inputs(12, seed=3)
    y = detector.predict(x).prediction
    wrong = Misclassified(detector.classifier)
    beaten = scripts["smallest"]("one", scripts["one"](detector), wrong, x, y)
    assert np.isfinite(beaten).mean() > 0.5
    # The same attack on the same detector, whose every draw but the attacker's flags everything.
    unlucky = scripts["Defence"](
        "unlucky", scripts["one"](detector).criteria, lambda rows, _: np.ones(len(rows), bool)
    )
    assert np.isnan(scripts["smallest"]("unlucky", unlucky, wrong, x, y)).all()


def test_smoothing_is_the_mean_of_the_score_over_noisy_copies(
    scripts: dict[str, Any], bundle: Path
) -> None:
    detector = AdversarialDetector.load(bundle)
    normal = make_inputs(200, seed=4)
    defence = scripts["smoothed"](detector, normal)
    flagged = [defence.flags(normal, np.random.default_rng(seed)) for seed in range(5)]
    assert 0.02 <= np.mean(flagged) <= 0.09
    assert not all(np.array_equal(flagged[0], other) for other in flagged[1:])
    again = defence.flags(normal, np.random.default_rng(0))
    np.testing.assert_array_equal(flagged[0], again)


def test_one_of_several_is_drawn_for_each_row(scripts: dict[str, Any], bundle: Path) -> None:
    detector = AdversarialDetector.load(bundle)
    never = detector.replace(calibration=Calibration(100.0))
    always = detector.replace(calibration=Calibration(-1.0))
    defence = scripts["drawn"]({"kl": never, "kl-t": always})
    flagged = defence.flags(make_inputs(200, seed=5), np.random.default_rng(0))
    assert 0.4 < flagged.mean() < 0.6
    assert len(defence.criteria(1.0)) == 2


def test_norms_are_compared_on_images_that_both_attacks_beat(scripts: dict[str, Any]) -> None:
    first = np.array([1.0, 1.0, np.nan, 5.0])
    found = scripts["summary"](np.array([2.0, 2.0, 9.0, np.nan]), first)
    assert found["beaten"] == 0.75
    assert found["ratio"] == found["ratio_low"] == found["ratio_high"] == 2.0
