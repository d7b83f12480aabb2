"""The DAGs of `dags/`: parsing, and whole runs in this process."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drift_monitor.config import load_monitor
from drift_monitor.results.report import read_report
from tests.conftest import MakeMonitor
from tests.drift_monitor.airflow.conftest import DAGS
from tests.support.animals import make_images, write_batch

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


def parse(monitors: Path, monkeypatch: pytest.MonkeyPatch) -> "DagBag":
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("DRIFT_MONITOR_MONITORS", str(monitors))
    return DagBag(DAGS)


@pytest.mark.usefixtures("airflow_database")
def test_parsing_the_dags_imports_no_tensorflow() -> None:
    code = (
        "import sys; from airflow.dag_processing.dagbag import DagBag; "
        f"bag = DagBag({str(DAGS)!r}); assert not bag.import_errors, bag.import_errors; "
        "assert 'fashion_mnist' in bag.dags, list(bag.dags); "
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'scipy.stats'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("airflow_database")
def test_there_is_one_dag_per_monitor_with_its_three_tasks(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_monitor("cats").parent
    make_monitor("dogs", schedule="30 6 * * *", timezone="Europe/Berlin")
    make_monitor("owls", schedule=None)
    bag = parse(directory, monkeypatch)
    assert set(bag.dags) == {"cats", "dogs", "owls", "late_labels"}
    tasks = bag.dags["cats"].task_dict
    assert tasks["score_batch"].downstream_task_ids == {"write_report"}
    assert tasks["write_report"].downstream_task_ids == {"publish"}
    assert set(tasks) == {"score_batch", "write_report", "publish"}
    assert bag.dags["cats"].timetable.expression == "0 0 * * *"
    assert bag.dags["dogs"].timetable.expression == "30 6 * * *"
    assert bag.dags["owls"].schedule is None


@pytest.mark.usefixtures("airflow_database")
def test_a_broken_monitor_does_not_take_the_others_down(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_monitor("cats").parent
    (directory / "dogs.yaml").write_text("detector: x\ndata: {path: a, input: b}\ntypo: 1\n")
    make_monitor("owls", schedule="at six")
    february = make_monitor("thirty-first of February", schedule="0 0 31 2 *")
    february.write_text(february.read_text() + "name: february\n")
    namesake = make_monitor("namesake")
    namesake.write_text(namesake.read_text() + "name: cats\n")
    bag = parse(directory, monkeypatch)
    assert not bag.import_errors
    assert set(bag.dags) == {
        *("cats", "dogs.invalid", "namesake.invalid", "owls.invalid"),
        *("thirty-first_of_February.invalid", "late_labels"),
    }
    assert "typo" in (bag.dags["dogs.invalid"].doc_md or "")
    assert "'at six'" in (bag.dags["owls.invalid"].doc_md or "")


@pytest.mark.usefixtures("airflow_database")
def test_a_run_commits_the_interval(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_monitor("cats")
    write_batch(path.parent / "batches" / "2026-11-20.parquet", *make_images(150, seed=1))
    bag = parse(path.parent, monkeypatch)
    run = bag.dags["cats"].test(logical_date=datetime(2026, 11, 20, tzinfo=UTC))
    states = {ti.task_id: ti.state for ti in run.get_task_instances()}
    assert states == dict.fromkeys(("score_batch", "write_report", "publish"), "success")
    monitor = load_monitor(path)
    report = read_report(monitor.directory / "2026-11-20" / "report.json")
    assert report.counts.read == 150
    assert report.data_interval.start.date() == date(2026, 11, 20)
    assert (monitor.directory / "index.html").exists()
    assert not list(monitor.directory.glob(".*"))


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_batch_that_cannot_be_read_fails_the_run_and_commits_nothing(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = make_monitor(f"cats-{damage[:3]}")
    if damage == "cut short":
        batch = write_batch(
            path.parent / "batches" / "2026-11-20.parquet", *make_images(50, seed=1)
        )
        batch.write_bytes(batch.read_bytes()[:-9])
    bag = parse(path.parent, monkeypatch)
    run = bag.dags[path.stem].test(logical_date=datetime(2026, 11, 20, tzinfo=UTC))
    states = {ti.task_id: ti.state for ti in run.get_task_instances()}
    assert states["score_batch"] == "failed"
    assert states["publish"] == "upstream_failed"
    assert not load_monitor(path).directory.exists()
