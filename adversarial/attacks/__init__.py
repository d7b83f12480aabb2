"""Attacks, one file each."""

from adversarial.attacks.attack import Attack, AttackError, AttackResult
from adversarial.attacks.carlini_wagner import CarliniWagner
from adversarial.attacks.criteria import Aim, All, Criterion, Misclassified, Unflagged
from adversarial.attacks.ddn import DDN
from adversarial.attacks.fgsm import FGSM
from adversarial.attacks.noise import UniformNoise
from adversarial.attacks.pgd import PGD
from adversarial.attacks.rays import RayS
from adversarial.attacks.slide import SLIDE
from adversarial.attacks.square import SquareAttack
from adversarial.attacks.strongest import strongest

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
