"""Where harm and drift come from: the parts of the batch, ranked by what they contribute."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from drift_monitor.results.report import Breakdown, Report

PARTS_SHOWN = 12
ALSO_BY_DRIFT = 3
"""Parts shown for their contribution to drift, though others contribute more to harm."""


class Part(NamedTuple):
    """A part with its ranks from 1, None where there is no contribution; bars from −1 to 1."""

    breakdown: Breakdown
    harm_rank: int | None
    drift_rank: int | None
    harm_bar: float
    drift_bar: float


class Column(NamedTuple):
    """The parts by one column, and how many are left to `report.json`."""

    by: str
    parts: list[Part]
    others: int
    largest_rate: float


def by_column(report: Report) -> list[Column]:
    """Return the columns of the report in its order, each with the parts that matter most."""
    grouped = groupby(report.localisation, key=lambda part: part.by)
    return [_column(by, list(parts)) for by, parts in grouped]


def _column(by: str, parts: list[Breakdown]) -> Column:
    harm = _ranks([part.harm_contribution for part in parts])
    drift = _ranks([part.drift_contribution for part in parts])
    harm_bars = _bars([part.harm_contribution for part in parts])
    drift_bars = _bars([part.drift_contribution for part in parts])
    rows = [Part(*row) for row in zip(parts, harm, drift, harm_bars, drift_bars, strict=True)]
    shown = [
        row
        for place, row in enumerate(rows)
        if place < PARTS_SHOWN or (row.drift_rank or len(rows)) <= ALSO_BY_DRIFT
    ]
    rates = [rate.high for part in parts for rate in (part.current, part.reference) if rate]
    return Column(by, shown, len(rows) - len(shown), max(rates, default=1) or 1)


def _ranks(contributions: Sequence[float | None]) -> list[int | None]:
    known = sorted((value for value in contributions if value is not None), reverse=True)
    return [None if value is None else known.index(value) + 1 for value in contributions]


def _bars(contributions: Sequence[float | None]) -> list[float]:
    largest = max((abs(value) for value in contributions if value is not None), default=0) or 1
    return [0.0 if value is None else value / largest for value in contributions]
