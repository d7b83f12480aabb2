"""Attacks by the names that commands and files use."""

import re
from collections.abc import Callable
from fractions import Fraction

from adversarial.attacks.carlini_wagner import CarliniWagner
from adversarial.attacks.core.attack import Attack
from adversarial.attacks.ddn import DDN
from adversarial.attacks.fgsm import FGSM
from adversarial.attacks.noise import UniformNoise
from adversarial.attacks.pgd import PGD
from adversarial.attacks.rays import RayS
from adversarial.attacks.slide import SLIDE
from adversarial.attacks.square import SquareAttack
from adversarial.errors import AttackError

MINIMAL_NORM: dict[str, Callable[[], Attack]] = {
    "cw": CarliniWagner.paper,
    "cw-log": lambda: CarliniWagner(
        steps=150, learning_rate=0.1, initial_c=1.0, search_steps=4, search="log"
    ),
    "slide": SLIDE.paper,
    "ddn": DDN,
    "rays": RayS,
}
"""Attacks that look for the smallest perturbation that succeeds, however large it must be."""

FIXED_EPSILON: dict[str, Callable[[float], Attack]] = {
    "fgsm-E": FGSM,
    "fgsm-E-smallest": lambda epsilon: FGSM(epsilon, steps=1_000),
    "pgd-linf-E": lambda epsilon: PGD(epsilon, steps=100, schedule="cosine"),
    "pgd-l2-E": lambda epsilon: PGD(epsilon, norm="l2", steps=100, schedule="cosine"),
    "square-E": SquareAttack,
    "noise-E": UniformNoise,
}
"""Attacks within a ball of radius ε, given in place of E, such as 0.1 or 8/255."""

SELECTIVE = "-selective"
"""Suffix of an attack that follows one of several criteria at a time instead of their sum."""


def make_attack(name: str) -> Attack:
    """Return the attack of this name, for values in [0, 1].

    The two readings of the paper's "1000 iterations" of FGSM are `fgsm-E`, one full step, and
    `fgsm-E-smallest`, the smallest of 1,000 steps that succeeds.

    Parameters
    ----------
    name : str
        One of `MINIMAL_NORM`, or one of `FIXED_EPSILON` with a number for E. A suffix "-selective"
        says how it is run (`adversarial.evaluation.threat_models.selective`) and makes no
        difference here.

    Raises
    ------
    AttackError
        If there is none.

    Examples
    --------
    >>> make_attack("pgd-linf-8/255").epsilon
    0.03137254901960784
    """
    plain = name.removesuffix(SELECTIVE)
    if plain in MINIMAL_NORM:
        return MINIMAL_NORM[plain]()
    for pattern, make in FIXED_EPSILON.items():
        result = re.fullmatch(pattern.replace("E", r"(\d*\.?\d+(?:/\d+)?)"), plain)
        if result and not result[1].endswith("/0") and (epsilon := float(Fraction(result[1]))) > 0:
            return make(epsilon)
    known = ", ".join([*MINIMAL_NORM, *FIXED_EPSILON])
    raise AttackError(
        f"no attack {name!r}: expected one of {known}, with the radius for E above 0 and "
        "without an exponent, such as 0.1 or 8/255"
    )
