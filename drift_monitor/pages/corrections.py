"""The corrections of a report: a table of prediction by class of M(AE(x)), and gains in words."""

from typing import NamedTuple

from drift_monitor.formatting import count, percent, points
from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import Correction

MATRIX_CLASSES = 12
"""With more classes among the corrections, only the list of pairs is shown, and no matrix."""

PAIRS_SHOWN = 12


class Cell(NamedTuple):
    """A pair of classes; `heat` is its share of the largest cell's rows."""

    correction: Correction | None
    heat: float
    same: bool


class Matrix(NamedTuple):
    """Rows: predictions; columns: classes of M(AE(x))."""

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


class Corrections(NamedTuple):
    """What the page shows of the corrections."""

    matrix: Matrix | None
    pairs: list[Correction]
    others: int
    probabilities: bool
    sentences: list[str]


def summarise(report: Report) -> Corrections:
    """Return the matrix where it fits, the pairs with the most rows, and the gain in words."""
    pairs = sorted(report.corrections, key=lambda c: -c.n)
    return Corrections(
        _matrix(report),
        pairs[:PAIRS_SHOWN],
        len(pairs[PAIRS_SHOWN:]),
        any(pair.probability_before is not None for pair in pairs),
        _gain(report),
    )


def _matrix(report: Report) -> Matrix | None:
    result = {(c.prediction, c.reconstruction_prediction): c for c in report.corrections}
    involved = {name for pair in result for name in pair}
    if not 2 < len(involved) <= MATRIX_CLASSES:
        return None
    names = [name for name in report.detector.class_names if name in involved]
    largest = max(c.n for c in report.corrections)
    columns = [name for name in names if any(pair[1] == name for pair in result)]
    rows = []
    for before in names:
        cells = [result.get((before, after)) for after in columns]
        if any(cells):
            rows.append(
                (
                    before,
                    [
                        Cell(cell, cell.n / largest if cell else 0, before == after)
                        for cell, after in zip(cells, columns, strict=True)
                    ],
                )
            )
    return Matrix(columns, rows)


def _gain(report: Report) -> list[str]:
    gain, scored = report.correction_gain, report.counts.scored
    if not gain.proposed:
        return ["No flagged row has another class after reconstruction: there is nothing to offer."]
    sentences = [
        f"{count(gain.proposed)} flagged rows have another class after reconstruction; for "
        f"{count(gain.offered)} of them it is offered as the corrected prediction."
    ]
    if gain.expected is None:
        sentences.append(
            "Without an accuracy estimator, it is not known what the corrections gain."
        )
    else:
        change = gain.expected
        effect = "gain" if change.estimate >= 0 else "lose"
        sentences.append(
            f"Taking the offered corrections is expected to {effect} "
            f"{abs(change.estimate) * scored:,.0f} right predictions: {points(change.estimate)} "
            f"points of accuracy ({percent(report.harm.confidence).replace('.0', '')} interval "
            f"{points(change.low)} to {points(change.high)})."
        )
    if gain.expected_of_all is not None:
        sentences.append(
            f"Taking every proposal instead: {points(gain.expected_of_all)} points expected."
        )
    if gain.realised is not None:
        sentences.append(
            f"By the labels, the offered corrections changed accuracy by {points(gain.realised)} "
            "points."
        )
    return sentences
