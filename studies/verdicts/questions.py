"""What is asked of the study's records: was the verdict true, and did the bounds hold."""

from collections.abc import Callable, Sequence

import numpy as np

from .changes.drift import CLASS_MIX, NULL
from .records import Record

MARGIN = 0.01
"""The default policy's `harm_margin`."""
ONE_SIDED_95, TWO_SIDED_95 = 1.645, 1.96
COMFORT = ("harmless_drift", "statistical_only", "no_drift")
"""Verdicts after which nobody does anything."""
HARMFUL = "harmful_drift"
LOUD = (HARMFUL, "drift_harm_unknown")
LARGE = 0.1

Records = Sequence[Record]
Test = Callable[[Record], bool]


def fall(record: Record) -> float:
    """Return by how much true accuracy is below the reference's."""
    return float(record["reference_accuracy"] - record["accuracy"])


def fell(record: Record) -> bool:
    """Tell whether true accuracy fell by more than the margin, beyond chance (one-sided 95 %)."""
    parts = (
        (record["accuracy"], record["n"]),
        (record["reference_accuracy"], record["n_reference"]),
    )
    error = np.sqrt(sum(p * (1 - p) / n for p, n in parts))
    return fall(record) > MARGIN + ONE_SIDED_95 * float(error)


def comforted(record: Record) -> bool:
    """Tell whether the verdict says that nothing need be done."""
    return record["verdict"] in COMFORT


def inside(record: Record, field: str) -> bool:
    """Tell whether an interval holds the true accuracy; one that does not exist does not."""
    interval = record.get(field)
    if not interval:
        return False
    return bool(interval["low"] <= record["accuracy"] <= interval["high"])


def bounded(record: Record) -> bool:
    """Tell whether the bounds hold the true accuracy, the sampling error of its labels allowed.

    What is bounded is the accuracy that is expected of the rows, not the luck of their labels.
    """
    luck = TWO_SIDED_95 * float(
        np.sqrt(record["accuracy"] * (1 - record["accuracy"]) / record["n"])
    )
    low, high = record["bounds"]["low"] - luck, record["bounds"]["high"] + luck
    return bool(low <= record["accuracy"] <= high)


def harmless_move(record: Record) -> bool:
    """Tell whether a class mix or a mild change did no harm."""
    moved = record["family"] == CLASS_MIX or (record["mild"] and record["family"] != NULL)
    return moved and fall(record) <= MARGIN


def resolves_margin(records: Records) -> bool:
    """Tell whether a classifier's bounds without drift are mostly within the margin.

    Where they are not, no batch of it can be shown harmless.
    """
    lows = [r["bounds"]["difference_low"] for r in records if r["family"] == NULL]
    return bool(np.median(lows) >= -MARGIN)


QUESTIONS: tuple[tuple[str, Test, Test], ...] = (
    ("false comfort: accuracy fell, and nothing is said", fell, comforted),
    (
        "… in families of the calibration",
        lambda r: fell(r) and r["calibrated"],
        comforted,
    ),
    ("… in other families", lambda r: fell(r) and not r["calibrated"], comforted),
    (
        "… where accuracy fell by 10 points or more",
        lambda r: fell(r) and fall(r) >= LARGE,
        comforted,
    ),
    (
        "no drift, and another verdict than `no_drift`",
        lambda r: r["family"] == NULL,
        lambda r: r["verdict"] != "no_drift",
    ),
    (
        "accuracy fell by 10 points or more, and `harmful_drift`",
        lambda r: fall(r) >= LARGE,
        lambda r: r["verdict"] == HARMFUL,
    ),
    (
        "harmless move, and a verdict that says so",
        harmless_move,
        comforted,
    ),
    (
        "harmless move, and `harmful_drift`",
        harmless_move,
        lambda r: r["verdict"] == HARMFUL,
    ),
    (
        "accuracy did not fall beyond the margin, and `harmful_drift`",
        lambda r: fall(r) <= MARGIN,
        lambda r: r["verdict"] == HARMFUL,
    ),
    (
        "estimate's interval holds the true accuracy",
        lambda r: bool(r["estimated"]),
        lambda r: inside(r, "estimated"),
    ),
    (
        "… in other families than the calibration's",
        lambda r: bool(r["estimated"]) and not r["calibrated"],
        lambda r: inside(r, "estimated"),
    ),
    (
        "bounds hold the true accuracy, its sampling error allowed",
        lambda r: bool(r.get("bounds")),
        bounded,
    ),
    (
        "… in other families than the calibration's",
        lambda r: bool(r.get("bounds")) and not r["calibrated"],
        bounded,
    ),
    (
        "… without allowance",
        lambda r: bool(r.get("bounds")),
        lambda r: inside(r, "bounds"),
    ),
)
