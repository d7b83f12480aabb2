"""Where harm and drift come from: the slices of the batch, ranked by their contribution."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import Slice

SLICES_SHOWN = 12
ALSO_BY_DRIFT = 3
"""Slices shown for their contribution to drift, even if others contribute more to harm."""


class RankedSlice(NamedTuple):
    """A slice, its ranks (from 1; None where there is no contribution), and bars from −1 to 1."""

    found: Slice
    harm_rank: int | None
    drift_rank: int | None
    harm_bar: float
    drift_bar: float


class Column(NamedTuple):
    """The slices by one column, and how many are only in `report.json`."""

    by: str
    slices: list[RankedSlice]
    others: int


def by_column(report: Report) -> list[Column]:
    """Return the columns of the report in its order, each with the slices that matter most."""
    grouped = groupby(report.slices, key=lambda found: found.by)
    return [_column(by, list(slices)) for by, slices in grouped]


def _column(by: str, slices: list[Slice]) -> Column:
    harm = [result.harm_contribution for result in slices]
    drift = [result.drift_contribution for result in slices]
    columns = (slices, _ranks(harm), _ranks(drift), _bars(harm), _bars(drift))
    rows = [RankedSlice(*row) for row in zip(*columns, strict=True)]
    shown = [
        row
        for place, row in enumerate(rows)
        if place < SLICES_SHOWN or (row.drift_rank or len(rows)) <= ALSO_BY_DRIFT
    ]
    return Column(by, shown, len(rows) - len(shown))


def _ranks(contributions: Sequence[float | None]) -> list[int | None]:
    known = sorted((value for value in contributions if value is not None), reverse=True)
    return [None if value is None else known.index(value) + 1 for value in contributions]


def _bars(contributions: Sequence[float | None]) -> list[float]:
    largest = max((abs(value) for value in contributions if value is not None), default=0) or 1
    return [0.0 if value is None else value / largest for value in contributions]
