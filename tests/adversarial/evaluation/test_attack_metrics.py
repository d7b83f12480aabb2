import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from adversarial import AdversarialDetector
from adversarial.attacks import PGD
from adversarial.bundle.calibration import Calibration
from adversarial.errors import ModelError
from adversarial.evaluation.attack_metrics import attack_metrics, defence_metrics
from adversarial.evaluation.drift_metrics import drift_metrics
from adversarial.evaluation.estimates import Estimate, Metric
from adversarial.evaluation.threat_models import POLICIES
from tests.support.animals import make_images


@pytest.fixture(scope="module")
def detector(bundle: Path) -> AdversarialDetector:
    return AdversarialDetector.load(bundle)


def data(n: int = 80) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images, labels = make_images(n, seed=3)
    return (images[..., None] / 255).astype(np.float32), labels


def by_name(metrics: list[Metric]) -> dict[tuple[str, float | None, str | None], Estimate]:
    found = {(metric.name, metric.fpr, metric.policy): metric.estimate for metric in metrics}
    assert len(found) == len(metrics)
    return found


def test_an_attack_is_measured_on_all_rows_and_its_norms_where_it_succeeded(
    detector: AdversarialDetector,
) -> None:
    x, y = data()
    attack = PGD(0.1).run(detector.classifier, x, y)
    assert 0.1 < attack.success.mean() < 0.95
    classifier = detector.classifier
    metrics = attack_metrics(
        classifier.predict(x, verbose=0), classifier.predict(attack.x_adv, verbose=0), attack, y
    )
    found = by_name(metrics)
    attacked = detector.predict(attack.x_adv)
    assert found["accuracy_attacked", None, None].value == np.mean(attacked.prediction == y)
    assert found["accuracy_attacked", None, None].n == len(x)
    norms = found["l2", None, None]
    assert norms.n == attack.success.sum()
    assert norms.value == pytest.approx(attack.l2[attack.success].mean())
    assert found["entropy_attacked", None, None].value > found["entropy_clean", None, None].value


def test_a_defence_is_measured_at_thresholds_of_the_reference(
    detector: AdversarialDetector,
) -> None:
    x, y = data()
    x_adv = PGD(0.3, steps=10).run(detector.classifier, x, y).x_adv
    found = by_name(
        defence_metrics(detector, detector.predict(x), detector.predict(x_adv), y, fprs=(0.05, 0.2))
    )
    window = detector.calibration.reference
    assert window is not None
    reference = window["adversarial_score"].to_numpy()
    score = detector.score(x_adv)
    for fpr in (0.05, 0.2):
        threshold = np.sort(reference)[-1 - int(fpr * len(reference))]
        flagged = score > threshold
        assert found["threshold", fpr, None].value == threshold
        assert found["threshold", fpr, None].n == len(reference)
        assert found["detection_rate", fpr, None].value == flagged.mean()
        guarded = detector.replace(calibration=Calibration(threshold)).predict(x_adv)
        corrected = np.mean(guarded.defended_prediction == y)
        assert found["accuracy_defended", fpr, "correct"].value == corrected
        assert found["undetected_error", fpr, "correct"].value == pytest.approx(1 - corrected)
        refused = np.mean((guarded.prediction != y) & ~guarded.flagged)
        assert found["undetected_error", fpr, "reject"].value == refused
        assert {policy for name, at, policy in found if at == fpr and policy} == set(POLICIES)
    expected = roc_auc_score(np.repeat([0, 1], len(x)), np.concatenate([detector.score(x), score]))
    assert found["auc", None, None].value == pytest.approx(expected)
    bare = AdversarialDetector(detector.classifier, detector.autoencoders)
    with pytest.raises(ModelError, match="no reference window"):
        defence_metrics(bare, bare.predict(x), bare.predict(x_adv), y)


def test_drift_is_split_by_whether_it_harmed(detector: AdversarialDetector) -> None:
    x, y = data(300)
    noise = np.random.default_rng(0).normal(0, 0.4, x.shape)
    drifted = np.clip(x + noise, 0, 1).astype(np.float32)
    before, after = detector.predict(x), detector.predict(drifted)
    found = by_name(drift_metrics(before, after, y))
    harmful = after.score[(before.prediction == y) & (after.prediction != y)]
    harmless = after.score[before.prediction == after.prediction]
    assert found["score_harmful", None, None].n == len(harmful) > 5
    assert found["score_ratio", None, None].value == pytest.approx(harmful.mean() / harmless.mean())
    test = stats.ks_2samp(harmful, harmless)
    assert found["ks_statistic", None, None].value == test.statistic
    assert found["ks_p_value", None, None].value == test.pvalue
    same = by_name(drift_metrics(before, before, y))
    assert same["score_harmful", None, None].n == 0
    assert math.isnan(same["ks_statistic", None, None].value)
