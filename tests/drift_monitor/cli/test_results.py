"""The commands about committed results: what they print, write, and exit with."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from adversarial.storage.opening import open_folder
from drift_monitor.config import load_monitor
from drift_monitor.job.run import run_interval
from drift_monitor.results.export import history_table
from drift_monitor.results.report import Report, VerdictName, read_report
from drift_monitor.verdict.next_action import next_action
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import make_images, write_batch
from tests.support.reports.cases import Case
from tests.support.reports.make import make
from tests.support.s3_server import s3_server

DAYS = [date(2026, 11, 20) + timedelta(days=i) for i in range(3)]
CASE = Case(labels=True, rows=400, examples=0)


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Path:
    """A monitor with three committed days, the second harmed."""
    path = make_monitor()
    for day in DAYS:
        commit(path, day)
    return path


def commit(monitor: Path, day: date) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    verdict: VerdictName = "harmful_drift" if day == DAYS[1] else "no_drift"
    report, scores = make(replace(CASE, verdict=verdict, start=start, monitor="animals"))
    directory = load_monitor(monitor).directory / f"{day}"
    directory.mkdir(parents=True)
    pq.write_table(scores, directory / "scores.parquet")
    (directory / "report.json").write_text(report.to_json(), encoding="utf-8")


def place(monitor: Path, day: date = DAYS[1]) -> Path:
    return load_monitor(monitor).directory / f"{day}"


def read(monitor: Path, day: date = DAYS[1]) -> Report:
    return read_report(place(monitor, day) / "report.json")


def unlabelled(make_monitor: MakeMonitor) -> tuple[Path, Path]:
    """A monitor with two days run without labels, and a file with all of them and one more."""
    path = make_monitor(examples=0)
    monitor = load_monitor(path)
    ids, classes = [], []
    for day in DAYS[:2]:
        images, labels = make_images(120, seed=day.day)
        write_batch(path.parent / "batches" / f"{day}.parquet", images, prefix=f"{day}/")
        run_interval(monitor, monitor.interval(day))
        ids += [f"{day}/{i}" for i in range(120)]
        classes += labels.tolist()
    table = pa.table({"id": [*ids, "nobody"], "label": [*classes, 0]})
    pq.write_table(table, path.parent / "labels.parquet")
    return path, path.parent / "labels.parquet"


def test_labels_says_what_became_of_each_interval(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor, file = unlabelled(make_monitor)
    words = ("labels", monitor, "--labels", file, "--start", DAYS[0], "--end", DAYS[2])
    code, out, _ = invoke(*words)
    assert code == 0
    assert f"241 labels in {file}" in out
    assert "1 of them are for rows that no interval of the range has scored" in out
    for day in DAYS[:2]:
        assert f"{day}: no_drift -> no_drift" in out
    assert out.count("120 of 120 scored rows are labelled") == 2
    assert "2026-11-20" in (load_monitor(monitor).directory / "index.html").read_text()
    before = (place(monitor) / "report.json").read_bytes()
    assert invoke(*words)[0] == 0
    assert (place(monitor) / "report.json").read_bytes() == before


def test_labels_goes_on_after_an_interval_that_fails(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor, file = unlabelled(make_monitor)
    (place(monitor, DAYS[0]) / "scores.parquet").write_bytes(b"cut short")
    code, out, err = invoke(
        "labels", monitor, "--labels", file, "--start", DAYS[0], "--end", DAYS[1]
    )
    assert code == 1
    assert f"{DAYS[0]}: Error: " in err
    assert "1 of 2 intervals failed and are unchanged" in err
    assert f"{DAYS[1]}: no_drift -> no_drift" in out
    assert read(monitor, DAYS[1]).counts.labelled == 120


def test_labels_takes_columns_by_name_and_refuses_a_range_that_ends_before_it_starts(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor, file = unlabelled(make_monitor)
    pq.write_table(pq.read_table(file).rename_columns(["request", "truth"]), file)
    words = ("labels", monitor, "--labels", file, "--start", DAYS[0], "--end", DAYS[1])
    assert "has no column 'id'" in invoke(*words)[2]
    assert invoke(*words, "--id", "request", "--label", "truth")[0] == 0
    assert invoke(*words[:4], "--start", DAYS[1], "--end", DAYS[0])[0] == 2


def test_rows_lists_the_highest_scores_first(invoke: Invoke, monitor: Path) -> None:
    code, out, _ = invoke("rows", monitor, "--date", DAYS[1])
    assert code == 0
    scores = pq.read_table(place(monitor) / "scores.parquet")
    order = sorted(scores.to_pylist(), key=lambda row: -row["adversarial_score"])
    listed = [line.split()[0] for line in out.splitlines() if line.strip().startswith("r0")]
    assert listed == [row["row_id"] for row in order[:20]]
    assert out.endswith("20 of 400 rows\n")
    assert invoke("rows", monitor, "--date", DAYS[1], "--limit", "3")[1].endswith("3 of 400 rows\n")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_writes_all_that_are_asked_for(
    invoke: Invoke, monitor: Path, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"rows{suffix}"
    options = ("--outcome", "harmful", "--flagged", "--output", file)
    code, out, _ = invoke("rows", monitor, "--date", DAYS[1], *options)
    found = (pa_csv.read_csv if suffix == ".csv" else pq.read_table)(file)
    scores = pq.read_table(place(monitor) / "scores.parquet").to_pylist()
    expected = [row for row in scores if row["flagged"] and row["outcome"] == "harmful"]
    assert code == 0
    assert expected
    assert out == f"Wrote {file}: {len(expected)} of {len(expected)} rows\n"
    assert set(found["row_id"].to_pylist()) == {row["row_id"] for row in expected}
    assert found["adversarial_score"].to_pylist() == sorted(
        (row["adversarial_score"] for row in expected), reverse=True
    )
    assert set(found.column_names) >= {
        *("row_id", "prediction", "reconstruction_prediction", "corrected_prediction"),
        *("confidence", "adversarial_score", "probability_correct", "outcome", "label"),
        "country",
    }
    invoke("rows", monitor, "--date", DAYS[1], *options, "--limit", "2")
    assert len((pa_csv.read_csv if suffix == ".csv" else pq.read_table)(file)) == 2


def test_rows_puts_scores_that_are_not_finite_last_and_obeys_no_markup(
    invoke: Invoke, monitor: Path, tmp_path: Path
) -> None:
    scores = pq.read_table(place(monitor) / "scores.parquet")
    values = [float("nan"), float("inf"), *scores["adversarial_score"].to_pylist()[2:]]
    scores = scores.set_column(
        scores.schema.get_field_index("adversarial_score"), "adversarial_score", [values]
    )
    top = values.index(max(values[2:]))
    ids = scores["row_id"].to_pylist()
    ids[top] = "[red]x[/red]\x1b[31m"
    scores = scores.set_column(0, "row_id", [ids])
    pq.write_table(scores, place(monitor) / "scores.parquet")
    out = invoke("rows", monitor, "--date", DAYS[1], "--limit", "1")[1]
    assert "[red]x[/red]�[31m" in out
    assert "\x1b" not in out
    invoke("rows", monitor, "--date", DAYS[1], "--output", tmp_path / "rows.parquet")
    last = pq.read_table(tmp_path / "rows.parquet")["row_id"].to_pylist()[-2:]
    assert last == [ids[0], ids[1]]


@pytest.mark.parametrize("row_ids", [True, False])
def test_the_command_in_a_report_is_one_that_rows_takes(
    invoke: Invoke, monitor: Path, row_ids: bool
) -> None:
    report, scores = make(replace(CASE, row_ids=row_ids, monitor="animals"))
    pq.write_table(scores, place(monitor) / "scores.parquet")
    config = load_monitor(monitor)
    _, commands = next_action(
        "harmful_drift",
        report.counts,
        report.harm,
        report.accuracy,
        config,
        config.interval(DAYS[1]),
    )
    code, out, _ = invoke(*commands[0].split()[1:])
    assert code == 0
    assert "harmful" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--date", "2026-12-01"), 1, "has not been committed"),
        (("--date", DAYS[1], "--outcome", "bad"), 2, "--outcome"),
        (("--date", DAYS[1], "--limit", "0"), 2, "--limit"),
        (("--date", DAYS[1], "--output", "rows.txt"), 1, "neither .parquet nor .csv"),
        (("--date", DAYS[1], "--output", "nowhere/rows.csv"), 1, "nowhere"),
    ],
)
def test_rows_refuses(
    invoke: Invoke, monitor: Path, words: tuple[object, ...], code: int, message: str
) -> None:
    found, _, err = invoke("rows", monitor, *words)
    assert found == code
    assert message in err


def test_compare_prints_both_sides_and_writes_json(
    invoke: Invoke, monitor: Path, tmp_path: Path
) -> None:
    a, b = place(monitor, DAYS[0]), place(monitor, DAYS[1]) / "report.json"
    file = tmp_path / "comparison.json"
    code, out, _ = invoke("compare", a, b, "--json", file)
    assert code == 0
    assert "no_drift" in out
    assert "D of the scores" in out
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["harm_difference"]["estimate"] == pytest.approx(
        read(monitor, DAYS[1]).harm.current.rate - read(monitor, DAYS[0]).harm.current.rate  # type: ignore[union-attr]
    )
    assert "McNemar" in invoke("compare", a, a)[1]
    code, _, err = invoke("compare", a, tmp_path)
    assert (code, "has not been committed" in err) == (1, True)


def test_export_writes_the_whole_history(invoke: Invoke, monitor: Path, tmp_path: Path) -> None:
    expected = history_table([read(monitor, day) for day in DAYS])
    parquet, text = tmp_path / "history.parquet", tmp_path / "history.csv"
    assert invoke("export", monitor, "--output", parquet)[:2] == (
        0,
        f"Wrote {parquet}: 3 intervals\n",
    )
    assert pq.read_table(parquet).equals(expected)
    invoke("export", monitor, "--output", text)
    assert len(pa_csv.read_csv(text)) == len(expected)
    assert sorted(p.name for p in tmp_path.glob("*hist*")) == ["history.csv", "history.parquet"]


def test_tables_go_to_a_store_and_what_is_filled_in_or_collected_does_not(
    invoke: Invoke, monitor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ("rows", monitor, "--date", DAYS[1])
    both = (place(monitor, DAYS[0]), place(monitor, DAYS[1]))
    with s3_server() as bucket:
        for words, name in (
            (("export", monitor, "--output"), "history.csv"),
            ((*rows, "--output"), "rows.parquet"),
            (("compare", *both, "--json"), "comparison.json"),
        ):
            url = f"{bucket}/tables/{name}"
            for on_disk in (name, url):
                code, out, err = invoke(*words, on_disk)
                assert (code, f"Wrote {on_disk}" in out) == (0, True), err
            assert open_folder(f"{bucket}/tables").read(name) == Path(name).read_bytes()
        for refused, option in (
            ((*rows, "--random", 3), "--output"),
            (("export", monitor), "--prometheus"),
        ):
            code, _, err = invoke(*refused, option, f"{bucket}/tables/new.csv")
            assert (code, "is a URL" in err, option in err) == (1, True, True), err
            assert "name a local file" in " ".join(err.split())
        assert open_folder(f"{bucket}/tables").names() == sorted(
            ["history.csv", "rows.parquet", "comparison.json"]
        )
    assert not [path.name for path in tmp_path.iterdir() if ":" in path.name]


def test_export_without_a_file_prints_csv(monitor: Path, invoke: Invoke) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("export", monitor)[1])))
    assert [row["interval"] for row in rows if row["metric"] == "rows_read"] == [
        f"{day}" for day in DAYS
    ]


def test_export_gives_prometheus_the_latest_interval(
    invoke: Invoke, monitor: Path, tmp_path: Path
) -> None:
    file = tmp_path / "animals.prom"
    code, out, _ = invoke("export", monitor, "--prometheus", file)
    assert (code, out) == (0, f"Wrote {file}: {DAYS[2]}\n")
    end = read(monitor, DAYS[2]).data_interval.end.timestamp()
    samples = dict(line.rsplit(" ", 1) for line in file.read_text(encoding="utf-8").splitlines())
    name = 'drift_monitor_interval_end_timestamp_seconds{monitor="animals"}'
    assert float(samples[name]) == end


def test_export_names_a_report_that_cannot_be_read_and_writes_the_others(
    invoke: Invoke, monitor: Path, tmp_path: Path
) -> None:
    (place(monitor, DAYS[0]) / "report.json").write_text("{}", encoding="utf-8")
    file = tmp_path / "history.parquet"
    code, _, err = invoke("export", monitor, "--output", file)
    assert code == 1
    assert f"{DAYS[0]}/report.json is not a report of this version" in err
    assert "1 of 3 intervals are left out" in err
    assert set(pq.read_table(file)["interval"].to_pylist()) == {f"{day}" for day in DAYS[1:]}


def test_export_replaces_nothing_where_it_cannot_write(
    invoke: Invoke, make_monitor: MakeMonitor, monitor: Path, tmp_path: Path
) -> None:
    file = tmp_path / "history.xlsx"
    file.write_text("kept")
    assert invoke("export", monitor, "--output", file)[0] == 1
    assert file.read_text() == "kept"
    code, _, err = invoke("export", make_monitor("empty"))
    assert (code, "has no committed interval" in err) == (1, True)
