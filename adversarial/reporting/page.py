"""The page of an evaluation: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from adversarial.evaluation.drift_metrics import SeveritySummary, by_severity
from adversarial.evaluation.read import Case, Record, Results, case_of, read_results, read_rows
from adversarial.evaluation.schemas import ANY, STRONGEST
from adversarial.files import write_text
from adversarial.reporting.formatting import describe, number_name, number_text, rate_text
from adversarial.reporting.templating import make_environment

SHARES = (
    "accuracy",
    "success",
    "detection_rate",
    "flagged",
    "undetected_error",
    "gradient_masking",
)
"""Prefixes of the names of metrics that are shares."""

POLICIES = {
    "none": "No detector",
    "reject": "Refuse flagged",
    "correct": "Correct flagged",
    "correct_always": "Correct all",
    "correct_gated": "Correct flagged if surer",
}
"""Policies of `adversarial.evaluation.threat_models` in words."""

MOST_GRIDS = 12
"""Image grids on the page; more would make it slow to open. All are in `figures/`."""


@dataclass(frozen=True)
class InlineFigure:
    """A figure as it appears on the page."""

    kind: str
    caption: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Headline:
    """The decisive numbers of one attack and defence.

    Attributes
    ----------
    case : Case
    defence : str
    numbers : mapping of str to Record or None
        Records by the heading of their column.
    lost : mapping of str to Record or None
        Wrong answers without a warning, by policy.
    """

    case: Case
    defence: str
    numbers: Mapping[str, Record | None]
    lost: Mapping[str, Record | None]


@dataclass(frozen=True)
class NumberTable:
    """All numbers of one case, or of one corruption and defence.

    Attributes
    ----------
    caption : str
    columns : sequence of str
    rows : mapping of str to sequence
        The records of each column, by the number's name.
    """

    caption: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[Sequence[Record]]]


def write_report(directory: Path) -> Path:
    """Write `report.html` and `figures/` of a finished evaluation, and return the page's path.

    Raises
    ------
    ResultsError
        If the directory holds no finished evaluation, or a file in it is missing or damaged.
    """
    from adversarial.reporting.figures import draw_figures
    from adversarial.reporting.figures.drawing import save
    from adversarial.reporting.figures.svg import to_inline

    results = read_results(directory)
    rows = read_rows(results)
    severities = by_severity(rows, seed=results.config["seed"])
    shown: list[InlineFigure] = []
    for drawing in draw_figures(results, rows, severities):
        save(drawing, directory / "figures")
        n_grids = sum(figure.kind == "grid" for figure in shown)
        if drawing.is_in_report and (drawing.kind != "grid" or n_grids < MOST_GRIDS):
            svg = to_inline(drawing.figure, f"f{len(shown)}")
            shown.append(InlineFigure(drawing.kind, drawing.caption, drawing.alt, svg))
    page = directory / "report.html"
    write_text(page, render_report(results, severities, shown))
    return page


def render_report(
    results: Results, severities: Sequence[SeveritySummary], figures: Sequence[InlineFigure]
) -> str:
    """Return the page of an evaluation."""
    result = headlines(results)
    return (
        _environment()
        .get_template("evaluation.html.j2")
        .render(
            config=results.config,
            defences=results.defences,
            headlines=result,
            detected=[headline for headline in result if headline.numbers["AUC"] is not None],
            failed_checks=failed_checks(results),
            has_strongest=any(record["attack"] == STRONGEST for record in results.records),
            headline_fpr=max(results.config["fprs"]),
            severities=severities,
            figures=figures,
            policies=POLICIES,
            tables=number_tables(results),
            version=version("drift-monitor"),
        )
    )


def headlines(results: Results) -> list[Headline]:
    """Return the decisive numbers by attack, threat model and defence; any attack comes first.

    An attack that knows a defence counts against that one alone; what it does to others is only
    among all numbers.
    """
    fpr = max(results.config["fprs"])
    of_attacks = [record for record in results.records if record["attack"] is not None]
    policies = dict.fromkeys(r["policy"] for r in of_attacks if r["metric"] == "undetected_error")
    result = []
    for case in dict.fromkeys(case_of(record) for record in of_attacks):
        for defence in results.defences:
            if case.target not in {None, defence}:
                continue
            at = {"defence": defence, "fpr": fpr}
            numbers = {
                "Accuracy, no attack": results.find(case, "accuracy_clean"),
                "Accuracy, attacked": results.find(case, "accuracy_attacked"),
                "Accuracy, defended": results.find(case, "accuracy_defended", **at),
                "AUC": results.find(case, "auc", defence=defence),
            }
            for epsilon in results.config["fprs"]:
                numbers[f"Detected at ε_FPR {rate_text(epsilon)}"] = results.find(
                    case, "detection_rate", defence=defence, fpr=epsilon
                )
            lost = {
                policy: results.find(case, "undetected_error", policy=policy, **at)
                for policy in policies
            }
            if any(lost.values()) or numbers["AUC"]:
                result.append(Headline(case, defence, numbers, lost))
    return sorted(result, key=lambda headline: headline.case.attack != ANY)


def failed_checks(results: Results) -> list[tuple[Case, str]]:
    """Return the attacks that failed a check for gradient masking, and the name of the check."""
    return [
        (case_of(record), name.removeprefix("gradient_masking_").removesuffix("_passed"))
        for record in results.records
        if (name := record["metric"]).startswith("gradient_masking_")
        and name.endswith("_passed")
        and record["value"] == 0
    ]


def number_tables(results: Results) -> list[NumberTable]:
    """Return all numbers: a table per attack, by defence, and per corruption, by severity."""
    grouped: dict[str, list[tuple[str, str, Record]]] = {}
    for record in results.records:
        defence = "M alone" if record["defence"] is None else record["defence"]
        if record["corruption"] is None or record["severity"] is None:
            caption, column = case_of(record).title, defence
        else:
            caption, column = f"{record['corruption']}; {defence}", f"severity {record['severity']}"
        grouped.setdefault(caption, []).append((number_name(record), column, record))
    tables = []
    for caption, group in grouped.items():
        columns = list(dict.fromkeys(column for _, column, _ in group))
        rows: dict[str, list[list[Record]]] = {}
        for name, column, record in group:
            cells = rows.setdefault(name, [[] for _ in columns])
            cells[columns.index(column)].append(record)
        tables.append(NumberTable(caption, columns, rows))
    return tables


def _is_share(record: Record) -> bool:
    return str(record["metric"]).startswith(SHARES)


def _text(value: Any) -> str:
    """Return a setting as text."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


@cache
def _environment() -> jinja2.Environment:
    environment = make_environment("adversarial.reporting")
    environment.filters["described"] = lambda record: describe(record, percent=_is_share(record))
    environment.filters["number"] = number_text
    environment.filters["share"] = lambda value: number_text(value, percent=True)
    environment.filters["setting"] = _text
    environment.filters["rate"] = rate_text
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.tests["share"] = _is_share
    return environment
