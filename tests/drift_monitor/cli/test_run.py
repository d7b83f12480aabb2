"""The command line: what it prints, leaves behind, and exits with."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial.bundle.manifest import SCORING_GRAPH, SCORING_GRAPH_WEIGHTS
from adversarial.bundle.read import read_bundle
from adversarial.bundle.write import rewrite_bundle
from drift_monitor.config import load_monitor
from drift_monitor.job.backfill import Backfill
from drift_monitor.results.report import VerdictName
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import make_images, write_batch
from tests.support.job.monitors import write_day
from tests.support.reports.cases import CASES, SMALL
from tests.support.reports.make import make


def test_help_and_parsing_import_nothing_heavy() -> None:
    code = (
        "import sys, drift_monitor.cli.main; "
        "heavy = {'tensorflow', 'keras', 'airflow', 'matplotlib', 'scipy', 'pandas', 'pyarrow', "
        "'numpy', 'pydantic'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


DAY = "2026-11-20"


def test_run_prints_the_verdict_and_where_the_report_is(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    write_day(monitor)
    code, out, _ = invoke("run", monitor, "--date", DAY)
    page = load_monitor(monitor).directory / DAY / "report.html"
    assert code == 0
    assert out.startswith(f"{DAY}: no_drift. ")
    assert str(page) in out
    assert page.exists()


def no_input_column(monitor: Path) -> str:
    path = write_day(monitor)
    pq.write_table(pq.read_table(path).drop_columns("image"), path)
    return str(path)


def cut_short(monitor: Path) -> str:
    path = write_day(monitor)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return str(path)


def no_rows(monitor: Path) -> str:
    path = write_day(monitor)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    return str(path)


def no_file(monitor: Path) -> str:
    return str(monitor.parent / "batches" / f"{DAY}.parquet")


def flipped_byte(monitor: Path) -> str:
    write_day(monitor)
    copy = monitor.parent / "detector"
    shutil.copytree(load_monitor(monitor).detector, copy)
    model = copy / "classifier.keras"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 0x10
    model.write_bytes(data)
    text = monitor.read_text()
    monitor.write_text(re.sub(r"detector: .*", "detector: detector", text))
    return str(model)


def no_bundle(monitor: Path) -> str:
    write_day(monitor)
    monitor.write_text(re.sub(r"detector: .*", "detector: nowhere", monitor.read_text()))
    return str(monitor.parent / "nowhere")


def misspelt_field(monitor: Path) -> str:
    monitor.write_text(monitor.read_text() + "polcy: {}\n")
    return str(monitor)


@pytest.mark.parametrize(
    ("prepare", "remedy"),
    [
        (no_input_column, "Name the right column"),
        (cut_short, "write it again"),
        (no_rows, "check the job that writes it"),
        (no_file, "has run"),
        (flipped_byte, "restore the bundle"),
        (no_bundle, "restore the bundle"),
        (misspelt_field, "polcy"),
    ],
)
def test_bad_input_is_one_paragraph_that_names_file_and_remedy(
    invoke: Invoke, make_monitor: MakeMonitor, prepare: Callable[[Path], str], remedy: str
) -> None:
    monitor = make_monitor()
    file = prepare(monitor)
    before = sorted(monitor.parent.rglob("*"))
    code, _, err = invoke("run", monitor, "--date", DAY)
    assert code == 1
    assert file in err
    assert remedy in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert sorted(monitor.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ("run",),
        ("run", "m.yaml", "--date", "yesterday"),
        ("backfill", "m.yaml", "--start", "2026-11-20", "--end", "2026-11-19"),
        ("fit", "--fpr", "1.5", "--classifier", "c", "--data", "d", "--output", "o"),
        ("unheard-of",),
        ("threshold", "detector"),
        ("threshold", "detector", "--fpr", "0"),
        ("reference", "detector"),
        ("reference", "detector", "--data", "d", "--fpr", "0"),
        ("reference", "detector", "--data", "d", "--input", ","),
        ("fit", "--input", ",", "--classifier", "c", "--data", "d", "--output", "o"),
        ("fit", "--input", "@nothing.txt", "--classifier", "c", "--data", "d", "--output", "o"),
        ("fit", "--shape", "3x1", "--classifier", "c", "--data", "d", "--output", "o"),
    ],
)
def test_wrong_usage_exits_with_2(invoke: Invoke, words: tuple[str, ...]) -> None:
    assert invoke(*words)[0] == 2


def test_harmful_drift_exits_with_3_only_where_asked(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    images, labels = make_images(150, seed=4)
    path = monitor.parent / "batches" / f"{DAY}.parquet"
    write_batch(path, images, (labels + 1) % 3)
    code, out, _ = invoke("run", monitor, "--date", DAY)
    assert (code, out.split(".")[0]) == (0, f"{DAY}: harmful_drift")
    assert invoke("run", monitor, "--date", DAY, "--fail-on", "harmful_drift")[0] == 3
    words = ("--start", DAY, "--end", DAY, "--fail-on", "harmful_drift")
    assert invoke("backfill", monitor, *words, "--overwrite")[0] == 3
    write_batch(path, images, labels)
    assert invoke("run", monitor, "--date", DAY, "--fail-on", "harmful_drift")[0] == 0


@pytest.mark.parametrize(
    ("fail_on", "expected"),
    [
        ("harmful_drift", ["harmful_drift"]),
        ("unknown", ["harmful_drift", "drift_harm_unknown"]),
        (None, []),
    ],
)
def test_a_verdict_exits_with_3_where_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    invoke: Invoke,
    make_monitor: MakeMonitor,
    fail_on: str | None,
    expected: list[str],
) -> None:
    report, monitor = make(SMALL)[0], make_monitor()
    words = ("--fail-on", fail_on) if fail_on else ()
    failed = []
    for name in get_args(VerdictName):
        verdict = report.verdict.model_copy(update={"verdict": name})
        found = report.model_copy(update={"verdict": verdict})
        monkeypatch.setattr(
            "drift_monitor.job.run.run_interval", lambda *_, found=found, **__: found
        )
        monkeypatch.setattr(
            "drift_monitor.job.backfill.backfill",
            lambda *_, found=found, **__: Backfill({DAY: found}, {}),
        )
        code = invoke("run", monitor, "--date", DAY, *words)[0]
        assert invoke("backfill", monitor, "--start", DAY, "--end", DAY, *words)[0] == code
        assert code in (0, 3)
        failed += [name] * (code == 3)
    assert failed == expected


def test_run_prints_what_moved_and_what_the_rows_look_like(
    monkeypatch: pytest.MonkeyPatch, invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    report = make(CASES["unknown"])[0]
    monkeypatch.setattr("drift_monitor.job.run.run_interval", lambda *_, **__: report)
    out = invoke("run", make_monitor(), "--date", DAY)[1]
    assert out.startswith(f"{DAY}: drift_harm_unknown. The scores moved")
    assert "\n  brightness moved most" in out
    assert "\n  38% of rows look like gaussian blur" in out


def test_backfill_runs_what_is_missing_and_goes_on_after_a_failure(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    days = [str(date(2026, 11, 18) + timedelta(days=n)) for n in range(4)]
    for day in days:
        write_day(monitor, day)
    gap = monitor.parent / "batches" / f"{days[1]}.parquet"
    gap.rename(gap.with_suffix(".late"))
    words = ("backfill", monitor, "--start", days[0], "--end", days[3])

    code, out, err = invoke(*words)
    assert code == 1
    assert [line[:10] for line in out.splitlines() if "no_drift" in line] == [days[0], *days[2:]]
    assert f"{days[1]}: Error: " in err
    assert "1 of 4 intervals failed" in err

    gap.with_suffix(".late").rename(gap)
    code, out, _ = invoke(*words)
    assert code == 0
    assert "Skipping 3 committed intervals" in out
    assert [line[:10] for line in out.splitlines() if "no_drift" in line] == [days[1]]

    assert invoke(*words)[1].splitlines() == ["Skipping 4 committed intervals (see --overwrite)"]
    code, out, _ = invoke(*words, "--overwrite")
    assert out.count("no_drift") == 4


def test_a_backfill_makes_a_report_of_an_earlier_version_anew(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    write_day(monitor)
    assert invoke("run", monitor, "--date", DAY)[0] == 0
    file = monitor.parent / "reports" / "animals" / DAY / "report.json"
    written = file.read_text(encoding="utf-8")
    file.write_text(json.dumps(json.loads(written) | {"schema_version": "2"}), encoding="utf-8")
    code, _, err = invoke("rows", monitor, "--date", DAY)
    assert (code, f"--start {DAY} --end {DAY} --overwrite" in err) == (1, True)
    assert invoke("backfill", monitor, "--start", DAY, "--end", DAY, "--overwrite")[0] == 0
    assert file.read_text(encoding="utf-8") == written


def test_an_interval_run_alone_and_in_a_backfill_gives_the_same_report(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    write_day(monitor)
    invoke("run", monitor, "--date", DAY)
    report = load_monitor(monitor).directory / DAY / "report.json"
    alone = report.read_bytes()
    invoke("backfill", monitor, "--start", DAY, "--end", DAY, "--overwrite")
    assert report.read_bytes() == alone


def test_report_writes_the_pages_again(invoke: Invoke, make_monitor: MakeMonitor) -> None:
    monitor = make_monitor()
    write_day(monitor)
    invoke("run", monitor, "--date", DAY)
    directory = load_monitor(monitor).directory
    pages = [directory / DAY / "report.html", directory / "index.html"]
    before = [page.read_bytes() for page in pages]
    for page in pages:
        page.unlink()
    assert invoke("report", monitor)[0] == 0
    assert [page.read_bytes() for page in pages] == before
    code, _, err = invoke("report", monitor, "--date", "2026-11-19")
    assert code == 1
    assert "run it first" in err


def test_validate_checks_config_bundle_and_batch(invoke: Invoke, make_monitor: MakeMonitor) -> None:
    monitor = make_monitor()
    write_day(monitor)
    code, out, _ = invoke("validate", monitor, "--date", DAY)
    assert code == 0
    assert "150 rows in 1 files, columns as declared" in out
    assert "the first 150 rows can be scored, and their classes are the detector's" in out
    write_batch(write_day(monitor), make_images(150, seed=4)[0])
    assert "no column 'label' (data.label)" in invoke("validate", monitor, "--date", DAY)[1]
    no_input_column(monitor)
    code, _, err = invoke("validate", monitor, "--date", DAY)
    assert code == 1
    assert "'image'" in err


def test_validate_decodes_the_first_rows_as_a_run_would(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    day = write_day(monitor)
    table = pq.read_table(day)

    def write(name: str, values: pa.Array) -> None:
        at = table.column_names.index(name)
        pq.write_table(table.set_column(at, name, values), day)

    images = table["image"].to_pylist()
    write("image", pa.array([*images[:7], b"no image", *images[8:]], table["image"].type))
    code, _, err = invoke("validate", monitor, "--date", DAY)
    assert code == 0
    assert f"1 of the first 150 rows cannot be scored: {day}, row 7" in " ".join(err.split())
    write("image", pa.array([b"no image"] * 150, table["image"].type))
    code, _, err = invoke("validate", monitor, "--date", DAY)
    assert code == 1
    assert "150 of the first 150 rows cannot be scored" in " ".join(err.split())
    write("label", pa.array(["cat", "dgo", *["owl"] * 148]))
    code, _, err = invoke("validate", monitor, "--date", DAY)
    assert code == 1
    assert "row 1: column 'label' is 'dgo'" in " ".join(err.split())


def test_validate_looks_into_as_many_files_as_have_these_rows(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor(data={"path": "batches/{date}/*.parquet"})
    for name, labels in (("a", [0] * 20), ("b", [7] * 20)):
        path = monitor.parent / "batches" / DAY / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_batch(path, make_images(20, seed=4)[0], np.array(labels), prefix=name)
    code, _, err = invoke("validate", monitor, "--date", DAY)
    assert code == 1
    assert "b.parquet, row 0: column 'label' is 7" in " ".join(err.split())


def test_a_batch_of_one_row_has_insufficient_data(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor()
    write_day(monitor, n=1)
    code, out, err = invoke("run", monitor, "--date", DAY)
    assert code == 0, err
    assert "insufficient_data" in out


def test_sensitive_inputs_that_the_bundle_keeps_are_warned_of_once(
    invoke: Invoke, make_monitor: MakeMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    shown, hidden = make_monitor("shown"), make_monitor("hidden", data={"show_inputs": False})
    for monitor, n in ((shown, 0), (hidden, 1)):
        write_day(monitor)
        _, _, err = invoke("validate", monitor)
        assert " ".join(err.split()).count("runtime_sample.npz (--no-runtime-sample") == n
        caplog.clear()
        for _ in range(2):
            assert invoke("run", monitor, "--date", DAY)[0] == 0
        assert sum("calls inputs sensitive" in text for text in caplog.messages) == n


def test_validate_refuses_openvino_for_a_bundle_without_a_scoring_graph(
    invoke: Invoke, make_monitor: MakeMonitor, bundle: Path, tmp_path: Path
) -> None:
    graph = frozenset({SCORING_GRAPH, SCORING_GRAPH_WEIGHTS})
    path = tmp_path / "without_graph"
    rewrite_bundle(read_bundle(bundle), path, replaced=graph)
    monitor = make_monitor(detector=str(path), runtime="openvino")
    code, _, err = invoke("validate", monitor)
    assert code == 1
    assert "runtime is openvino, but the bundle has no scoring graph" in " ".join(err.split())


def test_validate_finds_a_path_that_is_the_same_for_every_interval(
    invoke: Invoke, make_monitor: MakeMonitor
) -> None:
    code, _, err = invoke("validate", make_monitor(data={"path": "batches/all.parquet"}))
    assert code == 1
    assert "data.path gives the same files" in err


def test_a_run_that_is_terminated_leaves_nothing_behind(make_monitor: MakeMonitor) -> None:
    monitor = make_monitor(batch_size=1)
    write_day(monitor, n=20_000)
    command = [str(Path(sys.executable).with_name("drift-monitor")), "run", str(monitor)]
    process = subprocess.Popen([*command, "--date", DAY], stderr=subprocess.DEVNULL)
    directory = load_monitor(monitor).directory
    while process.poll() is None and not list(directory.glob(".staging-*/*scores.arrow")):
        time.sleep(0.1)
    process.terminate()
    assert process.wait(60) == 143
    assert not directory.exists()


def test_names_of_columns_cannot_act_on_the_terminal(
    make_monitor: MakeMonitor, invoke: Invoke
) -> None:
    path = make_monitor(data={"label": None})
    batch = write_batch(path.parent / f"batches/{DAY}.parquet", *make_images(20, seed=1))
    table = pq.read_table(batch)
    pq.write_table(table.rename_columns(["\x1b[2Jid", "image", "site", "label"]), batch)
    code, out, err = invoke("run", path, "--date", DAY)
    assert code == 1
    assert "\x1b" not in out + err
    assert r"it has \x1b[2Jid, image" in err
