"""What values a hyper-parameter of an attack can take, according to the type of its field.

An attack is a dataclass whose fields are its hyper-parameters. The type of a field, from this
module or any `Annotated` with a `Check`, is all that the base class needs to know about it.

Examples
--------
>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Step:
...     size: NonNegative
...     times: PositiveInt = 1
>>> check_hyper_parameters(Step(0.1))
>>> check_hyper_parameters(Step(0.1, times=0))
Traceback (most recent call last):
adversarial.errors.ModelError: Step(times=0): expected a whole number, 1 or more
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from adversarial.errors import ModelError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Check:
    """A condition that the values of a field must meet.

    Parameters
    ----------
    holds : callable
        Says whether a value meets the condition.
    expected : str
        What is expected, to complete "expected …" in an error.

    Examples
    --------
    >>> Share = Annotated[float, Check(lambda value: 0 <= value <= 1, "a number from 0 to 1")]
    """

    holds: Callable[[Any], bool]
    expected: str


def are_finite(value: Any, least: float = -np.inf) -> bool:
    """Say whether a number, or each number of an array, is finite and at least `least`."""
    numbers = np.asarray(value)
    if not np.issubdtype(numbers.dtype, np.number):
        return False
    return bool((np.isfinite(numbers) & (numbers >= least)).all())


def _is_integer(value: Any, least: float = -np.inf) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= least)


PositiveInt = Annotated[
    int, Check(lambda value: _is_integer(value, 1), "a whole number, 1 or more")
]
NonNegativeInt = Annotated[
    int, Check(lambda value: _is_integer(value, 0), "a whole number, 0 or more")
]

NON_NEGATIVE = Check(lambda value: are_finite(value, least=0), "a finite number, 0 or more")
NonNegative = Annotated[float, NON_NEGATIVE]


def check_hyper_parameters(attack: DataclassInstance) -> None:
    """Raise ModelError if a field of a dataclass has a value that its type does not allow.

    It checks `Annotated` types with a `Check`, `Literal` types, and that an `int` is a whole
    number; None is allowed where the type says so. A plain `float` is not checked.
    """
    types = get_type_hints(type(attack), include_extras=True)
    for field in fields(attack):
        value = getattr(attack, field.name)
        for check in _checks(types[field.name], value):
            if not check.holds(value):
                raise ModelError(
                    f"{type(attack).__name__}({field.name}={value!r}): expected {check.expected}"
                )


def _checks(kind: Any, value: Any) -> Iterator[Check]:
    """Yield the conditions that a type sets for a value."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from (extra for extra in kind.__metadata__ if isinstance(extra, Check))
    elif origin is Literal:
        known = ", ".join(map(repr, arguments))
        yield Check(lambda found: found in arguments, f"one of {known}")
    elif origin in (Union, UnionType):
        if not (value is None and NoneType in arguments):
            for argument in arguments:
                yield from _checks(argument, value)
    elif kind is int:
        yield Check(_is_integer, "a whole number")
