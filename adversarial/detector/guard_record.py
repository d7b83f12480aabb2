"""What the guard measured for a bundle on a kind of machine, remembered in the user's cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from adversarial.files import cache_directory, write_text
from adversarial.runtimes.guard_figures import GuardFigures


class GuardRecord(BaseModel):
    """Figures of the runtimes that were tried.

    Attributes
    ----------
    fingerprint : str
        Of the bundle.
    machine : dict of str to str
        `adversarial.runtimes.openvino_runtime.describe_machine`.
    figures : dict of str to GuardFigures
        By precision.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    fingerprint: str
    machine: dict[str, str]
    figures: dict[str, GuardFigures] = {}

    @classmethod
    def read(cls, fingerprint: str, machine: dict[str, str]) -> GuardRecord:
        """Return what is remembered for a bundle and a machine; without figures if nothing is.

        A file that is damaged, or of another version, counts as none: it will be replaced.
        """
        fresh = cls(fingerprint=fingerprint, machine=machine)
        try:
            found = cls.model_validate_json(fresh.path.read_bytes())
        except (OSError, ValidationError):
            return fresh
        is_same = (found.fingerprint, found.machine) == (fingerprint, machine)
        return found if is_same else fresh

    def write(self) -> None:
        """Remember it, where the cache can be written to."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, self.model_dump_json(indent=2) + "\n")
        except OSError:
            return  # a read-only home: the guard measures again next time

    @property
    def path(self) -> Path:
        """The file that it is kept in."""
        machine = json.dumps(self.machine, sort_keys=True).encode()
        name = f"{self.fingerprint[:16]}-{hashlib.sha256(machine).hexdigest()[:16]}.json"
        return cache_directory() / "runtimes" / name
