"""The score at another temperature than the paper's: an option of the bundle."""

import math
from pathlib import Path

import numpy as np
import pytest

from adversarial import AdversarialDetector, load_scorer, read_bundle
from adversarial.bundle.manifest import MANIFEST
from adversarial.errors import ModelError
from tests.support.animals import make_inputs


@pytest.fixture(scope="module")
def paper(bundle: Path) -> AdversarialDetector:
    return AdversarialDetector.load(bundle)


@pytest.fixture(scope="module")
def sharpened(paper: AdversarialDetector) -> AdversarialDetector:
    other = paper.replace(score_temperature=0.5)
    return other.calibrated(make_inputs(100, seed=5), 0.1)


def test_both_predictions_are_scaled_before_they_are_compared(
    paper: AdversarialDetector, sharpened: AdversarialDetector
) -> None:
    x = make_inputs(40, seed=6)
    squares = [np.clip(p.astype(float), 1e-7, 1) ** 2 for p in paper.probabilities(x)]
    p, q = (np.clip(each / each.sum(axis=1, keepdims=True), 1e-7, 1) for each in squares)
    expected = np.maximum((p * np.log(p / q)).sum(axis=1), 0)
    assert np.abs(expected - paper.score(x)).max() > 0.01
    np.testing.assert_allclose(sharpened.score(x), expected, atol=1e-9)
    np.testing.assert_array_equal(sharpened.predict(x).score, sharpened.score(x))


def test_another_temperature_leaves_nothing_that_was_made_with_the_old_score(
    paper: AdversarialDetector,
) -> None:
    other = paper.replace(score_temperature=0.5)
    assert other.calibration.reference is None
    assert other.threshold == math.inf
    assert other.calibration.fpr == paper.calibration.fpr
    assert other.provenance.bundle is None
    same = paper.replace(score_temperature=1.0)
    assert same.calibration == paper.calibration
    assert same.fingerprint == paper.fingerprint


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_a_bundle_keeps_it_for_every_runtime(
    sharpened: AdversarialDetector, tmp_path: Path, runtime: str
) -> None:
    sharpened.save(tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle").manifest.score_temperature == 0.5
    assert AdversarialDetector.load(tmp_path / "bundle").score_temperature == 0.5
    scorer = load_scorer(tmp_path / "bundle", runtime=runtime, precision="float32")  # type: ignore[arg-type]
    x = make_inputs(40, seed=6)
    np.testing.assert_allclose(scorer.predict(x).score, sharpened.score(x), atol=1e-5)
    if runtime == "openvino":
        assert scorer.scored_by.guard is not None
        assert scorer.scored_by.guard.largest_score_change < 1e-4


@pytest.mark.parametrize("temperature", [0.05, 20.0])
def test_at_the_ends_every_score_is_a_number(
    paper: AdversarialDetector, temperature: float
) -> None:
    scores = paper.replace(score_temperature=temperature).score(make_inputs(40, seed=6))
    assert np.isfinite(scores).all()
    assert scores.min() >= 0


def test_the_papers_score_is_not_in_the_file(bundle: Path) -> None:
    assert "score_temperature" not in (bundle / MANIFEST).read_text(encoding="utf-8")


@pytest.mark.parametrize("temperature", [0.0, 0.04, -1.0, 21.0, math.inf, math.nan])
def test_what_is_no_temperature_is_refused(paper: AdversarialDetector, temperature: float) -> None:
    with pytest.raises(ModelError, match=r"expected a number from 0\.05 to 20"):
        paper.replace(score_temperature=temperature)
