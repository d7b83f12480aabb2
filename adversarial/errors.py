"""Errors that a user can fix: each message names the file, row or field, and the remedy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from adversarial.masking import mask_secrets

if TYPE_CHECKING:
    from pydantic import ValidationError


class DriftMonitorError(Exception):
    """Root of the errors that this project raises on purpose. Secrets in its text are masked."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(mask_secrets(arg) if isinstance(arg, str) else arg for arg in args))


class TransientError(DriftMonitorError):
    """What failed may work when tried again: storage that does not answer, a lock that is held.

    Airflow retries a task that raises it; one that raises any other error of ours needs a person.
    """


class ModelError(DriftMonitorError, ValueError):
    """A model, or the data handed to it, does not have the form that the method needs."""


class MissingExtraError(DriftMonitorError):
    """Something is to be done for which a part of the project is not installed."""


class AttackError(DriftMonitorError):
    """An attack has no such name, or its directory holds another one's batches or damaged ones."""


def validation_reasons(
    error: "ValidationError",
    words: Mapping[str, str] = MappingProxyType({}),
    most: int | None = None,
) -> str:
    """Say in one line which fields are wrong, and why.

    Parameters
    ----------
    error : pydantic.ValidationError
        The error that pydantic raised.
    words : mapping of str to str
        Texts that replace pydantic's, by field name (`policy.alpha`) or by type of error.
    most : int, optional
        Largest number of fields to name; all of them by default.
    """
    reasons = []
    for problem in error.errors()[:most]:
        field = ".".join(map(str, problem["loc"]))
        text = words.get(field) or words.get(problem["type"]) or problem["msg"]
        text = text.removeprefix("Value error, ")
        reasons.append(f"{field}: {text}" if field else text)
    return "; ".join(reasons)
