"""Write `verdicts.md` from the records: how often a verdict is true, before and now.

    python -m studies.verdicts.tables [--before FILE] [--records FILE]

Both records are those of `studies.verdicts.run`; without `--before` only one column is written.
"""

import argparse
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from drift_monitor.stats.proportions import rate

from .cbpe import NAME as CBPE
from .cbpe import cbpe
from .changes.drift import CLASS_MIX, NATURAL, NULL
from .classifiers import SCRATCH
from .records import Record, read_records

HERE = Path(__file__).parent
PAGE = HERE / "verdicts.md"
MARGIN = 0.01
"""The default policy's `harm_margin`."""
ONE_SIDED_95 = 1.645
COMFORT = ("harmless_drift", "statistical_only", "no_drift")
"""Verdicts after which nobody does anything."""
LARGE = 0.1
OURS = "drift-monitor"

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
    low, high = (interval["low"], interval["high"]) if isinstance(interval, dict) else interval[:2]
    return bool(low <= record["accuracy"] <= high)


def harmless_move(record: Record) -> bool:
    """Tell whether a class mix or a mild change did no harm."""
    moved = record["family"] == CLASS_MIX or (record["mild"] and record["family"] != NULL)
    return moved and fall(record) <= MARGIN


def share(records: Records, of: Test, that: Test) -> str:
    """Return a share of records with Wilson's interval, as text."""
    chosen = [record for record in records if of(record)]
    result = rate(sum(map(that, chosen)), len(chosen))
    if result is None:
        return "–"
    return (
        f"{result.rate:.1%} ({result.low:.1%} to {result.high:.1%}; {result.count} of {result.n})"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown and an empty line."""
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


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
        lambda r: r["verdict"] == "harmful_drift",
    ),
    (
        "harmless move, and a verdict that says so",
        harmless_move,
        comforted,
    ),
    (
        "harmless move, and `harmful_drift`",
        harmless_move,
        lambda r: r["verdict"] == "harmful_drift",
    ),
    (
        "accuracy did not fall beyond the margin, and `harmful_drift`",
        lambda r: fall(r) <= MARGIN,
        lambda r: r["verdict"] == "harmful_drift",
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
        "bounds hold the true accuracy",
        lambda r: bool(r.get("bounds")),
        lambda r: inside(r, "bounds"),
    ),
)


def summary(runs: Mapping[str, Records]) -> list[str]:
    """Return the answers to all questions over all classifiers."""
    rows = [
        [question, *(share(records, of, that) for records in runs.values())]
        for question, of, that in QUESTIONS
    ]
    return table(["batches", *runs], rows)


def by(field: str, runs: Mapping[str, Records]) -> list[str]:
    """Return false comfort by classifier or family, and what became of the rest."""
    newest = list(runs.values())[-1]
    rows = []
    for value in dict.fromkeys(record[field] for record in newest):
        chosen = {
            name: [record for record in records if record[field] == value]
            for name, records in runs.items()
        }
        last = list(chosen.values())[-1]
        if field == "family" and not any(map(fell, last)):
            continue
        seen = "yes" if last[0]["calibrated"] else "no"
        rows.append(
            [
                f"`{value}`",
                *([seen] if field == "family" else [f"{last[0]['reference_accuracy']:.3f}"]),
                *(share(records, fell, comforted) for records in chosen.values()),
            ]
        )
    header = "in calibration" if field == "family" else "accuracy"
    return table([field, header, *(f"false comfort, {name}" for name in runs)], rows)


def errors(records: Records, scratch: Path) -> Iterator[list[str]]:
    """Yield the mean absolute error of each estimate, in points, by classifier."""
    peers = ["average confidence", "DoC", "ATC"]
    totals: list[list[float]] = []
    for name in dict.fromkeys(record["classifier"] for record in records):
        chosen = [r for r in records if r["classifier"] == name and r["estimated"]]
        if not chosen:
            continue
        truth = np.array([record["accuracy"] for record in chosen])
        found = {OURS: [record["estimated"]["estimate"] for record in chosen]}
        found |= {peer: [record["peers"][peer] for record in chosen] for peer in peers}
        theirs = cbpe(scratch / name, [record["drift"] for record in chosen])
        found[CBPE] = list(theirs.values())
        means = [100 * float(np.abs(np.array(values) - truth).mean()) for values in found.values()]
        totals.append(means)
        yield [f"`{name}`", str(len(chosen)), *(f"{mean:.1f}" for mean in means)]
    if totals:
        yield ["mean", "", *(f"{mean:.1f}" for mean in np.mean(totals, axis=0))]


def worst(records: Records, most: int = 25) -> list[str]:
    """Return the largest falls of accuracy of which nothing is said."""
    missed = sorted((r for r in records if fell(r) and comforted(r)), key=lambda r: -fall(r))
    rows = [
        [
            f"`{record['classifier']}`",
            f"`{record['drift']}`",
            f"{record['reference_accuracy']:.3f} → {record['accuracy']:.3f}",
            f"{record['estimated']['estimate']:.3f}" if record["estimated"] else "–",
            f"`{record['verdict']}`",
        ]
        for record in missed[:most]
    ]
    return table(["classifier", "drift", "accuracy", "estimated", "verdict"], rows)


def page(runs: Mapping[str, Records], scratch: Path) -> str:
    """Return the page.

    Parameters
    ----------
    runs : dict of str to sequence of dict
        Records by what the column is called, the newest last.
    scratch : Path
        Where the classifiers are.
    """
    newest = list(runs.values())[-1]
    peers = [OURS, "average confidence", "DoC", "ATC", CBPE]
    classifiers = len({record["classifier"] for record in newest})
    natural = sum(record["family"] == NATURAL for record in newest)
    lines = [
        "# Is the verdict true?",
        "",
        "    python -m studies.verdicts.run --data-dir DIR",
        "    python -m studies.verdicts.tables",
        "",
        *textwrap.wrap(
            f"{len(newest):,} batches of {classifiers} classifiers were judged without labels, "
            f"and then compared with the labels; {natural} of them are what really came after the "
            "reference. Accuracy *fell* where it is below the reference's by more than the margin "
            "of one point and the sampling error of the difference (one-sided, 95 %). A *harmless "
            "move* is a class mix or a mild change after which it is not below by more than the "
            "margin. Intervals are Wilson's, 95 %.",
            100,
        ),
        "",
        *summary(runs),
        "## By classifier",
        "",
        *by("classifier", runs),
        "## By family of drift",
        "",
        *by("family", runs),
        "## Error of the estimated accuracy",
        "",
        "Mean absolute error in points, over all batches of a classifier.",
        "",
        *table(["classifier", "batches", *peers], list(errors(newest, scratch))),
        "## The largest falls of which nothing is said",
        "",
        *worst(newest),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, default=SCRATCH / "records_before.jsonl")
    parser.add_argument("--records", type=Path, default=SCRATCH / "records.jsonl")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="where classifiers are")
    parser.add_argument("--output", type=Path, default=PAGE)
    arguments = parser.parse_args()
    runs = {"before": read_records(arguments.before), "now": read_records(arguments.records)}
    runs = {name: records for name, records in runs.items() if records}
    if not runs:
        raise SystemExit(f"no records in {arguments.records}: run studies.verdicts.run first")
    arguments.output.write_text(page(runs, arguments.scratch), encoding="utf-8")


if __name__ == "__main__":
    main()
