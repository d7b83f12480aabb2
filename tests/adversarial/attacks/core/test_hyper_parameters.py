from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import numpy as np
import pytest

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
from adversarial.attacks.core.hyper_parameters import Check, NonNegative, check_hyper_parameters
from adversarial.errors import ModelError
from tests.support.attack_cases import ATTACKS


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (
            FGSM,
            {"epsilon": float("nan")},
            r"FGSM\(epsilon=nan\): expected a finite number, 0 or more",
        ),
        (FGSM, {"epsilon": -0.1}, r"epsilon=-0.1\)"),
        (FGSM, {"epsilon": np.array([0.1, -0.1])}, r"epsilon=array\(\[ 0.1, -0.1\]\)\)"),
        (FGSM, {"epsilon": "0.1"}, r"epsilon='0.1'\)"),
        (FGSM, {"epsilon": None}, r"epsilon=None\)"),
        (FGSM, {"epsilon": 0.1, "steps": 0}, r"steps=0\): expected a whole number, 1 or more"),
        (FGSM, {"epsilon": 0.1, "steps": 1.5}, r"steps=1.5\): expected a whole number"),
        (FGSM, {"epsilon": 0.1, "batch_size": 0}, r"batch_size=0\)"),
        (FGSM, {"epsilon": 0.1, "seed": -1}, r"seed=-1\): expected a whole number, 0 or more"),
        (FGSM, {"epsilon": 0.1, "weight_steps": -1}, r"weight_steps=-1\)"),
        (FGSM, {"epsilon": 0.1, "bounds": (1, 0)}, r"bounds=\(1, 0\)\): .*the smaller first"),
        (FGSM, {"epsilon": 0.1, "bounds": (0, np.nan)}, r"bounds=\(0, nan\)\)"),
        (PGD, {"epsilon": 0.1, "norm": "l1"}, r"norm='l1'\): expected one of 'linf', 'l2'"),
        (PGD, {"epsilon": 0.1, "step_size": -1.0}, r"step_size=-1.0\)"),
        (PGD, {"epsilon": 0.1, "restarts": 0}, r"restarts=0\)"),
        (CarliniWagner, {"search": "binary"}, r"search='binary'\): expected one of 'plain'"),
        (CarliniWagner, {"search_steps": 0}, r"search_steps=0\)"),
        (CarliniWagner, {"learning_rate": -1.0}, r"learning_rate=-1.0\)"),
        (CarliniWagner, {"initial_c": -1.0}, r"initial_c=-1.0\)"),
        (DDN, {"gamma": 1.0}, r"gamma=1.0\): expected a number between 0 and 1"),
        (DDN, {"initial_norm": -1.0}, r"initial_norm=-1.0\)"),
        (RayS, {"tolerance": float("inf")}, r"tolerance=inf\)"),
        (SLIDE, {"epsilon": 1.0, "step_size": 0.1, "percentile": 101}, r"percentile=101\)"),
        (SquareAttack, {"epsilon": 0.1, "initial_share": 0.0}, r"initial_share=0.0\)"),
        (UniformNoise, {"epsilon": 0.1, "draws": 0}, r"draws=0\)"),
    ],
)
def test_a_value_that_a_hyper_parameter_cannot_take_is_refused(
    attack: type[Attack], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        attack(**options)


@pytest.mark.parametrize("kind", dict.fromkeys(map(type, ATTACKS.values())))
def test_every_hyper_parameter_says_what_it_can_be(kind: type[Attack]) -> None:
    types = get_type_hints(kind, include_extras=True)
    assert all(types[field.name] not in (float, int) for field in fields(kind))


def test_fields_of_any_dataclass_are_checked_by_their_types() -> None:
    @dataclass(frozen=True)
    class Momentum:
        decay: Annotated[float, Check(lambda value: 0 <= value < 1, "a number from 0 to below 1")]
        step_size: NonNegative | None = None
        turns: int = 1

    for sound in (Momentum(0.9), Momentum(0.0, 0.1), Momentum(0.5, 1, 3)):
        check_hyper_parameters(sound)
    cases: list[tuple[Momentum, str]] = [
        (Momentum(1.0), r"Momentum\(decay=1.0\): expected a number from 0 to below 1"),
        (Momentum(0.9, -1.0), r"step_size=-1.0\): expected a finite number, 0 or more"),
        (Momentum(0.9, turns=0.5), r"turns=0.5\): expected a whole number"),  # type: ignore[arg-type]
    ]
    for unsound, message in cases:
        with pytest.raises(ModelError, match=message):
            check_hyper_parameters(unsound)
