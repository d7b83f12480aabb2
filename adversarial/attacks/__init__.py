"""Attacks, one file each."""

from adversarial.attacks.carlini_wagner import CarliniWagner
from adversarial.attacks.core.attack import Attack, AttackError
from adversarial.attacks.core.criteria import Aim, All, Criterion, Misclassified, Unflagged
from adversarial.attacks.core.result import AttackResult, strongest
from adversarial.attacks.ddn import DDN
from adversarial.attacks.fgsm import FGSM
from adversarial.attacks.noise import UniformNoise
from adversarial.attacks.pgd import PGD
from adversarial.attacks.rays import RayS
from adversarial.attacks.slide import SLIDE
from adversarial.attacks.square import SquareAttack

__all__ = [
    "DDN",
    "FGSM",
    "PGD",
    "SLIDE",
    "Aim",
    "All",
    "Attack",
    "AttackError",
    "AttackResult",
    "CarliniWagner",
    "Criterion",
    "Misclassified",
    "RayS",
    "SquareAttack",
    "Unflagged",
    "UniformNoise",
    "strongest",
]
