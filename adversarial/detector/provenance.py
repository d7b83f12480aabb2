"""Where a detector's models came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adversarial.bundle.read import Bundle


@dataclass(frozen=True)
class Provenance:
    """How a detector's autoencoders were trained, and what they were loaded from.

    No score depends on it.

    Attributes
    ----------
    temperature : float
        T of the training target (Eq. 9).
    training : dict
        Summary of the training run: rows, epochs, seed, losses.
    bundle : Bundle, optional
        The bundle that the detector was loaded from.
    """

    temperature: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    bundle: Bundle | None = None
