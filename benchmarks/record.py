"""The record of a benchmark: `results/<name>.txt` to read, `results/<name>.json` to compute on."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"


class Ratios(NamedTuple):
    """Pairwise ratios of rounds that were taken in turn."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Ratios:
    """Return the median, least and greatest of the ratios of one round's two measurements."""
    result = [a / b for a, b in zip(numerators, denominators, strict=True)]
    return Ratios(statistics.median(result), min(result), max(result))


def verdict(reached: bool) -> str:
    """Return the word for a target."""
    return "reached" if reached else "MISSED"


def write_record(name: str, text: str, figures: dict[str, Any]) -> None:
    """Print the table and write both files.

    Parameters
    ----------
    name : str
        The benchmark's name.
    text : str
        The table.
    figures : dict
        What was measured, and of what; the machine is added.
    """
    machine = _machine()
    text = f"{text.rstrip()}\n\nMeasured on {machine['cores']} cores of {machine['processor']}.\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(text, encoding="utf-8")
    body = json.dumps({"benchmark": name, "machine": machine, **figures}, indent=2)
    (RESULTS / f"{name}.json").write_text(body + "\n", encoding="utf-8")
    print(text, end="")


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "features": cpuinfo("flags") or cpuinfo("Features"),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    return cpuinfo("model name") or platform.processor() or platform.machine()


def cpuinfo(field: str) -> str:
    """Return what Linux says of the first processor; nothing where it does not, or is not Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ""
    entries = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in entries if name.strip() == field), "")
