"""Evaluations side by side: the same numbers of several runs, and where they differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adversarial.evaluation.read import Record, Results, ResultsError, case_of
from adversarial.evaluation.schemas import METRICS
from adversarial.reporting.formatting import describe, number_name

ESTIMATE = ("value", "low", "high", "n")
PLACE = tuple(name for name in METRICS.names if name not in ESTIMATE)
"""Fields that identify a number."""

HEAD = ("case", "defence", "number")
MARK = "*"


@dataclass(frozen=True)
class Comparison:
    """Numbers of several runs.

    Attributes
    ----------
    runs : sequence of str
        Names of the runs.
    rows : mapping of tuple to sequence of mapping or None
        The record of each run, or None where a run has none; keyed by the fields of `PLACE`.
    """

    runs: Sequence[str]
    rows: Mapping[tuple[object, ...], Sequence[Record | None]]


def compare_evaluations(
    runs: Mapping[str, Results], *, metrics: Sequence[str] = (), fprs: Sequence[float] = ()
) -> Comparison:
    """Set the numbers of runs side by side, in the order of the first run that has them.

    Parameters
    ----------
    runs : mapping of str to Results
        Runs by the name of their column.
    metrics : sequence of str
        Only these; all when empty.
    fprs : sequence of float
        Only numbers at thresholds of these ε_FPR, and those that depend on none; all when empty.

    Raises
    ------
    ResultsError
        If no run has such a number.
    """
    records = [record for results in runs.values() for record in results.records]
    rates = {record["fpr"] for record in records} - {None}
    if unknown := set(fprs) - rates:
        raise ResultsError(
            f"no run has a number at --fpr {min(unknown):g}: expected one of "
            f"{', '.join(f'{rate:g}' for rate in sorted(rates))}"
        )
    rows: dict[tuple[object, ...], list[Record | None]] = {}
    for index, results in enumerate(runs.values()):
        for record in results.records:
            if metrics and record["metric"] not in metrics:
                continue
            if fprs and record["fpr"] not in (None, *fprs):
                continue
            place = tuple(record[name] for name in PLACE)
            rows.setdefault(place, [None] * len(runs))[index] = record
    if not rows:
        known = dict.fromkeys(record["metric"] for record in records)
        raise ResultsError(f"no run has such a number: --metric is one of {', '.join(known)}")
    return Comparison(list(runs), rows)


def have_no_defence_in_common(runs: Mapping[str, Results]) -> bool:
    """Say whether no two runs share a defence's name, so that none stands beside another."""
    names = [name for results in runs.values() for name in dict.fromkeys(results.defences)]
    return len(runs) > 1 and len(set(names)) == len(names)


def name_runs(runs: Sequence[Results]) -> dict[str, Results]:
    """Return runs, named by the shortest distinct end of their paths and their data sets.

    A run given twice counts once.
    """
    paths = {results.directory.resolve(): results for results in runs}
    longest = max(len(path.parts) for path in paths)
    for n_parts in range(1, longest + 1):
        names = ["/".join(path.parts[-n_parts:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return {
        "{} ({dataset}, {model}, n {n:,})".format(name, **results.config): results
        for name, results in zip(names, paths.values(), strict=True)
    }


def are_disjoint(first: Record | None, other: Record | None) -> bool:
    """Say whether two numbers have intervals that do not overlap.

    Examples
    --------
    >>> are_disjoint({"low": 0.1, "high": 0.2}, {"low": 0.3, "high": 0.4})
    True
    >>> are_disjoint({"low": 0.1, "high": 0.3}, {"low": 0.3, "high": 0.4})
    False
    >>> are_disjoint({"low": 0.1, "high": 0.2}, {"low": None, "high": None})
    False
    """
    if first is None or other is None or first["low"] is None or other["low"] is None:
        return False
    return bool(first["high"] < other["low"] or other["high"] < first["low"])


def to_csv(comparison: Comparison) -> str:
    """Return a comparison as CSV: each run's value, interval and n, and whether it is disjoint."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    heads = [f"{name} {run}" for run in comparison.runs for name in (*ESTIMATE, "disjoint")]
    writer.writerow([*PLACE, *heads])
    for place, records in comparison.rows.items():
        cells: list[object] = []
        for record in records:
            cells += [None if record is None else record[name] for name in ESTIMATE]
            known = all(r is not None and r["low"] is not None for r in (records[0], record))
            cells.append(are_disjoint(records[0], record) if known else None)
        writer.writerow([*place, *cells])
    return buffer.getvalue()


def to_markdown(comparison: Comparison) -> str:
    """Return a comparison as a Markdown table."""
    head = [*HEAD, *comparison.runs]
    lines = [head, ["---"] * len(head), *table_rows(comparison)]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "".join(f"| {line} |\n" for line in cells)


def table_rows(comparison: Comparison) -> list[list[str]]:
    """Return the rows of a table as text, with the columns of `HEAD` and one for each run.

    A number is marked if its interval does not overlap that of the first run.
    """
    rows = []
    for place, records in comparison.rows.items():
        named = dict(zip(PLACE, place, strict=True))
        cells = [
            describe(record) + (f" {MARK}" if are_disjoint(records[0], record) else "")
            for record in records
        ]
        defence = "M alone" if named["defence"] is None else str(named["defence"])
        rows.append([case_of(named).title, defence, number_name(named), *cells])
    return rows
