import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from adversarial.evaluation.read import (
    Case,
    Results,
    ResultsError,
    read_images,
    read_results,
    read_rows,
)
from tests.support.evaluation_run import K, N, write_run

GREY_BOX = Case("cw", "grey-box")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    directory = write_run(tmp_path_factory.mktemp("evaluation") / "run")
    return read_results(directory)


def table_of(run: Results, **place: object) -> pd.DataFrame:
    rows: pd.DataFrame = pq.read_table(run.directory / "rows.parquet").to_pandas()
    for name, value in place.items():
        rows = rows[rows[name] == value]
    return rows.sort_values("row")


def test_rows_are_told_apart_by_case_and_defence(run: Results) -> None:
    rows = read_rows(run)
    assert [case.stem for case in rows] == [
        "cw-grey-box",
        "pgd-linf-8_255-white-box-kl",
        "pgd-linf-8_255-white-box-mse",
        "fog-1",
        "fog-2",
        "snow-1",
        "snow-2",
    ]
    for case, defences in rows.items():
        assert list(defences) == ["kl", "mse"]
        for defence, columns in defences.items():
            place: dict[str, object] = {
                "attack": case.attack,
                "target": case.target,
                "defence": defence,
            }
            place |= {"corruption": case.corruption, "severity": case.severity}
            known = {name: value for name, value in place.items() if value is not None}
            expected = table_of(run, **known)
            assert len(expected) == N
            np.testing.assert_array_equal(columns["row"], np.arange(N))
            np.testing.assert_array_equal(columns["score"], expected["score"])
            np.testing.assert_array_equal(columns["prediction"], expected["prediction"])


def test_what_is_missing_or_damaged_is_named(run: Results, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    shutil.copytree(run.directory, directory)
    results = read_results(directory)
    original = directory / "images" / "original.npy"
    np.save(original, np.zeros((3, 8, 8, 1), np.float32))
    with pytest.raises(ResultsError, match=r"cw-grey-box.npz is damaged \('attacked' is of shape"):
        read_images(results, GREY_BOX)
    np.save(original, np.zeros((K, 8, 8, 1), np.float32))
    np.savez(directory / "images" / "cw-grey-box.npz", attacked=np.load(original))
    with pytest.raises(ResultsError, match=r"no array 'reconstruction_clean-kl'\): remove it"):
        read_images(results, GREY_BOX)
    file = directory / "images" / "cw-grey-box.npz"
    whole = (run.directory / "images" / "cw-grey-box.npz").read_bytes()
    middle = len(whole) // 2
    for damage in (b"PK\x03\x04 cut off", whole[:middle] + bytes(40) + whole[middle + 40 :]):
        file.write_bytes(damage)
        with pytest.raises(ResultsError, match=r"cw-grey-box.npz is damaged"):
            read_images(results, GREY_BOX)
    (directory / "images" / "cw-grey-box.npz").unlink()
    with pytest.raises(ResultsError, match=r"cw-grey-box.npz is missing: give the run's"):
        read_images(results, GREY_BOX)

    rows = directory / "rows.parquet"
    pq.write_table(pq.read_table(rows).drop_columns(["score", "entropy"]), rows)
    with pytest.raises(ResultsError, match=r"rows.parquet is damaged \(no column score, entropy\)"):
        read_rows(results)
    rows.write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match=r"rows.parquet is damaged"):
        read_rows(results)
    rows.unlink()
    with pytest.raises(ResultsError, match=r"rows.parquet is missing"):
        read_rows(results)
