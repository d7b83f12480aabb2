"""CBPE of NannyML on the study's batches, in an environment of its own."""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adversarial.files import write_text
from benchmarks.peers import nannyml_python

from .records import Record

NAME = "CBPE"


def with_cbpe(records: list[Record], scratch: Path) -> list[Record]:
    """Return records with CBPE's estimate among their peers."""
    result = []
    for classifier in dict.fromkeys(record["classifier"] for record in records):
        own = [record for record in records if record["classifier"] == classifier]
        found = cbpe(scratch / classifier, [record["drift"] for record in own])
        result += [
            record | {"peers": record["peers"] | {NAME: found[record["drift"]]}} for record in own
        ]
    return result


def cbpe(directory: Path, drifts: list[str]) -> dict[str, float]:
    """Return CBPE's estimate of the accuracy of batches of one classifier; kept in `cbpe.json`.

    Parameters
    ----------
    directory : Path
        The classifier's, with what `run` leaves there.
    drifts : list of str
        Names of the batches, all of one size.
    """
    kept = directory / "cbpe.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    missing = [name for name in drifts if name not in known]
    if missing:
        class_names = json.loads((directory / "rows.json").read_text(encoding="utf-8"))
        found = _estimate(directory, missing, class_names["class_names"])
        known |= dict(zip(missing, found, strict=True))
        write_text(kept, json.dumps(known, indent=1) + "\n")
    return {name: known[name] for name in drifts}


def _estimate(directory: Path, drifts: list[str], class_names: list[str]) -> list[float]:
    reference = _table([directory / "probabilities.npz"], class_names)
    batches = [directory / "probabilities" / f"{name}.npz" for name in drifts]
    with TemporaryDirectory() as scratch:
        paths = [Path(scratch) / name for name in ("reference.parquet", "current.parquet")]
        current = _table(batches, class_names)
        for path, rows in zip(paths, (reference, current), strict=True):
            pq.write_table(rows, path)
        command = [nannyml_python(), "-m", "benchmarks.accuracy.nannyml", *paths]
        done = subprocess.run(
            [*map(str, command), str(len(current) // len(batches))],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ | {"NML_DISABLE_USAGE_LOGGING": "1"},
        )
    result: list[float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _table(files: list[Path], class_names: list[str]) -> pa.Table:
    """Return M(x), predictions and labels of batches, one after the other."""
    kept = [np.load(file) for file in files]
    p: NDArray[np.float64] = np.concatenate([part["probabilities"] for part in kept]).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    names = pa.array(class_names)
    columns = {f"p{name}": p[:, number] for number, name in enumerate(class_names)}
    columns["prediction"] = names.take(pa.array(p.argmax(axis=1)))
    columns["label"] = names.take(pa.array(np.concatenate([part["labels"] for part in kept])))
    return pa.table(columns)
