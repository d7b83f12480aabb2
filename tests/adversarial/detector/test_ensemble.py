import doctest
from pathlib import Path

import keras
import numpy as np
import pytest

from adversarial import AdversarialDetector
from adversarial.detector import ensemble
from adversarial.detector.ensemble import check_weights, combine_scores, vote
from adversarial.errors import ModelError
from adversarial.models.autoencoders import dense_autoencoder, image_autoencoder
from tests.support.animals import make_inputs


def rows(n: int) -> np.ndarray:
    return make_inputs(n, seed=9)


@pytest.fixture(scope="module")
def single(bundle: Path) -> AdversarialDetector:
    return AdversarialDetector.load(bundle)


def make_ensemble(
    single: AdversarialDetector, weights: tuple[float, ...] | None = (0.5, 0.2)
) -> AdversarialDetector:
    """The trained autoencoder beside one of another architecture that has learned nothing."""
    keras.utils.set_random_seed(1)
    other = image_autoencoder((8, 8, 1), latent_dim=3)
    return AdversarialDetector(
        single.classifier,
        [single.autoencoders[0], other],
        weights=weights,
        class_names=single.class_names,
        calibration=single.calibration,
    )


def test_the_score_is_the_weighted_mean_of_the_members(single: AdversarialDetector) -> None:
    x = rows(50)
    both = make_ensemble(single)
    members = [AdversarialDetector(both.classifier, member) for member in both.autoencoders]
    expected = (0.5 * members[0].score(x) + 0.2 * members[1].score(x)) / 0.7
    np.testing.assert_allclose(both.score(x), expected, rtol=1e-6)
    np.testing.assert_allclose(both.predict(x).score, expected, rtol=1e-6)


def test_flagged_rows_are_voted_on_and_the_others_are_not(single: AdversarialDetector) -> None:
    x = np.random.default_rng(3).random((300, 8, 8, 1)).astype(np.float32)
    both = make_ensemble(single)
    found = both.predict(x)
    p = np.asarray(both.classifier(x))
    q = np.stack([np.asarray(both.classifier(member(x))) for member in both.autoencoders], axis=1)
    expected = np.where(found.flagged, vote(p, q, (0.5, 0.2)), p.argmax(axis=1))
    np.testing.assert_array_equal(found.defended_prediction, expected)
    assert 0 < found.flagged.sum() < len(x)


def test_an_ensemble_of_one_is_the_detector_itself(single: AdversarialDetector) -> None:
    x = rows(20)
    one = AdversarialDetector(single.classifier, [single.autoencoders[0]], weights=[1.0])
    np.testing.assert_array_equal(one.score(x), single.score(x))


def test_an_ensemble_comes_back_from_its_bundle(
    single: AdversarialDetector, tmp_path: Path
) -> None:
    both = make_ensemble(single)
    both.save(tmp_path / "bundle")
    assert sorted(p.name for p in (tmp_path / "bundle" / "autoencoders").iterdir()) == [
        "0.keras",
        "1.keras",
    ]
    copy = AdversarialDetector.load(tmp_path / "bundle")
    assert copy.weights == (0.5, 0.2)
    x = rows(20)
    np.testing.assert_array_equal(copy.score(x), both.score(x))


def test_the_reconstruction_is_that_of_the_greatest_weight(single: AdversarialDetector) -> None:
    x = rows(5)
    first, second = make_ensemble(single, (0.6, 0.3)), make_ensemble(single, (0.3, 0.6))
    np.testing.assert_allclose(first.reconstruct(x), single.reconstruct(x), atol=1e-6)
    assert not np.allclose(second.reconstruct(x), single.reconstruct(x), atol=1e-3)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((0.5, 0.5), 1),  # both members against the classifier, which has no vote
        ((0.3, 0.1), 0),  # the classifier's own 0.6 carries it
        ((0.3, 0.2), 1),  # five to five: the greater mean probability decides
    ],
)
def test_the_weights_decide_the_vote(weights: tuple[float, float], expected: int) -> None:
    classifier = np.array([[0.6, 0.4, 0.0]])
    members = np.array([[[0.1, 0.9, 0.0], [0.2, 0.8, 0.0]]])
    assert vote(classifier, members, weights).tolist() == [expected]


@pytest.mark.parametrize("weights", [(1.0,), (0.4,), (0.6, 0.3), (0.2, 0.1), (0.5, 0.25)])
def test_a_vote_is_the_count_of_the_weights(weights: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 200).astype(np.float32)
    q = rng.dirichlet(np.ones(3), (200, len(weights))).astype(np.float32)
    shares = (*weights, 1 - sum(weights))
    for row, winner in enumerate(vote(p, q, weights)):
        ballots = [*q[row].argmax(axis=1), p[row].argmax()]
        counts = [sum(w for w, b in zip(shares, ballots, strict=True) if b == k) for k in range(3)]
        assert counts[winner] == pytest.approx(max(counts))


def test_members_that_disagree_are_outvoted_one_by_one() -> None:
    classifier = np.array([[1.0, 0.0, 0.0]])
    members = np.array([[[0, 1.0, 0], [0, 0, 1.0], [0, 0.1, 0.9]]])
    assert vote(classifier, members, (0.3, 0.3, 0.2)).tolist() == [2]


@pytest.mark.parametrize("weights", [(0.5,), (0.5, 0.6), (1.0, 0.0), (0.5, -0.1)])
def test_weights_that_leave_no_sense_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match=r"expected 2, one per autoencoder.*at most 1"):
        check_weights(weights, 2)


def test_three_equal_weights_are_a_whole() -> None:
    weights = check_weights(None, 3)
    scores = np.array([[1.0, 2.0, 3.0]])
    assert combine_scores(scores, weights).tolist() == pytest.approx([2.0])


def test_the_examples_in_the_documentation_are_true() -> None:
    assert doctest.testmod(ensemble, extraglobs={"np": np}).failed == 0


def test_an_autoencoder_for_other_rows_is_refused(single: AdversarialDetector) -> None:
    other = dense_autoencoder(rows(10).reshape(10, -1))
    with pytest.raises(ModelError, match=r"autoencoder takes rows of shape \(64,\)"):
        AdversarialDetector(single.classifier, [single.autoencoders[0], other])
