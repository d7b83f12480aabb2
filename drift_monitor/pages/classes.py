"""The classes whose recall may have fallen most, for the page."""

from collections.abc import Sequence
from typing import NamedTuple

from drift_monitor.results.report_findings import ClassAccuracy

CLASSES_SHOWN = 12


class Classes(NamedTuple):
    """The classes shown, and how many are only in `report.json`."""

    shown: list[ClassAccuracy]
    others: int


def summarise(classes: Sequence[ClassAccuracy]) -> Classes | None:
    """Return the classes, those first whose recall may have fallen most; None without any."""
    known = [found for found in classes if found.recall or found.precision]
    if not known:
        return None
    ranked = sorted(known, key=_fall, reverse=True)
    return Classes(ranked[:CLASSES_SHOWN], len(classes) - len(ranked[:CLASSES_SHOWN]))


def _fall(found: ClassAccuracy) -> float:
    return found.recall.reference - found.recall.low if found.recall else -1.0
