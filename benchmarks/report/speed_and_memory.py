"""From a Parquet file of scores to a finished report: this project, Evidently and NannyML.

    python -m benchmarks.report.speed_and_memory

The whole process, in turn: read 1,000,000 scored rows and a reference of 100,000, test whether
score, confidence, entropy and the predicted classes have drifted, and write JSON and HTML. Ours
judges harm, accuracy and every class besides. Evidently runs its `DataDriftPreset` with KS and
chi-squared, NannyML its univariate KS and chi-squared, each in an environment of its own, which the
script makes with uv. D must be SciPy's exact one.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from scipy import stats

from adversarial.bundle.manifest import REFERENCE
from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from benchmarks.peers import evidently_python, nannyml_python
from benchmarks.record import Ratios, ratios, verdict, write_record

DIRECTORY = Path("build/bench/report")
SPEED_TARGET = 3.0
MEMORY_TARGET = 1 / 3
HTML_TARGET = 0.1
D_TARGET = 1e-12
SHIFT = 1.1
"""By what the batch's scores are greater than the reference's."""

IMPORTS = {
    "drift-monitor": "import drift_monitor.job.run",
    "Evidently": "from evidently import Report; from evidently.presets import DataDriftPreset",
    "NannyML": "import nannyml",
}


class Made(NamedTuple):
    """One finished report."""

    seconds: float
    peak_mib: float
    html_bytes: int
    d: float


def write_inputs(example: Path, rows: int, reference_rows: int) -> None:
    """Write batch and reference, drawn from a bundle's window, and a bundle with the reference."""
    bundle = read_bundle(example)
    window = bundle.reference()
    rng = np.random.default_rng(0)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    reference = _drawn(window, reference_rows, rng, 1.0)
    pq.write_table(reference, DIRECTORY / "reference.parquet", compression="zstd")
    batch = _drawn(window, rows, rng, SHIFT)
    ids = pa.array([f"request-{i:08d}" for i in range(rows)])
    batch = batch.add_column(0, "row_id", ids)
    pq.write_table(batch, DIRECTORY / "scores.parquet", compression="zstd")

    def fill(directory: Path) -> None:
        shutil.copyfile(DIRECTORY / "reference.parquet", directory / REFERENCE)

    rewrite_bundle(bundle, DIRECTORY / "detector", replaced=frozenset({REFERENCE}), fill=fill)
    fingerprint = read_bundle(DIRECTORY / "detector").fingerprint
    (DIRECTORY / "fingerprint.json").write_text(json.dumps(fingerprint), encoding="utf-8")
    monitor = {
        "name": "bench",
        "detector": "detector",
        "reports": "reports",
        "data": {"path": "{date}.parquet", "input": "image", "row_id": "id", "label": "label"},
    }
    (DIRECTORY / "bench.yaml").write_text(yaml.safe_dump(monitor), encoding="utf-8")


def _drawn(window: pa.Table, n: int, rng: np.random.Generator, factor: float) -> pa.Table:
    """Draw rows with replacement; each score is its own, by a factor that varies by a per cent."""
    table = window.take(pa.array(rng.integers(0, len(window), n)))
    scores = np.asarray(table["adversarial_score"]) * factor * rng.normal(1, 0.01, n)
    at = table.schema.get_field_index("adversarial_score")
    return table.set_column(at, "adversarial_score", pa.array(np.abs(scores)))


def make(name: str, python: Path) -> Made:
    """Run one side's script as a process and return what it took."""
    output = DIRECTORY / name.lower()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    script = f"benchmarks.report.{name.lower().replace('drift-monitor', 'ours')}"
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(python), "-m", script, str(DIRECTORY), str(output)],
        stdout=sys.stderr,
        env=os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{script} ended with code {code}; its log is above")
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return Made(
        seconds,
        usage.ru_maxrss * unit / 2**20,
        (output / "report.html").stat().st_size,
        json.loads((output / "d.json").read_text(encoding="utf-8")),
    )


def import_seconds(python: Path, statement: str) -> float:
    """Return how long a process takes that does nothing but import."""
    started = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def exact_d() -> float:
    """Return SciPy's D of the two score columns."""
    sides = [
        pq.read_table(DIRECTORY / f"{name}.parquet", columns=["adversarial_score"])
        for name in ("reference", "scores")
    ]
    reference, batch = (side["adversarial_score"].to_numpy() for side in sides)
    return float(stats.ks_2samp(reference, batch, method="asymp").statistic)


def table(found: dict[str, list[Made]], imports: dict[str, list[float]], n: tuple[int, int]) -> str:
    """Return the text of the result."""
    first = next(iter(found.values()))
    lines = [
        f"{n[0]:,} scored rows against {n[1]:,} to JSON and HTML, the whole process; median of "
        f"{len(first)} rounds, taken in turn",
        "",
        f"{'':16}{'seconds':>10}{'peak MiB':>10}{'HTML KiB':>10}{'import s':>10}{'D':>10}",
    ]
    for name, made in found.items():
        lines.append(
            f"{name:16}{statistics.median(m.seconds for m in made):10.1f}"
            f"{statistics.median(m.peak_mib for m in made):10,.0f}"
            f"{made[0].html_bytes / 1024:10,.0f}"
            f"{statistics.median(imports[name]):10.1f}{made[0].d:10.5f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, default=Path("examples/fashion_mnist/detector"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    write_inputs(arguments.detector, arguments.rows, arguments.reference_rows)
    pythons = {
        "drift-monitor": Path(sys.executable),
        "Evidently": evidently_python(),
        "NannyML": nannyml_python(),
    }
    result: dict[str, list[Made]] = {name: [] for name in pythons}
    imports: dict[str, list[float]] = {name: [] for name in pythons}
    for turn in range(arguments.rounds):
        for name, python in pythons.items():
            imports[name].append(import_seconds(python, IMPORTS[name]))
            result[name].append(make(name, python))
            print(f"round {turn + 1}: {name} {result[name][-1].seconds:.1f} s", file=sys.stderr)

    ours, *peers = pythons
    quicker = min(peers, key=lambda name: statistics.median(m.seconds for m in result[name]))
    leaner = min(peers, key=lambda name: statistics.median(m.peak_mib for m in result[name]))
    smaller = min(peers, key=lambda name: result[name][0].html_bytes)

    def against(peer: str, field: str) -> Ratios:
        sides = ([getattr(m, field) for m in result[name]] for name in (peer, ours))
        return ratios(*sides)

    speedup = against(quicker, "seconds")
    memory = ratios([m.peak_mib for m in result[ours]], [m.peak_mib for m in result[leaner]])
    html = result[ours][0].html_bytes / result[smaller][0].html_bytes
    difference = abs(result[ours][0].d - exact_d())
    targets = {
        "speed": speedup.median >= SPEED_TARGET,
        "memory": memory.median <= MEMORY_TARGET,
        "html": html <= HTML_TARGET,
        "d": difference <= D_TARGET,
    }
    text = "\n".join(
        [
            table(result, imports, (arguments.rows, arguments.reference_rows)),
            "",
            f"{speedup} times faster than {quicker}. Target {SPEED_TARGET:g}: "
            f"{verdict(targets['speed'])}.",
            f"{memory} of {leaner}'s memory. Target {MEMORY_TARGET:.2f}: "
            f"{verdict(targets['memory'])}.",
            f"{html:.3f} of the HTML of {smaller}. Target {HTML_TARGET}: "
            f"{verdict(targets['html'])}.",
            f"D is {difference:.1g} from SciPy's. Target {D_TARGET:g}: {verdict(targets['d'])}.",
        ]
    )
    figures: dict[str, Any] = {
        "rows": arguments.rows,
        "reference_rows": arguments.reference_rows,
        "made": {name: [m._asdict() for m in made] for name, made in result.items()},
        "import_seconds": imports,
        "speedup": speedup._asdict(),
        "memory": memory._asdict(),
        "html": html,
        "d_difference": difference,
        "reached": targets,
    }
    write_record("report", text, figures)


if __name__ == "__main__":
    main()
