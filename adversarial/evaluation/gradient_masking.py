"""Checks for gradient masking: a defence may hide its gradients from an attack and defend nothing.

After Athalye et al. 2018, section 3.1, and Carlini et al. 2019, section 4. An attack whose
gradients are not masked succeeds on every row when it is unbounded, gains nothing from more steps,
and is at least as strong as noise and as an attack without gradients. An attack that fails a check
says nothing about the defence.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adversarial.attacks import PGD, Attack, Criterion, SquareAttack, UniformNoise
from adversarial.statistics import mcnemar_test

SIGNIFICANCE = 0.05
"""Level of McNemar's test that another attack is stronger than the one being checked."""


class Check(NamedTuple):
    """One check of an attack.

    Attributes
    ----------
    name : str
        "unbounded", "doubled_steps", "noise" or "gradient_free".
    success : (n,) bool
        Where the attack it is compared with succeeded.
    passed : bool
        Whether the comparison shows no sign of gradient masking.
    """

    name: str
    success: NDArray[np.bool_]
    passed: bool


def gradient_masking_checks(
    attack: PGD,
    success: NDArray[np.bool_],
    criterion: Criterion,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
) -> list[Check]:
    """Check an attack.

    Parameters
    ----------
    attack : PGD
        The attack that was run.
    success : (n,) bool
        Where it succeeded.
    criterion : Criterion
        What it was to achieve.
    x, y : (n, *input_shape) float32, (n,) int64
        Rows within the bounds and their classes.

    Returns
    -------
    list of Check
        Noise and the square attack, which uses no gradients, work in the L∞ ball; they are left out
        if the attack works in another.
    """
    low, high = attack.bounds
    everything = float(np.max(np.asarray(high) - np.asarray(low)))
    if attack.norm == "l2":
        everything *= float(np.sqrt(x[0].size))
    others: dict[str, Attack] = {
        "unbounded": replace(attack, epsilon=everything, step_size=None),
        "doubled_steps": replace(attack, steps=2 * attack.steps),
    }
    if attack.norm == "linf":
        others["noise"] = UniformNoise(attack.epsilon)
        others["gradient_free"] = SquareAttack(attack.epsilon)
    checks = []
    for name, other in others.items():
        alike = replace(other, bounds=attack.bounds, seed=attack.seed, batch_size=attack.batch_size)
        result = alike.run(criterion, x, y).success
        if name == "unbounded":
            passed = bool(result.all())
        else:
            passed = mcnemar_test(result, success, "greater") >= SIGNIFICANCE
        checks.append(Check(name, result, passed))
    return checks
