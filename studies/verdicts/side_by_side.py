"""The same batches by Evidently and NannyML: what each would have told its user.

    python -m studies.verdicts.side_by_side --data-dir DIR [--classifier NAME …]

After `studies.verdicts.run`; of classifiers of tables with up to 60 columns. Keeps what the peers
said in `peers.parquet`, from which `studies.verdicts.tables` writes its page.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers import evidently_python, nannyml_python

from .classifiers import RECIPES, SCRATCH, Prepared, load
from .data.rows import Rows
from .drifts import drifts_for, make_batch
from .records import PEERS

MOST_COLUMNS = 60


def table(rows: Rows, kept: Path, prepared: Prepared) -> pa.Table:
    """Return inputs, M(x) as `p:<class>`, prediction and label."""
    p = np.load(kept)["probabilities"].astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    names = pa.array(prepared.class_names)
    columns = {name: rows.x[:, number] for number, name in enumerate(prepared.columns)}
    columns |= {f"p:{name}": p[:, number] for number, name in enumerate(prepared.class_names)}
    columns |= {"prediction": names.take(pa.array(p.argmax(axis=1)))}
    columns |= {"label": names.take(pa.array(rows.y))}
    return pa.table(columns)


def said(prepared: Prepared) -> list[dict[str, object]]:
    """Return what both peers say of each batch of a classifier."""
    kept = prepared.directory / "probabilities"
    drifts = [drift for drift in drifts_for(prepared) if (kept / f"{drift.name}.npz").exists()]
    with TemporaryDirectory() as scratch:
        paths = [Path(scratch) / name for name in ("reference.parquet", "batches.parquet")]
        reference = table(prepared.reference, prepared.directory / "probabilities.npz", prepared)
        pq.write_table(reference, paths[0])
        with pq.ParquetWriter(paths[1], reference.schema) as writer:
            for drift in drifts:
                batch = table(make_batch(drift, prepared), kept / f"{drift.name}.npz", prepared)
                writer.write_table(batch.cast(reference.schema), row_group_size=len(batch))
        evidently = _run([evidently_python(), "-m", f"{__package__}.peers.evidently", *paths])
        nannyml = _run(
            [nannyml_python(), "-m", f"{__package__}.peers.nannyml", *paths, prepared.batch]
        )
    return [
        {"classifier": prepared.name, "drift": drift.name}
        | {f"evidently_{name}": value for name, value in one.items()}
        | {f"nannyml_{name}": value for name, value in other.items()}
        for drift, one, other in zip(drifts, evidently, nannyml, strict=True)
    ]


def _run(command: Sequence[object]) -> list[dict[str, object]]:
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"NML_DISABLE_USAGE_LOGGING": "1"},
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    """Ask the peers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--classifier", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    arguments = parser.parse_args()
    found: list[dict[str, object]] = []
    for name in arguments.classifier:
        if not (SCRATCH / name / "probabilities").exists():
            continue
        prepared = load(name, arguments.data_dir)
        if 0 < len(prepared.columns) <= MOST_COLUMNS:
            found += said(prepared)
            print(f"{name}: {len(found)} batches", flush=True)
    pq.write_table(pa.Table.from_pylist(found), PEERS, compression="zstd")


if __name__ == "__main__":
    main()
