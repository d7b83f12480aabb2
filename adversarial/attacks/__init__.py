"""Attacks, one file each."""

from adversarial.attacks.carlini_wagner import CarliniWagner
from adversarial.attacks.core.attack import Attack
from adversarial.attacks.core.criteria import (
    All,
    Criterion,
    CriterionResult,
    Misclassified,
    Unflagged,
)
from adversarial.attacks.core.hyper_parameters import (
    Check,
    NonNegative,
    NonNegativeInt,
    PositiveInt,
)
from adversarial.attacks.core.logits import logits_of
from adversarial.attacks.core.result import AttackResult, strongest
from adversarial.attacks.core.scores import score_of
from adversarial.attacks.core.victim import Victim
from adversarial.attacks.ddn import DDN
from adversarial.attacks.fgsm import FGSM
from adversarial.attacks.noise import UniformNoise
from adversarial.attacks.pgd import PGD
from adversarial.attacks.rays import RayS
from adversarial.attacks.slide import SLIDE
from adversarial.attacks.square import SquareAttack
from adversarial.errors import AttackError

__all__ = [
    "DDN",
    "FGSM",
    "PGD",
    "SLIDE",
    "All",
    "Attack",
    "AttackError",
    "AttackResult",
    "CarliniWagner",
    "Check",
    "Criterion",
    "CriterionResult",
    "Misclassified",
    "NonNegative",
    "NonNegativeInt",
    "PositiveInt",
    "RayS",
    "SquareAttack",
    "Unflagged",
    "UniformNoise",
    "Victim",
    "logits_of",
    "score_of",
    "strongest",
]
