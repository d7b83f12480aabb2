"""Errors that a user can mend; the message names the file, row or field and the remedy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class DriftMonitorError(Exception):
    """Root of the errors that this project raises on purpose."""


class ModelError(DriftMonitorError, ValueError):
    """A model, or the data handed to it, is not of the form that the method needs."""


def validation_reasons(
    error: "ValidationError",
    words: Mapping[str, str] = MappingProxyType({}),
    most: int | None = None,
) -> str:
    """Return which fields are wrong, and why, in one line.

    Parameters
    ----------
    error : pydantic.ValidationError
        What pydantic says.
    words : mapping of str to str
        What to say instead, by the name of a field (`policy.alpha`) or by pydantic's type of error.
    most : int, optional
        Fields named; all when not given.
    """
    reasons = []
    for problem in error.errors()[:most]:
        field = ".".join(map(str, problem["loc"]))
        text = words.get(field) or words.get(problem["type"]) or problem["msg"]
        text = text.removeprefix("Value error, ")
        reasons.append(f"{field}: {text}" if field else text)
    return "; ".join(reasons)
