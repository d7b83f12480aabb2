"""How often a verdict is true: the tables of `verdicts.md`.

    python -m studies.verdicts.tables collect [NAME=FILE …]
    python -m studies.verdicts.tables write

`collect` adds CBPE's estimates to the records of `studies.verdicts.run`, of which there may be
several, the newest last, and keeps what the page needs in `records.parquet`; `write` turns that
into `verdicts.md`.
"""

import argparse
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from drift_monitor.stats.proportions import rate

from .cbpe import with_cbpe
from .changes.drift import CLASS_MIX, NATURAL, NULL
from .classifiers import SCRATCH
from .records import Record, keep, kept, read_records

HERE = Path(__file__).parent
PAGE = HERE / "verdicts.md"
RECORD = HERE / "records.parquet"
FILES = {"before": "records_before.jsonl", "now": "records.jsonl"}
"""Records in the scratch directory, by the name of their column."""
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


def errors(records: Records) -> list[str]:
    """Return the mean absolute error of each estimate, in points, by classifier."""
    estimated = [record for record in records if record["estimated"]]
    peers = list(estimated[0]["peers"]) if estimated else []
    rows, totals = [], []
    for name in dict.fromkeys(record["classifier"] for record in estimated):
        chosen = [record for record in estimated if record["classifier"] == name]
        truth = np.array([record["accuracy"] for record in chosen])
        found = [[record["estimated"]["estimate"] for record in chosen]]
        found += [[record["peers"][peer] for record in chosen] for peer in peers]
        totals.append([100 * float(np.abs(np.array(values) - truth).mean()) for values in found])
        rows.append([f"`{name}`", str(len(chosen)), *(f"{mean:.1f}" for mean in totals[-1])])
    if totals:
        rows.append(["mean", "", *(f"{mean:.1f}" for mean in np.mean(totals, axis=0))])
    return table(["classifier", "batches", OURS, *peers], rows)


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


def page(runs: Mapping[str, Records]) -> str:
    """Return the page.

    Parameters
    ----------
    runs : dict of str to sequence of dict
        Records by what the column is called, the newest last.
    """
    newest = list(runs.values())[-1]
    classifiers = len({record["classifier"] for record in newest})
    natural = sum(record["family"] == NATURAL for record in newest)
    lines = [
        "# Is the verdict true?",
        "",
        "    python -m studies.verdicts.run --data-dir DIR",
        "    python -m studies.verdicts.tables collect",
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
        *textwrap.wrap(
            "Mean absolute error in points, over all batches of a classifier. The others know only "
            "the classifier's outputs, on the batch and on the reference: DoC is the difference of "
            "confidences, CBPE that of NannyML 0.13.",
            100,
        ),
        "",
        *errors(newest),
        "## The largest falls of which nothing is said",
        "",
        *worst(newest),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Collect the records and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    collector = commands.add_parser("collect", help="keep the records, and write the page")
    collector.add_argument(
        "records",
        nargs="*",
        metavar="NAME=FILE",
        default=[f"{name}={SCRATCH / file}" for name, file in FILES.items()],
        help="by default the files in build/verdicts",
    )
    collector.add_argument("--scratch", type=Path, default=SCRATCH, help="where classifiers are")
    commands.add_parser("write", help="write verdicts.md")
    arguments = parser.parse_args()
    if arguments.command == "collect":
        files = dict(pair.split("=", 1) for pair in arguments.records)
        read = {name: read_records(Path(file)) for name, file in files.items()}
        runs = {name: with_cbpe(r, arguments.scratch) for name, r in read.items() if r}
        if not runs:
            raise SystemExit(f"no records in {', '.join(files.values())}: run studies.verdicts.run")
        keep(RECORD, runs)
    PAGE.write_text(page(kept(RECORD)), encoding="utf-8")


if __name__ == "__main__":
    main()
