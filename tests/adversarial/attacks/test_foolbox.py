"""The attacks against Foolbox's of the same hyper-parameters, on one model.

Foolbox is in the extra `peers`, which `make setup` installs.
"""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from adversarial.attacks import DDN, FGSM, PGD, SLIDE, Attack, CarliniWagner
from adversarial.attacks.core.logits import logits_of
from tests.support.animals import make_images

foolbox = pytest.importorskip("foolbox", reason="not installed: uv sync --extra peers")

N_ROWS = 300


def pairs() -> dict[str, tuple[Attack, Any, float | None, str]]:
    """Ours, theirs, ε if theirs takes one, and the norm that is compared."""
    from foolbox import attacks

    return {
        "carlini_wagner": (
            CarliniWagner(steps=100, learning_rate=0.05, initial_c=1.0, search_steps=6),
            attacks.L2CarliniWagnerAttack(
                binary_search_steps=6, steps=100, stepsize=0.05, initial_const=1.0
            ),
            None,
            "l2",
        ),
        "ddn": (DDN(), attacks.DDNAttack(steps=100), None, "l2"),
        "fgsm": (FGSM(0.11), attacks.LinfFastGradientAttack(), 0.11, "linf"),
        "pgd": (
            PGD(0.11, steps=20, step_size=0.02, restarts=1),
            attacks.LinfPGD(steps=20, abs_stepsize=0.02, random_start=False),
            0.11,
            "linf",
        ),
        "slide": (
            SLIDE(4.0, 0.6, steps=10),
            attacks.SparseL1DescentAttack(quantile=0.8, steps=10, abs_stepsize=0.6),
            4.0,
            "l1",
        ),
    }


@pytest.mark.parametrize("name", ["carlini_wagner", "ddn", "fgsm", "pgd", "slide"])
def test_success_and_norm_are_those_of_foolbox(name: str, classifier: keras.Model) -> None:
    ours, theirs, epsilon, norm = pairs()[name]
    images, labels = make_images(N_ROWS, seed=3)
    x = (images[..., None] / 255).astype(np.float32)
    found = ours.run(classifier, x, labels)

    victim = foolbox.TensorFlowModel(logits_of(classifier), bounds=(0, 1))
    _, attacked, success = theirs(
        victim, tf.constant(x), tf.constant(labels, tf.int64), epsilons=epsilon
    )
    success = success.numpy()
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    delta = (attacked.numpy() - x).reshape(N_ROWS, -1)
    norms = np.linalg.norm(delta, order, axis=1)
    assert success.mean() > 0.2
    assert found.success.mean() == pytest.approx(success.mean(), abs=0.01)
    both = success & found.success
    mean = getattr(found, norm)[both].mean()
    if name in {"pgd", "slide"}:  # ours stop at the first success, and need no more than theirs
        assert mean <= 1.001 * norms[both].mean()
    else:
        assert mean == pytest.approx(norms[both].mean(), rel=0.02)
