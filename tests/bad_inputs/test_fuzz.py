"""Spoiled files of each kind: an error of ours that names the file, or the content as it was meant.

`make fuzz` goes on for as long as FUZZ_SECONDS says; a test run tries a few hundred files.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
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

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
FILES = 150


def seeds() -> Iterator[int]:
    """Yield a few hundred seeds, or as many as there is time for."""
    until = time.monotonic() + SECONDS
    seed = 0
    while seed < FILES or time.monotonic() < until:
        yield seed
        seed += 1


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


KINDS: dict[str, tuple[str, Callable[[Path], bytes], Callable[[Path], object]]] = {
    "batch": ("x.parquet", write_batch, read_batch),
    "batch with checksums": (
        "x.parquet",
        lambda path: write_batch(path, write_page_checksum=True, compression="none"),
        read_batch,
    ),
    "monitor": ("monitor.yaml", write_yaml, load_monitor),
    "report": ("report.json", write_report, read_report),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoiled_file_is_named_or_read(kind: str, tmp_path: Path) -> None:
    name, write, read = KINDS[kind]
    path = tmp_path / name
    content = write(path)
    read(path)
    refused = 0
    for seed in seeds():
        path.write_bytes(spoiled(content, seed))
        try:
            read(path)
        except DriftMonitorError as error:
            refused += 1
            assert name in str(error), f"seed {seed}: {error}"  # noqa: PT017 - not all are refused
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    assert refused > FILES / 10


def test_a_spoiled_bundle_is_refused_by_the_name_of_a_file(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "detector"
    for file in bundle.rglob("*"):
        target = copy / file.relative_to(bundle)
        if file.is_dir():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    files = sorted(file for file in copy.rglob("*") if file.is_file())
    whole = {file: file.read_bytes() for file in files}
    for seed in seeds():
        file = files[seed % len(files)]
        changed = spoiled(whole[file], seed)
        if changed == whole[file]:
            continue
        file.write_bytes(changed)
        with pytest.raises(DriftMonitorError, match=file.name.replace(".", r"\.")):
            read_bundle(copy)
        if file.suffix == ".keras":  # whose size is looked at before it is loaded
            try:
                check_size(file)
            except DriftMonitorError as error:
                assert file.name in str(error)  # noqa: PT017 - most have no other size
        file.write_bytes(whole[file])
