"""The attacks that tests run, and the rows that they attack."""

import numpy as np

from adversarial.attacks import (
    DDN,
    FGSM,
    PGD,
    SLIDE,
    Attack,
    CarliniWagner,
    RayS,
    SquareAttack,
    UniformNoise,
)
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


def make_rows(n: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Return images in [0, 1], (n, 8, 8, 1), and their classes."""
    images, labels = make_images(n, seed=3)
    return images[..., None] / np.float32(255), labels
