"""Judge every batch of every classifier without labels, and record verdict and truth.

    python -m studies.verdicts.run --data-dir DIR [--classifier NAME …] [--sample N]

Classifiers that are missing are trained first. Records are appended to build/verdicts/records.jsonl
and batches that are there are skipped; `--fresh` starts over. M(x) of each batch is kept in
build/verdicts/<classifier>/probabilities/ for estimators that need it whole.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adversarial.detector.detector import AdversarialDetector
from drift_monitor.config import Policy
from drift_monitor.notebook.judge import judge

from .changes.drift import REPEATED
from .classifiers import RECIPES, SCRATCH, Prepared, load
from .data.rows import to_table
from .drifts import Drift, drifts_for, make_batch
from .records import Record, Reference, append_record, estimates, judged, read_records


def independent_rows(x: NDArray[np.float32]) -> int:
    """Return how many independent rows leave as much to chance as these, equal ones being one."""
    whole = np.ascontiguousarray(x.reshape(len(x), -1))
    _, sizes = np.unique(whole.view(f"V{whole.strides[0]}"), return_counts=True)
    return round(len(x) ** 2 / float((sizes.astype(float) ** 2).sum()))


def record_drift(
    drift: Drift, prepared: Prepared, detector: AdversarialDetector, reference: Reference
) -> Record:
    """Make the batch of a drift, judge it, and return its record."""
    rows = make_batch(drift, prepared)
    p = np.asarray(detector.classifier.predict(rows.x, batch_size=512, verbose=0))
    kept = prepared.directory / "probabilities" / f"{drift.name}.npz"
    kept.parent.mkdir(exist_ok=True)
    np.savez_compressed(kept, probabilities=p.astype(np.float16), labels=rows.y)
    started = time.monotonic()
    report = judge(detector, to_table(rows.x, prepared.columns), policy=Policy(harm_by="detector"))
    return {
        "classifier": prepared.name,
        "drift": drift.name,
        "family": drift.family,
        "calibrated": drift.calibrated,
        "mild": drift.mild,
        "n": independent_rows(rows.x) if drift.family == REPEATED else len(rows),
        "n_reference": reference.n,
        "accuracy": float(np.mean(p.argmax(axis=1) == rows.y)),
        "reference_accuracy": reference.accuracy,
        **judged(report),
        "peers": estimates(p, reference),
        "seconds": round(time.monotonic() - started, 2),
    }


def run(
    prepared: Prepared, records: Path, only: list[str] | None = None, sample: int | None = None
) -> None:
    """Record the drifts of a classifier that are not recorded yet: all, some, or a sample."""
    done = {(record["classifier"], record["drift"]) for record in read_records(records)}
    drifts = drifts_for(prepared)
    if sample is not None and sample < len(drifts):
        drawn = np.random.default_rng(0).permutation(len(drifts))[:sample]
        drifts = [drifts[number] for number in np.sort(drawn)]
    drifts = [
        drift
        for drift in drifts
        if (prepared.name, drift.name) not in done and (only is None or drift.name in only)
    ]
    if not drifts:
        return
    detector = AdversarialDetector.load(prepared.detector)
    x, y = prepared.reference.x, prepared.reference.y
    p = np.asarray(detector.classifier.predict(x, batch_size=512, verbose=0))
    np.savez_compressed(prepared.directory / "probabilities.npz", probabilities=p, labels=y)
    reference = Reference.of(p, y)
    for drift in drifts:
        record = record_drift(drift, prepared, detector, reference)
        append_record(records, record)
        estimated = record["estimated"]["estimate"] if record["estimated"] else float("nan")
        print(
            f"{prepared.name:14} {drift.name:28} {record['reference_accuracy']:.3f} → "
            f"{record['accuracy']:.3f}, estimated {estimated:.3f}: {record['verdict']} "
            f"({record['seconds']} s)",
            flush=True,
        )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--classifier", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--drift", nargs="+", help="only these drifts")
    parser.add_argument("--sample", type=int, help="so many drifts of each, drawn at random")
    parser.add_argument("--records", type=Path, default=SCRATCH / "records.jsonl")
    parser.add_argument("--fresh", action="store_true", help="forget the records first")
    arguments = parser.parse_args()
    if arguments.fresh:
        arguments.records.unlink(missing_ok=True)
    for name in arguments.classifier:
        run(load(name, arguments.data_dir), arguments.records, arguments.drift, arguments.sample)


if __name__ == "__main__":
    main()
