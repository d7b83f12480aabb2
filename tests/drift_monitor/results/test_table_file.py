"""CSV files: no formulas for spreadsheets to run, and ids that can be read back."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adversarial.errors import DriftMonitorError
from drift_monitor.errors import ConfigError
from drift_monitor.results.table_file import as_written, check_local, to_csv, write_table

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1)


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''=1"]
)
def test_a_formula_is_no_longer_one(text: str) -> None:
    [[name], [cell]] = csv.reader(io.StringIO(to_csv(pa.table({text: [text]}))))
    assert name == cell == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+4.5", "1e-3", "-1,5", "plain", "'quoted'", "a=b"])
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    assert list(csv.reader(io.StringIO(to_csv(pa.table({"x": [text]})))))[1] == [text]


@given(st.lists(TEXTS, min_size=1))
@example(["'=1", "=1", "-1", "''"])
def test_ids_that_were_written_are_read_back(texts: list[str]) -> None:
    cells = [row[0] for row in csv.reader(io.StringIO(to_csv(pa.table({"x": texts}))))][1:]
    assert as_written(pa.chunked_array([cells], pa.string())).to_pylist() == texts


@pytest.mark.parametrize("url", ["s3://bucket/rows.csv", Path("s3://bucket/rows.csv")])
def test_a_url_is_refused_where_only_a_file_on_disk_will_do(url: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"--output s3:.* is a URL, but why: name a local file"):
        check_local("--output", url, "why")
    check_local("--output", "rows.csv", "why")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriftMonitorError, match=r"there is no directory .*nodir: make it"):
        write_table(pa.table({"x": [1]}), tmp_path / "nodir" / "x.csv")
