"""Measure how often weeks without drift raise an alarm, and how often drift is detected.

    python studies/false_alarms.py run [--weeks N] [--batches N]
    python studies/false_alarms.py write

`run` scores Fashion-MNIST's test images and corrupted copies of them with the quickstart's
detector, draws batches, and writes `false_alarms.json`; `write` turns that into `false_alarms.md`.
Scores are cached in build/false_alarms: delete it when the detector has changed.
"""

import argparse
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tables import table

from adversarial import AdversarialDetector
from adversarial.bundle.read import read_bundle
from adversarial.corruptions import CORRUPTIONS, EXTRA, SEVERITIES, corrupt
from adversarial.files import replace_file
from drift_monitor.analysis.findings import analyse
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig, HarmByOption, Policy
from drift_monitor.results.report import Counts
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.estimates import Rate
from drift_monitor.stats.proportions import rate
from drift_monitor.verdict.build_report import with_estimates
from drift_monitor.verdict.rules import Evidence, decide

HERE = Path(__file__).parent
RECORD = HERE / "false_alarms.json"
SCRATCH = HERE.parent / "build" / "false_alarms"
EXAMPLE = HERE.parent / "examples" / "fashion_mnist"

SIZES = (200, 1000, 5000)
HARM_BY: tuple[HarmByOption, ...] = ("labels", "detector")
TRAILING = {200: 7, 1000: 7, 5000: 1}
"""Intervals of the trailing window, by their rows; 10,000 test images make two of 5,000."""
CORRUPTED_ROWS = 5000
SEED = 0

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Judge:
    """Gives verdicts on batches of scored rows."""

    bundle: Any
    policy: Policy

    def rows(self, scores: pa.Table) -> ScoredRows:
        """Return scored rows with the accuracy estimator's estimates."""
        estimated = with_estimates(scores, self.bundle.accuracy_estimator())
        return ScoredRows.of(estimated, self.bundle.manifest.class_names, ())

    def verdict(self, current: ScoredRows, reference: ScoredRows) -> str:
        """Return the verdict on a batch."""
        names = self.bundle.manifest.class_names
        result = analyse(current, reference, names, self.policy, self.bundle.accuracy_estimator())
        n = len(current)
        counts = Counts(read=n, scored=n, rejected=0, flagged=0, labelled=n, non_finite=0)
        evidence = Evidence(counts, result.harm, result.accuracy, result.tests)
        return decide(evidence, self.policy).verdict


def run(weeks: int, batches: int) -> None:
    """Draw all batches and write `false_alarms.json`."""
    bundle = read_bundle(EXAMPLE / "detector")
    clean = scored("clean", 10_000, lambda x: x)
    null = [
        {"reference": kind, "harm_by": harm_by, "n": n, "weeks": weeks}
        | {"verdicts": dict(Counter(draw(Judge(bundle, Policy(harm_by=harm_by)), clean, n, weeks)))}
        for kind, draw in (("fixed", fixed), ("redrawn", redrawn), ("trailing", trailing))
        for harm_by in HARM_BY
        for n in SIZES
    ]
    judge = Judge(bundle, Policy(harm_by="detector"))
    reference = judge.rows(bundle.reference())
    power = []
    for name in (name for name in CORRUPTIONS if name not in EXTRA):
        for severity in SEVERITIES:
            table = scored(
                f"{name}-{severity}",
                CORRUPTED_ROWS,
                partial(corrupt, name=name, severity=severity),
            )
            rows = judge.rows(table)
            for n in SIZES:
                rng = np.random.default_rng([SEED, severity, n])
                result = Counter(
                    judge.verdict(rows.take(drawn), reference)
                    for drawn in draws(rng, len(rows), n, 1 if n == len(rows) else batches)
                )
                power.append(
                    {
                        "corruption": name,
                        "severity": severity,
                        "n": n,
                        "accuracy": float(rows.correct.mean()),
                        "verdicts": dict(result),
                    }
                )
            print(name, severity, power[-1]["verdicts"], flush=True)
    accuracy = float(judge.rows(clean).correct.mean())
    record = {"alpha": judge.policy.alpha, "accuracy": accuracy, "null": null, "power": power}
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def scored(
    name: str, n: int, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> pa.Table:
    """Return the score table of the first n test images, changed; cached in `SCRATCH`."""
    kept = SCRATCH / f"{name}.parquet"
    if not kept.exists():
        x, labels, detector = _load()
        result = detector.predict(change(x[:n])).to_table(detector.class_names)
        names = pa.array(detector.class_names)
        result = result.append_column("label", names.take(pa.array(labels[:n])))
        SCRATCH.mkdir(parents=True, exist_ok=True)
        with replace_file(kept) as scratch:
            pq.write_table(result, scratch)
    return pq.read_table(kept)


@cache
def _load() -> tuple[NDArray[np.float32], NDArray[np.int64], AdversarialDetector]:
    detector = AdversarialDetector.load(EXAMPLE / "detector")
    data = DataConfig(path=str(EXAMPLE / "test.parquet"), input="image", label="label")
    chunks = list(Batch(data.path, data, detector.input_spec).chunks(4096))
    x = np.concatenate([chunk.x for chunk in chunks])
    labels = np.concatenate([np.asarray(chunk.columns["label"]) for chunk in chunks])
    return x, labels, detector


def draws(rng: np.random.Generator, n_rows: int, n: int, times: int) -> Iterator[Rows]:
    """Yield the rows of `times` batches of n, each drawn without replacement."""
    for _ in range(times):
        yield rng.permutation(n_rows)[:n]


def fixed(judge: Judge, clean: pa.Table, n: int, weeks: int) -> Iterator[str]:
    """Yield verdicts on batches against the detector's own window, the same for all weeks."""
    pool, reference = judge.rows(clean), judge.rows(judge.bundle.reference())
    for rows in draws(np.random.default_rng([SEED, n]), len(pool), n, weeks):
        yield judge.verdict(pool.take(rows), reference)


def redrawn(judge: Judge, clean: pa.Table, n: int, weeks: int) -> Iterator[str]:
    """Yield verdicts on batches against 5,000 other test images, drawn for each week."""
    pool = judge.rows(clean)
    for rows in draws(np.random.default_rng([SEED, n, 1]), len(pool), len(pool), weeks):
        yield judge.verdict(pool.take(rows[:n]), pool.take(rows[n : n + 5000]))


def trailing(judge: Judge, clean: pa.Table, n: int, weeks: int) -> Iterator[str]:
    """Yield verdicts on a sequence of weeks, each against the last ones that were not harmful.

    The rows of a week are drawn from those that are not in the window.
    """
    pool = judge.rows(clean)
    rng = np.random.default_rng([SEED, n, 2])
    window: list[Rows] = []
    seen = 0
    while seen < weeks:
        held = np.concatenate([*window, np.array([], np.int64)])
        rows = rng.permutation(np.setdiff1d(np.arange(len(pool)), held))[:n]
        if len(window) == TRAILING[n]:
            verdict = judge.verdict(pool.take(rows), pool.take(held))
            seen += 1
            yield verdict
            if verdict == "harmful_drift":
                continue
        window = [*window, rows][-TRAILING[n] :]


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
            f"*trailing*, the last {TRAILING[200]} weeks that were not harmful "
            f"({TRAILING[5000]} for weeks of 5,000 rows, because there are 10,000 images). Batches "
            "are drawn without replacement. Those of 5,000 rows, half of all images, are therefore "
            "more alike than weeks in production would be, and their numbers look too good."
        ),
        "",
        *table(
            ["reference", "harm by", "n", "weeks", "alarms", "harmful", "harmless", "statistical"],
            [_null_row(entry) for entry in record["null"]],
        ),
        *_judgement(record["null"], alpha),
        "## Drift",
        "",
        *_wrapped(
            "The first 5,000 test images under the 15 corruptions of CIFAR-10-C, without labels "
            "(harm by `detector`): the share of batches with the verdict `harmful_drift`, and in "
            "brackets with any verdict but `no_drift`. There is one batch of 5,000 rows each."
        ),
        "",
        *table(
            ["corruption", "severity", "accuracy", *(f"n = {n:,}" for n in SIZES)],
            list(_power_rows(record["power"])),
        ),
    ]
    text = "\n".join(lines).rstrip() + "\n"
    (HERE / "false_alarms.md").write_text(text, encoding="utf-8")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_on_hyphens=False)


def _alarms(verdicts: dict[str, int], *, harmful: bool = False) -> Rate:
    n = sum(verdicts.values())
    count = verdicts.get("harmful_drift", 0) if harmful else n - verdicts.get("no_drift", 0)
    result = rate(count, n)
    if result is None:
        raise ValueError("no batch was drawn")
    return result


def _null_row(entry: dict[str, Any]) -> list[str]:
    verdicts = entry["verdicts"]
    result = _alarms(verdicts)
    shares = (
        f"{verdicts.get(name, 0) / result.n:.1%}"
        for name in ("harmful_drift", "harmless_drift", "statistical_only")
    )
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


def _power_rows(power: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    cells: dict[tuple[str, int], dict[int, dict[str, Any]]] = {}
    for entry in power:
        cells.setdefault((entry["corruption"], entry["severity"]), {})[entry["n"]] = entry
    for (name, severity), by_size in cells.items():
        shares = []
        for n in SIZES:
            verdicts = by_size[n]["verdicts"]
            harmful = _alarms(verdicts, harmful=True).rate
            shares.append(f"{harmful:.0%} ({_alarms(verdicts).rate:.0%})")
        yield [name, str(severity), f"{by_size[SIZES[0]]['accuracy']:.3f}", *shares]


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="score, draw and count")
    runner.add_argument("--weeks", type=int, default=1000, help="weeks without drift of each kind")
    runner.add_argument("--batches", type=int, default=50, help="batches of each corruption")
    commands.add_parser("write", help="write false_alarms.md")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.weeks, arguments.batches)
    write()


if __name__ == "__main__":
    main()
