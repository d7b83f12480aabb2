"""Measure how often weeks without drift raise an alarm, and how often drift is detected.

    python studies/false_alarms.py run [--weeks N] [--batches N] [--score-temperature T]
    python studies/false_alarms.py write

`run` scores Fashion-MNIST's test images and corrupted copies of them with the quickstart's
detector, draws batches, judges each as a run of the monitor does, and writes `false_alarms.json`;
`write` turns that into `false_alarms.md`. Counts are kept in build/false_alarms, and a run that was
stopped goes on there: delete it when the detector or a rule has changed.
"""

import argparse
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from judged_images import EXAMPLE, Judge, Rows, Scored
from tables import table

from adversarial.corruptions import BENCHMARK, SEVERITIES, corrupt
from adversarial.files import write_json
from drift_monitor.config import DataConfig, HarmByOption, Policy
from drift_monitor.detectors.reference import CalibrationSettings, renew_reference
from drift_monitor.scoring.reference_window import UNFIT
from drift_monitor.stats.estimates import Rate
from drift_monitor.stats.proportions import rate

HERE = Path(__file__).parent
RECORD = HERE / "false_alarms.json"
SCRATCH = HERE.parent / "build" / "false_alarms"

SIZES = (200, 1000, 5000)
HARM_BY: tuple[HarmByOption, ...] = ("labels", "detector")
TRAILING = {200: 7, 1000: 7, 5000: 1}
"""Intervals of the trailing window, by their rows; 10,000 test images make two of 5,000."""
SIZE_COLUMNS = [f"n = {n:,}: harmful · unknown · other" for n in SIZES]
FALLS = (("10 points or more", 0.1, 1.0), ("2 to 10 points", 0.02, 0.1), ("less", -1.0, 0.02))
"""Names and ranges of falls in accuracy."""
TEST_ROWS, CORRUPTED_ROWS = 10_000, 5000
SEED = 0
OTHERS = {
    "harmful_drift": "harmful",
    "drift_harm_unknown": "unknown",
    "harmless_drift": "harmless",
    "statistical_only": "statistical",
}
"""Verdicts but `no_drift`, and their names in a table."""


def run(weeks: int, batches: int, temperature: float | None) -> None:
    """Draw all batches and write `false_alarms.json`; with another score where there is one."""
    judge = Judge() if temperature is None else Judge(with_score(temperature))
    of = "" if temperature is None else f"T{temperature:g}-"
    clean = judge.score(TEST_ROWS)
    null: list[dict[str, Any]] = []
    for n in SIZES:
        null += kept(f"{of}drawn-{n}-{weeks}", partial(drawn_weeks, judge, clean, n, weeks))
        for harm_by in HARM_BY:
            count = partial(trailing_weeks, judge, clean, n, weeks, harm_by)
            null += kept(f"{of}trailing-{harm_by}-{n}-{weeks}", count)
        print(null[-6:], flush=True)
    null.sort(key=lambda entry: (entry["reference"], HARM_BY.index(entry["harm_by"])))
    power: list[dict[str, Any]] = []
    for name in BENCHMARK:
        for severity in SEVERITIES:
            count = partial(corrupted_batches, judge, name, severity, batches)
            power += kept(f"{of}{name}-{severity}-{batches}", count)
            print(power[-1], flush=True)
    record = {"alpha": Policy().alpha, "accuracy": clean.accuracy, "null": null, "power": power}
    before = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    others = before.pop("at_temperature", {})
    if temperature is not None:
        others[f"{temperature:g}"] = record
        record = before
    write_json(RECORD, record | ({"at_temperature": others} if others else {}))


def with_score(temperature: float) -> Path:
    """Return the quickstart's bundle with the score at this temperature, made where it is not."""
    path = SCRATCH / f"detector-{temperature:g}"
    if not path.exists():
        data = DataConfig(path=str(EXAMPLE / "reference.parquet"), input="image", label="label")
        settings = CalibrationSettings(score_temperature=temperature)
        renew_reference(EXAMPLE / "detector", data, settings, output=path)
    return path


def kept(name: str, count: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what is counted, from `SCRATCH` where an earlier run has counted it."""
    path = SCRATCH / f"{name}.json"
    if not path.exists():
        counted = count()
        SCRATCH.mkdir(parents=True, exist_ok=True)
        write_json(path, {"counted": counted})
    result: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["counted"]
    return result


def drawn_weeks(judge: Judge, clean: Scored, n: int, weeks: int) -> list[dict[str, Any]]:
    """Count verdicts on batches drawn without replacement, against two references.

    One is the detector's own window, the same for all weeks; the other is 5,000 other test images,
    drawn for each week.
    """
    rng = np.random.default_rng([SEED, n])
    found: dict[tuple[str, HarmByOption], Counter[str]] = {
        (reference, harm_by): Counter() for reference in ("fixed", "redrawn") for harm_by in HARM_BY
    }
    for _ in range(weeks):
        rows = rng.permutation(len(clean.x))
        batch, other = clean.take(rows[:n]), clean.take(rows[n : n + 5000])
        scoring = judge.scoring(batch)
        for (reference, harm_by), verdicts in found.items():
            against = other if reference == "redrawn" else None
            verdicts[judge.verdict(batch, scoring, harm_by, against)] += 1
    return [
        {"reference": reference, "harm_by": harm_by, "n": n, "verdicts": dict(verdicts)}
        for (reference, harm_by), verdicts in found.items()
    ]


def trailing_weeks(
    judge: Judge, clean: Scored, n: int, weeks: int, harm_by: HarmByOption
) -> list[dict[str, Any]]:
    """Count verdicts on a sequence of weeks, each against the last ones that are fit for it.

    The rows of a week are drawn from those that are not in the window.
    """
    rng = np.random.default_rng([SEED, n, 2])
    window: list[Rows] = []
    verdicts: Counter[str] = Counter()
    while verdicts.total() < weeks:
        held = np.concatenate([*window, np.array([], np.int64)])
        rows = rng.permutation(np.setdiff1d(np.arange(len(clean.x)), held))[:n]
        if len(window) == TRAILING[n]:
            batch = clean.take(rows)
            verdict = judge.verdict(batch, judge.scoring(batch), harm_by, clean.take(held))
            verdicts[verdict] += 1
            if verdict in UNFIT:
                continue
        window = [*window, rows][-TRAILING[n] :]
    return [{"reference": "trailing", "harm_by": harm_by, "n": n, "verdicts": dict(verdicts)}]


def corrupted_batches(
    judge: Judge, corruption: str, severity: int, batches: int
) -> list[dict[str, Any]]:
    """Count verdicts on batches of corrupted images, without labels; one batch is of them all."""
    images = judge.score(CORRUPTED_ROWS, partial(corrupt, name=corruption, severity=severity))
    result = []
    for n in SIZES:
        rng = np.random.default_rng([SEED, severity, n])
        verdicts: Counter[str] = Counter()
        for _ in range(1 if n == CORRUPTED_ROWS else batches):
            batch = images.take(rng.permutation(CORRUPTED_ROWS)[:n])
            verdicts[judge.verdict(batch, judge.scoring(batch), "detector")] += 1
        result.append(
            {
                "corruption": corruption,
                "severity": severity,
                "n": n,
                "accuracy": images.accuracy,
                "verdicts": dict(verdicts),
            }
        )
    return result


def write() -> None:
    """Write `false_alarms.md`."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    alpha = record["alpha"]
    lines = [
        "# False alarms and detected drift",
        "",
        *(__doc__ or "").splitlines()[2:4],
        "",
        *_wrapped(
            "The quickstart's detector on Fashion-MNIST, with an accuracy of "
            f"{record['accuracy']:.3f} on the test images, α = {alpha:g} and the default policy. "
            "Intervals are Wilson's, 95 %."
        ),
        "",
        "## Weeks without drift",
        "",
        *_wrapped(
            "All batches are of clean test images. An alarm is any verdict but `no_drift`. The "
            "references are: *fixed*, the detector's own 5,000 images, the same for all weeks; "
            "*redrawn*, 5,000 test images drawn for each week, the case that α is about; and "
            f"*trailing*, the last {TRAILING[200]} weeks that were fit for it "
            f"({TRAILING[5000]} for weeks of 5,000 rows, because there are 10,000 images). Batches "
            "are drawn without replacement. Those of 5,000 rows, half of all images, are therefore "
            "more alike than weeks in production would be, and their numbers look too good. "
            "Neighbouring weeks share most of a trailing reference, so that their alarms come "
            "together, and their intervals are too narrow."
        ),
        "",
        *_null_lines(record),
        "## Drift",
        "",
        *_wrapped(
            f"The first {CORRUPTED_ROWS:,} test images under the 15 corruptions of CIFAR-10-C, "
            "without labels: the shares of batches with the verdict `harmful_drift`, with "
            "`drift_harm_unknown`, and with a verdict after which nobody does anything. There is "
            f"one batch of {CORRUPTED_ROWS:,} rows of each corruption and severity, and there are "
            f"{_batches(record['power'])} of each smaller size."
        ),
        "",
        *table(["accuracy fell by", *SIZE_COLUMNS], list(_fall_rows(record))),
        *table(
            ["corruption", "severity", "accuracy", *SIZE_COLUMNS],
            list(_power_rows(record["power"])),
        ),
        *(
            line
            for temperature, other in record.get("at_temperature", {}).items()
            for line in _of_temperature(temperature, other)
        ),
    ]
    text = "\n".join(lines).rstrip() + "\n"
    (HERE / "false_alarms.md").write_text(text, encoding="utf-8")


def _of_temperature(temperature: str, record: dict[str, Any]) -> list[str]:
    """Return the section on the same batches judged with another score."""
    return [
        f"## The score at T = {temperature}",
        "",
        *_wrapped(
            "The same batches, judged with a bundle of the same models whose score compares both "
            f"predictions at T = {temperature} (`--score-temperature {temperature}`)."
        ),
        "",
        *_null_lines(record),
        *table(["accuracy fell by", *SIZE_COLUMNS], list(_fall_rows(record))),
    ]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_on_hyphens=False)


def _alarms(verdicts: dict[str, int]) -> Rate:
    n = sum(verdicts.values())
    result = rate(n - verdicts.get("no_drift", 0), n)
    if result is None:
        raise ValueError("no batch was drawn")
    return result


def _null_lines(record: dict[str, Any]) -> list[str]:
    """Return the table of weeks without drift, and whether alarms are too many."""
    return [
        *table(
            ["reference", "harm by", "n", "weeks", "alarms", *OTHERS.values()],
            [_null_row(entry) for entry in record["null"]],
        ),
        *_judgement(record["null"], record["alpha"]),
    ]


def _null_row(entry: dict[str, Any]) -> list[str]:
    verdicts = entry["verdicts"]
    result = _alarms(verdicts)
    shares = (f"{verdicts.get(name, 0) / result.n:.1%}" for name in OTHERS)
    return [
        entry["reference"],
        entry["harm_by"],
        f"{entry['n']:,}",
        f"{result.n:,}",
        f"{result.rate:.1%} ({result.low:.1%} to {result.high:.1%})",
        *shares,
    ]


def _judgement(null: Sequence[dict[str, Any]], alpha: float) -> Iterator[str]:
    over = [
        f"{entry['reference']}, {entry['harm_by']}, n = {entry['n']:,}"
        for entry in null
        if _alarms(entry["verdicts"]).low > alpha
    ]
    yield (
        f"Alarms beyond α and their sampling error: {'; '.join(over)}."
        if over
        else "In no row do alarms exceed α by more than their sampling error."
    )
    yield ""


def _batches(power: Sequence[dict[str, Any]]) -> int:
    return sum(next(entry for entry in power if entry["n"] == SIZES[0])["verdicts"].values())


def _fall_rows(record: dict[str, Any]) -> Iterator[list[str]]:
    for name, low, high in FALLS:
        chosen = [e for e in record["power"] if low <= record["accuracy"] - e["accuracy"] < high]
        yield [name, *(_shares([e for e in chosen if e["n"] == n]) for n in SIZES)]


def _power_rows(power: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry in power:
        cells.setdefault((entry["corruption"], entry["severity"]), []).append(entry)
    for (name, severity), entries in cells.items():
        shares = [_shares([entry for entry in entries if entry["n"] == n]) for n in SIZES]
        yield [name, str(severity), f"{entries[0]['accuracy']:.3f}", *shares]


def _shares(entries: Sequence[dict[str, Any]]) -> str:
    verdicts = sum((Counter(entry["verdicts"]) for entry in entries), Counter())
    loud = [verdicts[name] for name in ("harmful_drift", "drift_harm_unknown")]
    shares = [count / verdicts.total() for count in (*loud, verdicts.total() - sum(loud))]
    return " · ".join(f"{share:.0%}" for share in shares)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="score, draw and count")
    runner.add_argument("--weeks", type=int, default=300, help="weeks without drift of each kind")
    runner.add_argument("--batches", type=int, default=5, help="batches of each corruption")
    runner.add_argument(
        "--score-temperature", type=float, help="of the score, in place of the paper's 1"
    )
    commands.add_parser("write", help="write false_alarms.md")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.weeks, arguments.batches, arguments.score_temperature)
    write()


if __name__ == "__main__":
    main()
