"""Laws that hold for every attack, checked on one table of them."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from adversarial.attacks import (
    DDN,
    FGSM,
    PGD,
    SLIDE,
    Aim,
    Attack,
    AttackError,
    CarliniWagner,
    Misclassified,
    RayS,
    SquareAttack,
    UniformNoise,
)
from adversarial.errors import ModelError
from tests.support.animals import make_images

SMALLEST: dict[str, Attack] = {
    "carlini_wagner": CarliniWagner(steps=60, learning_rate=0.1, initial_c=1.0, search_steps=5),
    "carlini_wagner_log": CarliniWagner(
        steps=60, learning_rate=0.1, initial_c=1.0, search_steps=5, search="log"
    ),
    "ddn": DDN(steps=60),
    "slide_searched": SLIDE.paper(),
    "rays": RayS(steps=100),
}
"""Attacks that look for a small perturbation, however large it must be."""

WITHIN: dict[str, Attack] = {
    "fgsm": FGSM(0.11),
    "fgsm_smallest": FGSM(0.11, steps=20),
    "pgd": PGD(0.11),
    "pgd_l2": PGD(1.0, norm="l2"),
    "pgd_cosine": PGD(0.11, schedule="cosine"),
    "slide": SLIDE(4.0, 1.0),
    "slide_mean": SLIDE(0.05, 0.02, unit="mean"),
    "square": SquareAttack(0.21, steps=100),
    "noise": UniformNoise(0.41),
}
"""Attacks within a ball of radius ε, of no whole or half number of 8-bit levels."""

ATTACKS = SMALLEST | WITHIN

NORMS = {
    "fgsm": "linf",
    "fgsm_smallest": "linf",
    "pgd": "linf",
    "pgd_cosine": "linf",
    "pgd_l2": "l2",
    "slide": "l1",
    "slide_mean": "l1",
    "square": "linf",
    "noise": "linf",
    "carlini_wagner": "l2",
    "carlini_wagner_log": "l2",
    "ddn": "l2",
    "slide_searched": "l1",
    "rays": "linf",
}
"""The norm that each attack bounds or keeps small."""


@pytest.fixture(scope="module")
def classifier(classifier_file: Path) -> keras.Model:
    return keras.saving.load_model(classifier_file)


def data(n: int = 48) -> tuple[np.ndarray, np.ndarray]:
    images, labels = make_images(n, seed=3)
    return images[..., None] / np.float32(255), labels


class Recorded:
    """The plain criterion, which keeps what it was shown."""

    def __init__(self, model: keras.Model) -> None:
        self.plain = Misclassified(model)
        self.seen: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> Aim:
        aim = self.plain(x, y)

        def keep(*values: np.ndarray) -> np.bool_:
            self.seen.append(tuple(value.copy() for value in values))  # type: ignore[arg-type]
            return np.bool_(True)

        kept = tf.numpy_function(keep, [x, y, aim.margin, aim.met], tf.bool)
        with tf.control_dependencies([kept]):
            return Aim(*(tf.identity(tensor) for tensor in aim))


@pytest.mark.parametrize("name", ATTACKS)
def test_rows_stay_within_the_bounds_and_norms_and_success_are_true(
    name: str, classifier: keras.Model
) -> None:
    x, y = data()
    found = ATTACKS[name].run(classifier, x, y)
    assert found.x_adv.shape == x.shape
    assert found.x_adv.dtype == np.float32
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    delta = (found.x_adv.astype(np.float64) - x).reshape(len(x), -1)
    np.testing.assert_allclose(found.l1, np.linalg.norm(delta, 1, axis=1))
    np.testing.assert_allclose(found.l2, np.linalg.norm(delta, 2, axis=1))
    np.testing.assert_allclose(found.linf, np.linalg.norm(delta, np.inf, axis=1))
    rounded = np.round(found.x_adv * 255) / np.float32(255)
    for rows, success in ((found.x_adv, found.success), (rounded, found.success_rounded)):
        p = np.asarray(classifier(rows))
        first, second = np.sort(p, axis=1)[:, :-3:-1].T
        clear = first - second > 1e-6  # nearer than that the last bit decides
        assert clear.mean() > 0.5
        np.testing.assert_array_equal(success[clear], (p.argmax(axis=1) != y)[clear])
    assert found.success.mean() > 0.3
    assert (found.queries > 0).all()
    assert found.seconds > 0


@pytest.mark.parametrize("name", WITHIN)
def test_the_perturbation_stays_within_its_ball(name: str, classifier: keras.Model) -> None:
    x, y = data()
    attack: Any = WITHIN[name]
    found = attack.run(classifier, x, y)
    radius = attack.epsilon * (x[0].size if name == "slide_mean" else 1)
    assert getattr(found, NORMS[name]).max() <= radius * (1 + 1e-5)
    # Not far below either, where a ball is meant to be filled.
    assert getattr(found, NORMS[name]).max() > 0.3 * radius


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_perturbation_that_was_seen_to_succeed_is_returned(
    name: str, classifier: keras.Model
) -> None:
    x, y = data(12)
    for row in range(len(x)):
        recorded = Recorded(classifier)
        found = SMALLEST[name].run(recorded, x[row : row + 1], y[row : row + 1])
        before_reporting = recorded.seen[:-2]
        order = {"l1": 1, "l2": 2, "linf": np.inf}[NORMS[name]]
        norms = [
            np.linalg.norm((shown[0] - x[row]).ravel(), order)
            for shown, _, _, met in before_reporting
            if met[0]
        ]
        assert found.success[0]
        # A search stops at its tolerance, and SLIDE's looks for the smallest ball.
        slacks: dict[str, float] = {"rays": 2e-3, "slide_searched": 0.05 * float(max(norms))}
        slack = slacks.get(name, 1e-5)
        assert getattr(found, NORMS[name])[0] <= min(norms) + slack


@pytest.mark.parametrize("name", ["pgd", "pgd_l2", "pgd_cosine", "square", "noise"])
def test_of_a_failed_row_the_iterate_that_came_closest_is_returned(
    name: str, classifier: keras.Model
) -> None:
    x, y = data(40)
    attack = replace(WITHIN[name], epsilon=0.02)  # type: ignore[call-arg]
    failed = np.flatnonzero(~attack.run(classifier, x, y).success)[:6]
    assert len(failed) == 6
    for row in failed:
        recorded = Recorded(classifier)
        attack.run(recorded, x[row : row + 1], y[row : row + 1])
        *seen, final, _ = (float(margin[0]) for _, _, margin, _ in recorded.seen)
        assert len(seen) > 10
        assert final == pytest.approx(min(seen), abs=1e-5)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_time_that_a_row_is_shown_to_the_model_counts(
    name: str, classifier: keras.Model
) -> None:
    x, y = data(20)
    recorded = Recorded(classifier)
    found = ATTACKS[name].run(recorded, x, y)
    shown = sum(len(rows) for rows, *_ in recorded.seen[:-2])  # the last two are the report's
    assert found.queries.sum() == shown


@pytest.mark.parametrize("name", ATTACKS)
def test_splitting_the_batch_changes_nothing(name: str, classifier: keras.Model) -> None:
    x, y = data(30)
    whole = ATTACKS[name].run(classifier, x, y)
    split = replace(ATTACKS[name], batch_size=7).run(classifier, x, y)
    np.testing.assert_array_equal(whole.success, split.success)
    # Another batch size rounds differently in the last bit, which a sign can amplify.
    close = np.isclose(whole.l2, split.l2, rtol=1e-2)
    assert close.mean() > 0.95


@pytest.mark.parametrize("name", ATTACKS)
def test_a_run_repeats_and_another_seed_differs_where_there_is_chance(
    name: str, classifier: keras.Model
) -> None:
    x, y = data(20)
    by_chance = name in {"pgd", "pgd_l2", "pgd_cosine", "square", "noise"}
    # So small that no start succeeds at once.
    attack = replace(ATTACKS[name], epsilon=0.03) if by_chance else ATTACKS[name]  # type: ignore[call-arg]
    first, again = attack.run(classifier, x, y), attack.run(classifier, x, y)
    np.testing.assert_array_equal(first.x_adv, again.x_adv)
    other = replace(attack, seed=1).run(classifier, x, y)
    assert np.array_equal(first.x_adv, other.x_adv) == (not by_chance)


@pytest.mark.parametrize(
    "attacks",
    [
        [PGD(epsilon) for epsilon in (0.02, 0.06, 0.12, 0.5)],
        [PGD(epsilon, norm="l2") for epsilon in (0.1, 0.3, 0.6, 4.0)],
        [SLIDE(epsilon, epsilon / 4) for epsilon in (0.5, 2.0, 4.0, 30.0)],
        [SquareAttack(epsilon, steps=300) for epsilon in (0.02, 0.06, 0.12, 0.6)],
        [UniformNoise(epsilon, draws=300) for epsilon in (0.02, 0.2, 0.4, 1.0)],
    ],
    ids=["pgd", "pgd_l2", "slide", "square", "noise"],
)
def test_success_rises_with_epsilon_and_reaches_everything(
    attacks: list[Attack], classifier: keras.Model
) -> None:
    x, y = data(60)
    success = [float(attack.run(classifier, x, y).success.mean()) for attack in attacks]
    assert success == sorted(success)
    assert success[0] < 0.5
    assert success[-1] == 1.0


def test_many_steps_are_at_least_as_strong_as_one(classifier: keras.Model) -> None:
    x, y = data(200)
    for epsilon in (0.08, 0.12):
        one = FGSM(epsilon).run(classifier, x, y).success
        many = PGD(epsilon).run(classifier, x, y).success
        assert many.mean() >= one.mean()
        assert 0 < one.mean() < 1


def test_the_smallest_step_of_fgsm_succeeds_where_the_full_one_does_and_is_smaller(
    classifier: keras.Model,
) -> None:
    x, y = data(200)
    full = FGSM(0.12).run(classifier, x, y)
    smallest = FGSM(0.12, steps=40).run(classifier, x, y)
    assert smallest.success[full.success].all()
    assert smallest.linf[smallest.success].mean() < 0.85 * full.linf[smallest.success].mean()
    assert (smallest.linf <= full.linf + 1e-6).all()


def test_the_step_of_fgsm_follows_the_gradient(classifier: keras.Model) -> None:
    """Against a finite difference of the loss at single pixels."""
    x, y = data(4)
    x = x * np.float32(0.8) + np.float32(0.1)
    step = FGSM(0.01).run(classifier, x, y).x_adv - x

    def loss(rows: np.ndarray) -> np.ndarray:
        p = np.asarray(classifier(rows, training=False), np.float64)
        return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-7)))

    for pixel in ((0, 0), (3, 4), (7, 7)):
        moved = x.copy()
        moved[:, pixel[0], pixel[1], 0] += 1e-2
        slope = loss(moved) - loss(x)
        clear = np.abs(slope) > 1e-4
        np.testing.assert_array_equal(
            np.sign(slope[clear]), np.sign(step[:, pixel[0], pixel[1], 0][clear])
        )


def test_a_killed_run_goes_on_where_it_stopped(
    classifier: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = data(40)
    attack = PGD(0.05, batch_size=10)
    whole = attack.run(classifier, x, y)
    batch, calls = Attack._batch, 0

    def killed(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return batch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Attack, "_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            attack.run(classifier, x, y, directory=tmp_path / "run")
    assert len(list((tmp_path / "run").glob("*.npz"))) == 2

    recorded: list[int] = []
    prepare = PGD._prepare

    def watched(self: PGD, victim: Any) -> Any:
        perturb = prepare(self, victim)

        def noted(x: Any, y: Any, rows: Any) -> Any:
            recorded.append(int(rows[0]))
            return perturb(x, y, rows)

        return noted

    monkeypatch.setattr(PGD, "_prepare", watched)
    resumed = attack.run(classifier, x, y, directory=tmp_path / "run")
    assert recorded == [20, 30]
    np.testing.assert_array_equal(resumed.x_adv, whole.x_adv)
    np.testing.assert_array_equal(resumed.queries, whole.queries)

    with pytest.raises(AttackError, match=r"epsilon 0.05, now 0.07.*another directory"):
        replace(attack, epsilon=0.07).run(classifier, x, y, directory=tmp_path / "run")
    with pytest.raises(AttackError, match="rows"):
        attack.run(classifier, x[::-1], y[::-1], directory=tmp_path / "run")
    sure = Misclassified(classifier, confidence=5.0)
    with pytest.raises(AttackError, match="another model or criterion"):
        attack.run(sure, x, y, directory=tmp_path / "run")
    batch_file = tmp_path / "run" / "0000010.npz"
    whole_file = batch_file.read_bytes()
    middle = len(whole_file) // 3
    flipped = whole_file[:middle] + bytes(40) + whole_file[middle + 40 :]
    other, bare = io.BytesIO(), io.BytesIO()
    np.savez(other, x_adv=x)
    np.save(bare, x)
    for damage in (whole_file[:100], flipped, other.getvalue(), bare.getvalue(), b""):
        batch_file.write_bytes(damage)
        with pytest.raises(AttackError, match=r"0000010.npz is damaged .*remove it"):
            attack.run(classifier, x, y, directory=tmp_path / "run")
    (tmp_path / "run" / "attack.json").write_text('{"settings": 3}')
    with pytest.raises(AttackError, match=r"attack.json is damaged"):
        attack.run(classifier, x, y, directory=tmp_path / "run")


def test_rows_that_no_attack_can_take_are_refused(classifier: keras.Model) -> None:
    x, y = data(5)
    x[3, 0, 0] = 1.5
    with pytest.raises(ModelError, match=r"row 3 .*bounds \(0.0, 1.0\)"):
        FGSM(0.1).run(classifier, x, y)
    x[3, 0, 0] = np.nan
    with pytest.raises(ModelError, match="row 3"):
        FGSM(0.1).run(classifier, x, y)
    x, y = data(5)
    cases: list[tuple[np.ndarray, Any, str]] = [
        (x, y[:4], r"5 rows and classes of shape \(4,\)"),
        (x, y[:, None], r"classes of shape \(5, 1\)"),
        (x, y + 0.5, "classes are float64"),
        (x, np.array([0, 1, 2, 3, 0]), "row 3 has class 3: the model has 3"),
        (x, np.array([0, 1, -1, 0, 0]), "row 2 has class -1"),
        (x[:, :7], y, r"rows have shape \(7, 8, 1\): the model takes \(8, 8, 1\)"),
        (x.reshape(5, -1), y, r"rows have shape \(64,\)"),
    ]
    for rows, classes, message in cases:
        with pytest.raises(ModelError, match=message):
            FGSM(0.1).run(classifier, rows, classes)
    with pytest.raises(ModelError, match=r"object cannot be attacked.*threat_models"):
        FGSM(0.1).run(object(), x, y)


def test_a_model_that_is_no_classifier_is_refused() -> None:
    x, y = data(5)
    inputs = keras.Input(x.shape[1:])
    flat = keras.layers.Flatten()(inputs)
    columns = keras.layers.Dense(3, activation="sigmoid", bias_initializer="ones")(flat)
    one = keras.layers.Dense(1, activation="sigmoid")(flat)
    cases = [
        (keras.Model(inputs, columns), r"outputs for a row sum to .* give Misclassified\(f\)"),
        (keras.Model(inputs, one), "the model has one output: expected one for each class"),
        (keras.Model(inputs, [columns, one]), "has several outputs"),
        (keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)]), "has not been built"),
    ]
    for model, message in cases:
        with pytest.raises(ModelError, match=message):
            FGSM(0.1).run(model, x, np.zeros_like(y))


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (FGSM, {"epsilon": float("nan")}, "epsilon is nan"),
        (FGSM, {"epsilon": -0.1}, "epsilon is -0.1"),
        (FGSM, {"epsilon": "0.1"}, "epsilon is '0.1'"),
        (FGSM, {"epsilon": 0.1, "steps": 0}, "steps is 0"),
        (FGSM, {"epsilon": 0.1, "steps": 1.5}, "steps is 1.5: expected a whole number"),
        (FGSM, {"epsilon": 0.1, "batch_size": 0}, "batch_size is 0"),
        (FGSM, {"epsilon": 0.1, "seed": -1}, "seed is -1"),
        (FGSM, {"epsilon": 0.1, "weight_steps": -1}, "weight_steps is -1"),
        (FGSM, {"epsilon": 0.1, "bounds": (1, 0)}, r"bounds are \(1, 0\)"),
        (FGSM, {"epsilon": 0.1, "bounds": (0, np.nan)}, r"bounds are \(0, nan\)"),
        (PGD, {"epsilon": 0.1, "norm": "l1"}, "norm is 'l1': expected one of 'linf', 'l2'"),
        (CarliniWagner, {"search": "binary"}, "search is 'binary': expected one of 'plain'"),
        (CarliniWagner, {"search_steps": 0}, "search_steps is 0"),
        (DDN, {"gamma": 1.0}, "gamma is 1.0"),
        (DDN, {"initial_norm": -1.0}, "initial_norm is -1.0"),
    ],
)
def test_hyper_parameters_without_a_sense_are_refused(
    attack: type[Attack], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        attack(**options)


def test_a_step_of_no_length_is_taken_as_such(classifier: keras.Model) -> None:
    x, y = data(10)
    found = PGD(0.1, step_size=0.0, restarts=1).run(classifier, x, y)
    np.testing.assert_array_equal(found.x_adv, x)


def test_flat_rows_have_bounds_and_steps_of_their_own() -> None:
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    scale = np.array([1, 10, 100, 1000], np.float32)
    x = np.random.default_rng(0).random((50, 4)).astype(np.float32) * scale
    y = np.asarray(classifier(x)).argmax(axis=1)
    found = FGSM(0.1 * scale, bounds=(np.zeros(4), scale)).run(classifier, x, y)
    assert (np.abs(found.x_adv - x) <= 0.1 * scale * (1 + 1e-5)).all()
    assert (found.x_adv <= scale).all()
    for attack in (RayS(steps=20), SquareAttack(50.0, steps=50)):
        found = replace(attack, bounds=(0.0, 1000.0)).run(classifier, x, y)
        assert found.success.any()
