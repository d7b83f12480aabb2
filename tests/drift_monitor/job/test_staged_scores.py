"""Scores between two steps of the job: whatever is staged is read again as it was."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from adversarial.storage.folder import Folder
from adversarial.storage.opening import open_folder
from drift_monitor.job.staged_scores import STAGED, read_staged, stage

TABLES = [
    pa.table({"row_id": ["a", None], "score": [0.5, float("nan")], "segment": ["x", "y"]}),
    pa.table({"row_id": [], "score": [], "segment": []}),
    pa.table({"row_id": ["c"], "score": pa.array([2.5], pa.float32()), "segment": pa.nulls(1)}),
]


@pytest.fixture(params=["disk", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "disk":
        return open_folder(tmp_path / "staging")
    return open_folder(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


def test_what_is_staged_is_read_again_in_the_types_of_the_first_table(folder: Folder) -> None:
    stage(folder, iter(TABLES))
    found = read_staged(folder)
    schema = TABLES[0].schema
    assert found.schema == schema
    assert str(found) == str(pa.concat_tables(table.cast(schema) for table in TABLES))


def test_nothing_is_staged_if_scoring_fails(folder: Folder) -> None:
    def tables() -> Iterator[pa.Table]:
        yield TABLES[0]
        raise RuntimeError("the batch is damaged")

    with pytest.raises(RuntimeError):
        stage(folder, tables())
    assert not folder.exists(STAGED)


def test_what_goes_over_a_network_is_compressed(folder: Folder) -> None:
    n = 100_000
    stage(folder, iter([pa.table({"score": pa.array([0.25] * n)})]))
    is_local = not str(folder).startswith("s3")
    assert (len(folder.read(STAGED)) > 8 * n) is is_local
