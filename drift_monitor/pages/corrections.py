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
    gain = report.correction_gain
    if not gain.proposed:
        return ["No flagged row has another class after reconstruction: there is nothing to offer."]
    novel = 0 if gain.within_support is None else gain.proposed - gain.within_support
    sentences = [
        f"{count(gain.proposed)} flagged rows have another class after reconstruction"
        + (f"; {count(novel)} of them are novel, so nothing is known of them." if novel else ".")
    ]
    if gain.likelier is None:
        sentences.append(
            f"It was offered for {count(gain.offered)} of them by an older version, which did not "
            "bound what they gain: run the interval again."
        )
    elif gain.withheld is not None:
        sentences.append(f"It is not offered: {gain.withheld}.")
    else:
        sentences.append(
            f"For {count(gain.offered)} of them it is offered in the prediction's place."
        )
    if gain.likelier:
        sentences += _change(report, gain.likelier)
    return sentences


def _change(report: Report, n: int) -> list[str]:
    """Say what is expected of the n corrections, and what came true."""
    gain, sentences = report.correction_gain, []
    if change := gain.expected:
        effect = "gain" if change.estimate >= 0 else "lose"
        confidence = percent(report.harm.confidence).replace(".0", "")
        sentences.append(
            f"The {count(n)} where it is the likelier class are expected to {effect} "
            f"{abs(change.estimate) * report.counts.scored:,.0f} right predictions: "
            f"{points(change.estimate)} points of accuracy ({confidence} bounds "
            f"{points(change.low)} to {points(change.high)})."
        )
    if gain.realised is not None:
        sentences.append(
            f"By the labels, correcting these changes accuracy by {points(gain.realised)} points."
        )
    return sentences
