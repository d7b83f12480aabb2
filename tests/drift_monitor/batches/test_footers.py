"""Footers that contradict their file, or themselves: damage, and named as such."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift_monitor.batches.sources import ParquetSource
from drift_monitor.errors import BatchError, NotReadyError

RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "id": pa.array([f"r{row}" for row in range(300)], pa.binary()),
        "a": RNG.random(300, np.float32),
        "image": [RNG.bytes(20) for _ in range(300)],
    }
)
COLUMNS = TABLE.column_names


def flipped(path: Path, at: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def outcome(path: Path) -> str:
    """Return what reading gives: the rows as they were, others, or the name of our error."""
    try:
        source = ParquetSource(str(path))
        found = pa.concat_tables(source.tables(64, COLUMNS))
    except BatchError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - not every flip is found
        return type(error).__name__
    same = source.n_rows == 300 and all(
        found[c].to_pylist() == TABLE[c].to_pylist() for c in COLUMNS
    )
    return "as it was" if same else "others"


def test_a_flipped_bit_in_a_footer_never_changes_or_drops_a_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE, path, row_group_size=100)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little") + 8
    outcomes: Counter[str] = Counter()
    for place in range(0, 8 * length, 23):  # each bit takes 40 s, and gives no other outcome
        path.write_bytes(content)
        flipped(path, len(content) - length + place // 8, place % 8)
        outcomes[outcome(path)] += 1
    assert set(outcomes) <= {"as it was", "BatchError", "NotReadyError"}
    assert outcomes["BatchError"] > 150


def test_a_flipped_bit_in_a_page_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE, path, write_page_checksum=True, compression="none", use_dictionary=False)
    flipped(path, pq.read_metadata(path).row_group(0).column(2).data_page_offset + 500, 3)
    with pytest.raises(BatchError, match=r"x\.parquet cannot be read .*write it again"):
        list(ParquetSource(str(path)).tables(64, COLUMNS))


def test_a_file_without_its_end_may_still_be_on_its_way(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE, path)
    whole = path.read_bytes()
    for length in (0, 3, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(
            NotReadyError, match=r"does not end as such a file does.*write it again"
        ):
            ParquetSource(str(path))


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a.b", "\u202e".encode()])
def test_corrupt_names_of_columns_are_named(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE.rename_columns(["id", "a" * len(name), "image"]), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"a" * len(name), name))
    try:
        source = ParquetSource(str(path))
        assert len(source.read(["image"])) == 300
    except BatchError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - some names are as good as others
