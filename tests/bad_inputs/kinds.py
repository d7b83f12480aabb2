"""Kinds of files that can be spoiled: how each is made, read, and what may become of it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from adversarial.bundle.read import read_bundle
from adversarial.errors import DriftMonitorError
from adversarial.models.model_size import check_size
from drift_monitor.batches.batch import Batch
from drift_monitor.batches.class_labels import class_names
from drift_monitor.config import DataConfig, load_monitor
from drift_monitor.results.report import read_report
from tests.bad_inputs.mutations import spoiled
from tests.support.batches import GREY, encode, random_pixels
from tests.support.reports.cases import CASES
from tests.support.reports.make import make


class Kind(NamedTuple):
    """A file's name, what makes a good one, and what reads it."""

    name: str
    write: Callable[[Path], bytes]
    read: Callable[[Path], object]


def write_batch(path: Path, **options: object) -> bytes:
    ids = [f"row {number}" for number in range(40)]
    files = [encode(image) for image in random_pixels(40, 4, 3, 1)]
    table = pa.table({"id": ids, "x": pa.array(files), "label": np.arange(40) % 3})
    table = table.replace_schema_metadata({"huggingface": '{"info": {"features": {}}}'})
    pq.write_table(table, path, row_group_size=15, **options)
    return path.read_bytes()


def read_batch(path: Path) -> None:
    data = DataConfig(path=str(path), input="x", row_id="id", label="label")
    batch = Batch(str(path), data, GREY, 1 << 26)
    chunks = list(batch.chunks(16))
    n = sum(len(chunk.rows) + len(chunk.rejected) for chunk in chunks)
    assert n == batch.n_rows == sum(file.rows for file in batch.files())
    class_names(str(path), "label")


def write_yaml(path: Path) -> bytes:
    data = {"path": "{date}/*.parquet", "input": ["a", "b"], "label": "y", "segments": ["s"]}
    monitor = {
        "detector": "detector",
        "data": data,
        "policy": {"alpha": 0.01, "harm_by": "labels"},
        "reference": {"kind": "trailing", "intervals": 3},
        "start_date": "2026-11-20",
        "evaluation": {"path": "rows.parquet", "attacks": ["ddn"]},
    }
    path.write_text(yaml.safe_dump(monitor), encoding="utf-8")
    return path.read_bytes()


def write_report(path: Path) -> bytes:
    path.write_text(make(next(iter(CASES.values())))[0].to_json(), encoding="utf-8")
    return path.read_bytes()


KINDS = {
    "batch": Kind("x.parquet", write_batch, read_batch),
    "batch with checksums": Kind(
        "x.parquet",
        lambda path: write_batch(path, write_page_checksum=True, compression="none"),
        read_batch,
    ),
    "monitor": Kind("monitor.yaml", write_yaml, load_monitor),
    "report": Kind("report.json", write_report, read_report),
}


def is_refused(kind: Kind, path: Path, content: bytes, seed: int) -> bool:
    """Spoil a file and read it; return whether it is refused, by its name, or read.

    Raises
    ------
    AssertionError
        If reading it raises another error, or one without the file's name.
    """
    path.write_bytes(spoiled(content, seed))
    return _is_refused(lambda: kind.read(path), kind.name, seed)


def is_file_refused(bundle: Path, whole: dict[Path, bytes], seed: int) -> bool:
    """Spoil a file of a bundle; return whether the bundle is refused, by the file's name.

    Parameters
    ----------
    bundle : Path
        The bundle, which is left as it was.
    whole : dict of Path to bytes
        Its files.
    seed : int
        Says which file is spoiled, and how.

    Raises
    ------
    AssertionError
        As `is_refused`; and if a file that has changed is not refused.
    """
    file = list(whole)[seed % len(whole)]
    changed = spoiled(whole[file], seed)
    if changed == whole[file]:
        return False
    file.write_bytes(changed)
    try:
        assert _is_refused(lambda: read_bundle(bundle), file.name, seed), f"seed {seed} was read"
        if file.suffix == ".keras":  # whose size is looked at before it is loaded
            _is_refused(lambda: check_size(file), file.name, seed)
    finally:
        file.write_bytes(whole[file])
    return True


def copy_bundle(bundle: Path, to: Path) -> dict[Path, bytes]:
    """Copy a bundle, and return the content of its files in the copy."""
    shutil.copytree(bundle, to)
    return {path: path.read_bytes() for path in sorted(to.rglob("*")) if path.is_file()}


def _is_refused(read: Callable[[], object], name: str, seed: int) -> bool:
    try:
        read()
    except DriftMonitorError as error:
        assert name in str(error), f"seed {seed}: {error}"  # noqa: PT017 - not all are refused
        return True
    except Exception as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return False
