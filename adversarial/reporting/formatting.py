"""How the numbers of an evaluation are written: their names, values and intervals."""

from __future__ import annotations

from adversarial.evaluation.read import Record


def number_name(record: Record) -> str:
    """Return what a number is called, apart from its case and defence.

    Examples
    --------
    >>> number_name({"metric": "undetected_error", "fpr": 0.05, "policy": "reject"})
    'undetected_error at ε_FPR 5 %, policy reject'
    """
    fpr = "" if record["fpr"] is None else f" at ε_FPR {rate_text(record['fpr'])}"
    policy = "" if record["policy"] is None else f", policy {record['policy']}"
    return f"{record['metric']}{fpr}{policy}"


def describe(record: Record | None, *, percent: bool = False) -> str:
    """Return a number with its interval, as text; a dash where there is none.

    Examples
    --------
    >>> describe({"value": 0.95, "low": 0.9, "high": 0.98}, percent=True)
    '95.0 % (90.0 to 98.0)'
    >>> describe({"value": 12.5, "low": None, "high": None})
    '12.5'
    >>> describe({"value": 0.0, "low": None, "high": None})
    '0'
    """
    if record is None or record["value"] is None:
        return "–"
    value, low, high = (
        number_text(record.get(name), percent=percent) for name in ("value", "low", "high")
    )
    return f"{value}{' %' if percent else ''}" + ("" if low == "–" else f" ({low} to {high})")


def number_text(value: float | None, *, percent: bool = False) -> str:
    """Return a number as text, a share as a percentage without its sign; a dash for None."""
    if value is None:
        return "–"
    if percent:
        return f"{100 * value:.1f}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 10 else f"{value:.4g}"


def rate_text(rate: float) -> str:
    """Return a chosen rate, such as an ε_FPR, as text.

    Examples
    --------
    >>> rate_text(0.05)
    '5 %'
    """
    return f"{100 * rate:g} %"
