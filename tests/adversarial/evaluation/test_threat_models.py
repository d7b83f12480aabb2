from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from adversarial import AdversarialDetector
from adversarial.attacks import DDN, PGD, All, CarliniWagner, Misclassified, Unflagged
from adversarial.attacks.core.scores import score_of
from adversarial.bundle.calibration import Calibration
from adversarial.errors import ModelError
from adversarial.evaluation.threat_models import (
    POLICIES,
    grey_box,
    selective,
    threshold_at,
    uncorrected,
    undetected,
    undetected_errors,
    white_box,
)
from tests.support.animals import make_images


@pytest.fixture(scope="module")
def detector(bundle: Path) -> AdversarialDetector:
    return AdversarialDetector.load(bundle)


@pytest.fixture(scope="module")
def ensemble(detector: AdversarialDetector) -> AdversarialDetector:
    member = keras.models.clone_model(detector.autoencoders[0])
    member.set_weights([w * np.float32(0.97) for w in detector.autoencoders[0].get_weights()])
    return AdversarialDetector(
        detector.classifier,
        [detector.autoencoders[0], member],
        weights=[0.6, 0.2],
        calibration=Calibration(detector.threshold, 0.05),
    )


@pytest.fixture(scope="module")
def sharpened(detector: AdversarialDetector) -> AdversarialDetector:
    return detector.replace(score_temperature=0.5)


def data(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    images, labels = make_images(n, seed=3)
    return (images[..., None] / 255).astype(np.float32), labels


@pytest.mark.parametrize("name", ["detector", "ensemble", "sharpened"])
def test_the_score_that_is_attacked_is_the_one_that_flags(
    name: str, request: pytest.FixtureRequest
) -> None:
    found: AdversarialDetector = request.getfixturevalue(name)
    x, _ = data()
    noisy = np.clip(x + np.random.default_rng(0).normal(0, 0.3, x.shape), 0, 1).astype(np.float32)
    expected = found.score(noisy)
    assert expected.max() > 0.1
    np.testing.assert_allclose(score_of(found)(tf.constant(noisy)), expected, atol=1e-4)


def test_the_score_has_a_gradient_where_the_one_that_flags_is_clipped(
    detector: AdversarialDetector,
) -> None:
    sharp = keras.models.clone_model(detector.classifier)
    weights = detector.classifier.get_weights()
    sharp.set_weights([*weights[:-2], weights[-2] * 200, weights[-1] * 200])
    hard = AdversarialDetector(sharp, detector.autoencoders[0])
    x, _ = data(200)
    noisy = np.clip(x + np.random.default_rng(0).normal(0, 0.4, x.shape), 0, 1).astype(np.float32)
    clipped = tf.constant(noisy[hard.score(noisy) > 16])
    assert len(clipped) > 5
    with tf.GradientTape() as tape:
        tape.watch(clipped)
        score = score_of(hard)(clipped)
    assert (np.abs(tape.gradient(score, clipped)).max(axis=(1, 2, 3)) > 1).all()


def test_each_threat_model_is_met_exactly_where_it_says(ensemble: AdversarialDetector) -> None:
    x, y = data(120)
    noisy = np.clip(x + np.random.default_rng(1).normal(0, 0.5, x.shape), 0, 1).astype(np.float32)
    found = ensemble.predict(noisy)
    wrong = found.prediction != y
    through = [
        np.asarray(ensemble.classifier(member(noisy))).argmax(axis=1) != y
        for member in ensemble.autoencoders
    ]
    expected = {
        grey_box: wrong,
        white_box: through[0] & through[1],
        undetected: wrong & ~found.flagged,
        Unflagged: ~found.flagged,
        uncorrected: wrong & through[0] & through[1],
    }
    for threat_model, met in expected.items():
        assert met.any(), threat_model
        aim = threat_model(ensemble)(tf.constant(noisy), tf.constant(y))
        np.testing.assert_array_equal(aim.met, met)


def test_all_adds_up_what_is_missing(detector: AdversarialDetector) -> None:
    x, y = (tf.constant(array) for array in data())
    first = Misclassified(detector.classifier)
    second = Unflagged(score_of(detector), detector.threshold)
    aims = first(x, y), second(x, y)
    by_row = np.linspace(0, 2, len(x)).astype(np.float32)
    for weight, factor in ((1.0, np.ones(len(x))), (tf.constant(by_row), by_row)):
        both = All([first, second], [1.0, 3.0])(x, y, weight)
        missing = np.maximum(aims[0].margin, 0) + 3 * factor * np.maximum(aims[1].margin, 0)
        np.testing.assert_allclose(both.margin, missing, rtol=1e-5)
        np.testing.assert_allclose(both.loss, aims[0].loss + 3 * factor * aims[1].loss, rtol=1e-5)
        np.testing.assert_array_equal(both.first_met, aims[0].met)
    one_at_a_time = selective(All([first, second]))(x, y)
    np.testing.assert_allclose(
        one_at_a_time.loss, np.where(aims[0].met, aims[1].loss, aims[0].loss), rtol=1e-5
    )
    assert selective(first) == first


def strict(detector: AdversarialDetector, scores: np.ndarray) -> AdversarialDetector:
    """The detector with a threshold that three in ten of the scores pass."""
    return AdversarialDetector(
        detector.classifier,
        detector.autoencoders,
        calibration=Calibration(float(np.quantile(scores, 0.3))),
    )


@pytest.mark.parametrize(
    "threat_model", [undetected, lambda detector: selective(undetected(detector))]
)
def test_an_attacker_who_knows_the_score_gets_past_it_more_often(
    threat_model: object, detector: AdversarialDetector
) -> None:
    x, y = data()
    attack = PGD(0.2, steps=60)
    naive = attack.run(grey_box(detector), x, y).x_adv
    guard = strict(detector, detector.score(naive))
    found = attack.run(threat_model(guard), x, y)  # type: ignore[operator]
    adaptive = guard.predict(found.x_adv)
    np.testing.assert_array_equal(found.success, undetected_errors(adaptive, y, "reject"))
    assert undetected_errors(guard.predict(naive), y, "reject").mean() < 0.35
    assert found.success.mean() > 0.6


def test_getting_past_the_score_takes_a_larger_perturbation(detector: AdversarialDetector) -> None:
    x, y = data(20)
    attack = CarliniWagner(
        steps=150, learning_rate=0.05, initial_c=1.0, search_steps=6, search="log"
    )
    plain = attack.run(grey_box(detector), x, y)
    hidden = attack.run(undetected(strict(detector, detector.score(plain.x_adv))), x, y)
    assert plain.success.all()
    assert hidden.success.mean() > 0.6
    assert hidden.l2[hidden.success].mean() > 1.02 * plain.l2[hidden.success].mean()


def test_policies_give_the_answers_they_are_named_after(detector: AdversarialDetector) -> None:
    x, y = data(120)
    noisy = np.clip(x + np.random.default_rng(1).normal(0, 0.5, x.shape), 0, 1).astype(np.float32)
    found = detector.predict(noisy)
    wrong, flagged = found.prediction != y, found.flagged
    rebuilt = found.reconstruction_prediction != y
    assert (wrong & flagged).any()
    assert (wrong & ~flagged).any()
    expected = {
        "none": wrong,
        "reject": wrong & ~flagged,
        "correct": np.where(flagged, rebuilt, wrong),
        "correct_gated": np.where(
            flagged & (found.reconstruction_confidence > found.confidence), rebuilt, wrong
        ),
        "correct_always": rebuilt,
    }
    assert (expected["correct_gated"] != expected["correct"]).any()
    assert expected.keys() == POLICIES.keys()
    for policy, errors in expected.items():
        np.testing.assert_array_equal(undetected_errors(found, y, policy), errors)


def test_the_threshold_of_an_attack_is_the_references_at_its_rate(
    detector: AdversarialDetector,
) -> None:
    window = detector.calibration.reference
    assert window is not None
    scores = window["adversarial_score"].to_numpy()
    for fpr in (0.05, 0.2):
        assert np.mean(scores > threshold_at(detector, fpr)) == pytest.approx(fpr, abs=0.01)
    x, y = (tf.constant(array) for array in data())
    flagged = detector.score(x.numpy()) > threshold_at(detector, 0.2)
    wrong = Misclassified(detector.classifier)(x, y).met
    np.testing.assert_array_equal(undetected(detector, 0.2)(x, y).met, ~flagged & wrong)
    with pytest.raises(ModelError, match="no reference window"):
        undetected(AdversarialDetector(detector.classifier, detector.autoencoders), 0.2)


def test_the_weight_of_the_score_is_searched_row_by_row(detector: AdversarialDetector) -> None:
    """Scores in other units drown the margin, or are drowned: a search finds what fits a row."""
    x, y = data()
    attack = PGD(0.2, steps=40, restarts=1)
    guard = strict(detector, detector.score(attack.run(grey_box(detector), x, y).x_adv))
    for factor in (1e4, 1e-4):
        criterion = All(
            [grey_box(guard), Unflagged(score_of(guard), guard.threshold)], [1.0, factor]
        )
        fixed = attack.run(criterion, x, y)
        searched = replace(attack, weight_steps=6).run(criterion, x, y)
        assert searched.success[fixed.success].all()
        assert searched.success.mean() > fixed.success.mean() + 0.15
        assert (searched.queries[fixed.success] <= fixed.queries[fixed.success] + 1).all()
        found = guard.predict(searched.x_adv)
        np.testing.assert_array_equal(searched.success, undetected_errors(found, y, "reject"))


def test_every_attack_can_search_the_weight(detector: AdversarialDetector) -> None:
    x, y = data(12)
    for attack in (CarliniWagner(steps=20, search_steps=2, initial_c=1.0), DDN(steps=20)):
        fixed = attack.run(undetected(detector), x, y)
        searched = replace(attack, weight_steps=2).run(undetected(detector), x, y)
        assert searched.success[fixed.success].all()
