import csv
import errno
import io
import json
import math
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adversarial.cli.main import app
from adversarial.evaluation.read import ResultsError, read_results, read_rows
from adversarial.reporting.comparison import compare_evaluations, name_runs
from adversarial.storage.opening import open_folder
from tests.support.evaluation_run import write_metrics, write_run
from tests.support.s3_server import s3_server


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("evaluations")
    first = write_run(directory / "a" / "run")
    second = write_run(directory / "b" / "run", seed=1, dataset="birds", detectors=("kl",))
    records = [dict(record) for record in read_results(second).records]
    for record in records:
        if record["metric"] == "auc" and record["attack"] == "cw":
            record |= {"value": 0.5, "low": 0.4, "high": 0.6}
    write_metrics(second, records)
    return [first, second]


def output(runs: list[Path], *options: str) -> str:
    found = CliRunner().invoke(app, ["compare", *map(str, runs), *options], env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output + str(found.exception)
    return found.output


def test_a_number_stands_beside_that_of_the_other_run_and_is_marked_where_disjoint(
    runs: list[Path],
) -> None:
    lines = output(runs, "--metric", "auc", "--format", "markdown").splitlines()
    names = ["a/run (animals, cnn, n 60)", "b/run (birds, cnn, n 60)"]
    assert lines[0] == f"| case | defence | number | {' | '.join(names)} |"
    first = {
        (record["attack"], record["defence"]): record
        for record in read_results(runs[0]).records
        if record["metric"] == "auc" and record["target"] is None
    }
    expected = {
        defence: "{value:.4f} ({low:.4f} to {high:.4f})".format(**first["cw", defence])
        for defence in ("kl", "mse")
    }
    prefix = "| cw, grey-box |"
    assert lines[2] == f"{prefix} kl | auc | {expected['kl']} | 0.5000 (0.4000 to 0.6000) * |"
    assert lines[3] == f"{prefix} mse | auc | {expected['mse']} | – |"
    assert sum("*" in line for line in lines) == 1


def test_the_table_says_the_same(runs: list[Path]) -> None:
    text = output(runs, "--metric", "auc")
    assert "0.5000 (0.4000 to 0.6000) *" in text
    assert "a/run (animals, cnn, n 60)" in text
    assert "* disjoint from that of the first run" in text


def test_runs_on_a_store_are_compared_like_those_on_disk(runs: list[Path]) -> None:
    with s3_server() as bucket:
        urls = [f"{bucket}/{run.parent.name}/run" for run in runs]
        for run, url in zip(runs, urls, strict=True):
            for path in run.rglob("*"):
                if path.is_file():
                    open_folder(url).write(path.relative_to(run).as_posix(), path.read_bytes())
        found = CliRunner().invoke(app, ["compare", *urls, "--format", "csv"])
    assert found.output == output(runs, "--format", "csv")


def test_csv_holds_the_numbers_in_full(runs: list[Path]) -> None:
    text = output(runs, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(read_results(runs[0]).records)
    for row, record in zip(rows, read_results(runs[0]).records, strict=True):
        assert row["metric"] == record["metric"]
        assert row["target"] == (record["target"] or "")
        assert float(row["value a/run (animals, cnn, n 60)"]) == record["value"]
    disjoint = [row for row in rows if row["disjoint b/run (birds, cnn, n 60)"] == "True"]
    assert ("cw", "kl", "auc") in {
        (row["attack"], row["defence"], row["metric"]) for row in disjoint
    }


def test_numbers_are_chosen_by_metric_and_threshold(runs: list[Path]) -> None:
    text = output(runs, "--metric", "auc", "--metric", "detection_rate", "--fpr", "0.01")
    assert "detection_rate at ε_FPR 1 %" in text
    assert "ε_FPR 5 %" not in text
    assert " auc " in text
    assert "accuracy" not in text
    known = name_runs([read_results(run) for run in runs])
    with pytest.raises(ResultsError, match="no run has such a number: --metric is one of acc"):
        compare_evaluations(known, metrics=["acu"])
    with pytest.raises(ResultsError, match=r"no run has a number at --fpr 0.5: expected one of 0"):
        compare_evaluations(known, fprs=[0.01, 0.5])


def test_runs_whose_detectors_have_no_name_in_common_are_told_of(
    runs: list[Path], tmp_path: Path
) -> None:
    other = write_run(tmp_path / "run", detectors=("candidate",))
    assert "No two runs have a detector of one name" in output([runs[1], other])
    assert "No two runs" not in output(runs)
    assert "No two runs" not in output([other])


def test_names_are_as_short_as_tells_them_apart(runs: list[Path]) -> None:
    first, second = (read_results(run) for run in runs)
    assert list(name_runs([first])) == ["run (animals, cnn, n 60)"]
    assert list(name_runs([first, second])) == [
        "a/run (animals, cnn, n 60)",
        "b/run (birds, cnn, n 60)",
    ]


def test_settings_that_are_nested_too_deeply_are_named(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "metrics.parquet").write_bytes((runs[0] / "metrics.parquet").read_bytes())
    (tmp_path / "config.json").write_text('{"fprs":' * 100_000)
    with pytest.raises(ResultsError, match=r"config.json is damaged \(maximum recursion depth"):
        read_results(tmp_path)


def test_what_is_no_finished_run_is_refused(runs: list[Path], tmp_path: Path) -> None:
    config, metrics = tmp_path / "config.json", tmp_path / "metrics.parquet"
    with pytest.raises(ResultsError, match=r"holds no evaluation \(no config.json\): name the"):
        read_results(tmp_path)
    config.write_text("{")
    with pytest.raises(ResultsError, match="holds an unfinished evaluation: give its"):
        read_results(tmp_path)
    metrics.write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match=r"config.json is damaged \(Expecting property name"):
        read_results(tmp_path)
    config.write_text('{"candidate": "fingerprint", "n": 60}')
    with pytest.raises(ResultsError, match=r"another kind of evaluation .*'adversarial evaluate'"):
        read_results(tmp_path)
    known = json.loads((runs[0] / "config.json").read_text())
    config.write_text(json.dumps(known | {"masking": False}))
    with pytest.raises(
        ResultsError, match=r"says `masking`, which is `gradient_masking` now: give"
    ):
        read_results(tmp_path)
    few = {name: known[name] for name in known.keys() - {"detectors", "fprs", "seed"}}
    config.write_text(json.dumps(few))
    with pytest.raises(ResultsError, match=r"damaged \(no detectors, fprs, seed\)"):
        read_results(tmp_path)
    for name, value in {"n": -5, "seed": -1, "detectors": {}, "ensembles": 5}.items():
        config.write_text(json.dumps(known | {name: value}))
        with pytest.raises(ResultsError, match=rf"config.json is damaged \({name} is {value}\)"):
            read_results(tmp_path)
    config.write_text(json.dumps(known | {"fprs": 0}))
    with pytest.raises(ResultsError, match=r"config.json is damaged \(fprs is 0\)"):
        read_results(tmp_path)
    config.write_bytes((runs[0] / "config.json").read_bytes())
    with pytest.raises(ResultsError, match=r"metrics.parquet is damaged"):
        read_results(tmp_path)
    table = pq.read_table(runs[0] / "metrics.parquet")
    pq.write_table(table.drop_columns(["value"]), metrics)
    with pytest.raises(ResultsError, match=r"metrics.parquet is damaged \(no column value\)"):
        read_results(tmp_path)
    text = table["value"].cast("string")
    pq.write_table(table.set_column(table.column_names.index("value"), "value", text), metrics)
    with pytest.raises(ResultsError, match=r"the column value is of string, not double\)"):
        read_results(tmp_path)
    pq.write_table(table.slice(0, 0), metrics)
    with pytest.raises(ResultsError, match=r"metrics.parquet is damaged \(no numbers\)"):
        read_results(tmp_path)
    for name, value, why in (
        ("n", None, "nulls"),
        ("metric", None, "nulls"),
        ("low", math.nan, "NaN values"),
    ):
        records = [record | {name: value} for record in table.to_pylist()]
        nullable = pa.schema([field.with_nullable(True) for field in table.schema])
        pq.write_table(pa.Table.from_pylist(records, nullable), metrics)
        with pytest.raises(ResultsError, match=rf"the column {name} has {why}\)"):
            read_results(tmp_path)
    for rates, shown in (([], r"\[\]"), (["5 %"], r"\['5 %'\]"), ([5.0], r"\[5.0\]")):
        config.write_text(json.dumps(known | {"fprs": rates}))
        with pytest.raises(ResultsError, match=rf"config.json is damaged \(fprs is {shown}\)"):
            read_results(tmp_path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr(pq, "read_table", refuse)
    with pytest.raises(ResultsError, match=r"metrics.parquet cannot be read \(Permission denied\)"):
        read_results(runs[0])


def test_rows_that_are_missing_are_missed(tmp_path: Path) -> None:
    results = read_results(write_run(tmp_path / "run"))
    rows = tmp_path / "run" / "rows.parquet"
    table = pq.read_table(rows)
    pq.write_table(table.slice(0, len(table) - 3), rows)
    with pytest.raises(
        ResultsError, match=r"rows.parquet is damaged \(57 rows of one .*, not 60\)"
    ):
        read_rows(results)
    pq.write_table(table.slice(0, 0), rows)
    with pytest.raises(ResultsError, match=r"rows.parquet is damaged \(no rows\)"):
        read_rows(results)


def test_a_run_of_before_there_were_targets_can_be_compared(
    runs: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((runs[0] / "config.json").read_bytes())
    table = pq.read_table(runs[0] / "metrics.parquet")
    pq.write_table(table.drop_columns(["target"]), tmp_path / "metrics.parquet")
    assert all(record["target"] is None for record in read_results(tmp_path).records)
