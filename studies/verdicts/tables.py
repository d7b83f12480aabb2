"""How often a verdict is true: the tables of `verdicts.md`.

    python -m studies.verdicts.tables collect [NAME=FILE …]
    python -m studies.verdicts.tables write

`collect` adds CBPE's estimates to the records of `studies.verdicts.run`, of which there may be
several, the newest last, and keeps what the page needs in `records.parquet`; `write` turns that
into `verdicts.md`.
"""

import argparse
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from drift_monitor.stats.proportions import rate

from .cbpe import with_cbpe
from .changes.drift import NATURAL, NULL
from .classifiers import SCRATCH
from .questions import (
    HARMFUL,
    LARGE,
    LOUD,
    MARGIN,
    QUESTIONS,
    Records,
    Test,
    bounded,
    comforted,
    fall,
    fell,
    harmless_move,
    resolves_margin,
)
from .records import PEERS, Record, keep, kept, read_records

HERE = Path(__file__).parent
PAGE = HERE / "verdicts.md"
RECORD = HERE / "records.parquet"
FILES = {"before": "records_before.jsonl", "now": "records.jsonl"}
"""Records in the scratch directory, by the name of their column."""
OURS = "drift-monitor"


def width(records: Records) -> str:
    """Return the mean width of the bounds in points."""
    widths = [r["bounds"]["high"] - r["bounds"]["low"] for r in records if r.get("bounds")]
    return f"{100 * np.mean(widths):.1f}" if widths else "–"


def share(records: Records, of: Test, that: Test) -> str:
    """Return a share of records with Wilson's interval, as text."""
    chosen = [record for record in records if of(record)]
    result = rate(sum(map(that, chosen)), len(chosen))
    if result is None:
        return "–"
    return (
        f"{result.rate:.1%} ({result.low:.1%} to {result.high:.1%}; {result.count} of {result.n})"
    )


def fraction(records: Records, of: Test, that: Test) -> str:
    """Return how many of some records are such, as text."""
    chosen = [record for record in records if of(record)]
    return f"{sum(map(that, chosen))} of {len(chosen)}" if chosen else "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown and an empty line."""
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def summary(runs: Mapping[str, Records]) -> list[str]:
    """Return the answers to all questions over all classifiers."""
    rows = [
        [question, *(share(records, of, that) for records in runs.values())]
        for question, of, that in QUESTIONS
    ]
    return table(["batches", *runs], rows)


def by_classifier(records: Records) -> list[str]:
    """Return by classifier what the verdicts and bounds were."""
    rows = []
    for name in dict.fromkeys(record["classifier"] for record in records):
        own = [record for record in records if record["classifier"] == name]
        rows.append(
            [
                f"`{name}`",
                f"{own[0]['reference_accuracy']:.3f}",
                fraction(own, fell, comforted),
                fraction(own, lambda r: fall(r) >= LARGE, lambda r: r["verdict"] == HARMFUL),
                fraction(own, harmless_move, comforted),
                fraction(own, lambda r: fall(r) <= MARGIN, lambda r: r["verdict"] == HARMFUL),
                fraction(own, lambda r: bool(r.get("bounds")), bounded),
                width([r for r in own if r["family"] == NULL]),
            ]
        )
    header = ["classifier", "accuracy", "false comfort", "falls of 10 points called harmful"]
    header += ["harmless moves called so", "no fall, called harmful", "bounds hold"]
    return table([*header, "their width without drift, points"], rows)


def by_family(records: Records) -> list[str]:
    """Return by family of drift how often accuracy fell, and what was said of it."""
    rows = []
    for name in dict.fromkeys(record["family"] for record in records):
        own = [record for record in records if record["family"] == name]
        verdicts = [sum(r["verdict"] == verdict for r in own if fell(r)) for verdict in LOUD]
        rows.append(
            [
                f"`{name}`",
                "yes" if own[0]["calibrated"] else "no",
                str(len(own)),
                str(sum(map(fell, own))),
                *map(str, verdicts),
                fraction(own, fell, comforted),
                fraction(own, lambda r: bool(r.get("bounds")), bounded),
            ]
        )
    header = ["family", "in calibration", "batches", "accuracy fell", "harmful", "unknown"]
    return table([*header, "false comfort", "bounds hold"], rows)


def harmless_explained(records: Records) -> list[str]:
    """Return how far the harmless moves of which nothing is known are a matter of the margin."""
    by_name = {
        name: [record for record in records if record["classifier"] == name]
        for name in dict.fromkeys(record["classifier"] for record in records)
    }
    fine = [name for name, own in by_name.items() if resolves_margin(own)]
    within, beyond = (
        fraction(
            [r for r in records if (r["classifier"] in fine) is is_fine], harmless_move, comforted
        )
        for is_fine in (True, False)
    )
    text = (
        f"Why so few harmless moves are called so: on days without drift, the lower bound of the "
        f"difference in accuracy is mostly within the margin of one point for {len(fine)} of "
        f"{len(by_name)} classifiers ({', '.join(fine)}), and {within} of their harmless moves are "
        f"called so. For the others ({beyond}) the bounds are wider than that whatever comes: not "
        "even a day like the reference could be shown harmless. A wider `harm_margin` or more "
        "reference rows would help them."
    )
    return [*textwrap.wrap(text, 100), ""]


def natural_days(records: Records) -> list[str]:
    """Return what was said of what really came after the reference."""
    rows = []
    for name in dict.fromkeys(r["classifier"] for r in records if r["family"] == NATURAL):
        own = [r for r in records if r["classifier"] == name and r["family"] == NATURAL]
        quiet = [r for r in own if not fell(r)]
        fallen = [r for r in own if fell(r)]
        rows.append(
            [
                f"`{name}`",
                str(len(quiet)),
                str(sum(r["verdict"] == "drift_harm_unknown" for r in quiet)),
                str(sum(r["verdict"] == HARMFUL for r in quiet)),
                width(quiet),
                fraction(own, lambda r: bool(r.get("bounds")), bounded),
                ", ".join(f"{r['accuracy']:.3f}: `{r['verdict']}`" for r in fallen) or "–",
            ]
        )
    header = ["classifier", "quiet days", "called unknown", "called harmful"]
    header += ["mean width of bounds, points", "bounds hold", "days on which accuracy fell"]
    return table(header, rows)


def peers_say(records: Records, said: Sequence[Record]) -> list[str]:
    """Return what each tool tells its user, by what became of the accuracy."""
    words = {(one["classifier"], one["drift"]): one for one in said}
    both = [r | words[r["classifier"], r["drift"]] for r in records if _key(r) in words]
    groups: tuple[tuple[str, Test], ...] = (
        ("accuracy fell by 10 points or more", lambda r: fall(r) >= LARGE),
        ("accuracy fell by less", lambda r: fell(r) and fall(r) < LARGE),
        ("moved, accuracy did not fall", lambda r: fall(r) <= MARGIN and r["family"] != NULL),
        ("nothing moved", lambda r: r["family"] == NULL),
    )
    tools: tuple[tuple[str, Test], ...] = (
        ("drift-monitor: harmful", lambda r: r["verdict"] == HARMFUL),
        ("drift-monitor: harm not known", lambda r: r["verdict"] == "drift_harm_unknown"),
        ("Evidently: data set drifted", lambda r: r["evidently_data_set"]),
        ("Evidently: a column drifted", lambda r: r["evidently_columns"] > 0),
        ("NannyML: CBPE alerts", lambda r: r["nannyml_performance"]),
        ("NannyML: a column alerts", lambda r: r["nannyml_columns"] > 0),
    )
    rows = []
    for name, of in groups:
        own = [r for r in both if of(r)]
        rows.append([name, str(len(own)), *(fraction(own, of, that) for _, that in tools)])
    return table(["batches", "", *(name for name, _ in tools)], rows)


def what_peers_say() -> list[Record]:
    """Return what Evidently and NannyML said, as far as they were asked."""
    return pq.read_table(PEERS).to_pylist() if PEERS.exists() else []


def _key(record: Record) -> tuple[str, str]:
    return record["classifier"], record["drift"]


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


PEERS_INTRODUCED = [
    *textwrap.wrap(
        "`python -m studies.verdicts.side_by_side` asked Evidently 0.7 (data drift preset) and "
        "NannyML 0.13 (univariate drift and CBPE) about the batches of tables of up to 60 columns, "
        "each with its defaults.",
        100,
    ),
    "",
]


def page(runs: Mapping[str, Records], said: Sequence[Record] = ()) -> str:
    """Return the page.

    Parameters
    ----------
    runs : dict of str to sequence of dict
        Records by what the column is called, the newest last.
    said : sequence of dict
        What Evidently and NannyML say of the batches.
    """
    newest = list(runs.values())[-1]
    classifiers = len({record["classifier"] for record in newest})
    natural = sum(record["family"] == NATURAL for record in newest)
    lines = [
        "# Is the verdict true?",
        "",
        "    python -m studies.verdicts.run --data-dir DIR --classifier tabular_6 car_loan census",
        "    python -m studies.verdicts.run --data-dir DIR --sample 34",
        "    python -m studies.verdicts.side_by_side --data-dir DIR",
        "    python -m studies.verdicts.tables collect",
        "",
        *textwrap.wrap(
            f"{len(newest):,} batches of {classifiers} classifiers were judged without labels, "
            f"and then compared with the labels; {natural} of them are what really came after the "
            "reference. Accuracy *fell* where it is below the reference's by more than the margin "
            "of one point and the sampling error of the difference (one-sided, 95 %). All drifts "
            "of three classifiers are here, and a random sample of 34 of each other's. A *harmless "
            "move* is a class mix or a mild change after which it is not below by more than the "
            "margin. Intervals are Wilson's, 95 %.",
            100,
        ),
        "",
        *summary(runs),
        *harmless_explained(newest),
        "## By classifier",
        "",
        *by_classifier(newest),
        "## What really came",
        "",
        *natural_days(newest),
        *(["## The same batches by Evidently and NannyML", "", *PEERS_INTRODUCED] if said else []),
        *(peers_say(newest, said) if said else []),
        "## By family of drift",
        "",
        *by_family(newest),
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
    PAGE.write_text(page(kept(RECORD), what_peers_say()), encoding="utf-8")


if __name__ == "__main__":
    main()
