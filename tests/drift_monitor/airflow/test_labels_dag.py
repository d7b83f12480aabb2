"""The DAG `late_labels`: parsing, and whole runs in this process."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drift_monitor.config import Monitor, load_monitor
from drift_monitor.job.run import run_interval
from drift_monitor.results.report import Report, read_report
from tests.conftest import MakeMonitor
from tests.drift_monitor.airflow.conftest import DAGS
from tests.support.animals import make_images, write_batch

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

pytestmark = pytest.mark.usefixtures("airflow_database")
DAG = "late_labels"
DAYS = [date(2026, 11, 20), date(2026, 11, 21)]


def parse(monitors: Path, monkeypatch: pytest.MonkeyPatch) -> "DagBag":
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("DRIFT_MONITOR_MONITORS", str(monitors))
    return DagBag(DAGS)


def prepare(make_monitor: MakeMonitor) -> tuple[Monitor, Path]:
    """Two days without labels, and a file with all of them."""
    path = make_monitor("cats", examples=0)
    monitor = load_monitor(path)
    ids, classes = [], []
    for day in DAYS:
        images, labels = make_images(120, seed=day.day)
        write_batch(path.parent / "batches" / f"{day}.parquet", images, prefix=f"{day}/")
        run_interval(monitor, monitor.interval(day))
        ids += [f"{day}/{i}" for i in range(len(labels))]
        classes += labels.tolist()
    file = path.parent / "labels" / "labels.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"id": ids, "label": classes}), file)
    return monitor, file


def run(make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch, **conf: object) -> Any:
    bag = parse(make_monitor("dogs").parent, monkeypatch)
    params = {"monitor": "cats", "start": f"{DAYS[0]}", "end": f"{DAYS[1]}"}
    when = datetime(2026, 12, 1, tzinfo=UTC)
    return bag.dags[DAG].test(logical_date=when, run_conf=params | conf)


def states(dag_run: Any) -> list[str]:
    return [str(ti.state) for ti in dag_run.get_task_instances()]


def report(monitor: Monitor, day: date) -> Report:
    return read_report(monitor.directory / f"{day}" / "report.json")


def test_there_is_one_dag_for_all_monitors_and_none_takes_its_name(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_monitor("cats").parent
    make_monitor("dogs")
    make_monitor(DAG)
    bag = parse(directory, monkeypatch)
    assert not bag.import_errors
    assert set(bag.dags) == {"cats", "dogs", f"{DAG}.invalid", DAG}
    assert bag.dags[DAG].schedule is None
    assert bag.dags[DAG].params.get_param("monitor").schema["enum"] == ["cats", "dogs"]


def test_a_run_labels_the_intervals_and_hands_on_their_verdicts(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, file = prepare(make_monitor)
    dag_run = run(make_monitor, monkeypatch, labels=str(file.parent))
    assert (dag_run.state, states(dag_run)) == ("success", ["success"])
    (task,) = dag_run.get_task_instances()
    assert task.xcom_pull(task_ids=task.task_id) == {
        f"{day}": report(monitor, day).verdict.verdict for day in DAYS
    }
    for day in DAYS:
        assert report(monitor, day).counts.labelled == 120
        assert report(monitor, day).harm.by == "labels"


@pytest.mark.parametrize(
    "conf",
    [
        {"labels": "nowhere.parquet"},
        {"start": "yesterday"},
        {"end": "2026-11-19"},
        {"start": "2027-01-01", "end": "2027-01-02"},
        {"label": "truth"},
    ],
)
def test_what_is_wrong_fails_the_run_and_changes_nothing(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch, conf: dict[str, object]
) -> None:
    monitor, file = prepare(make_monitor)
    dag_run = run(make_monitor, monkeypatch, **{"labels": str(file)} | conf)
    assert dag_run.state == "failed"
    assert [report(monitor, day).counts.labelled for day in DAYS] == [0, 0]


def test_a_monitor_that_is_not_there_cannot_be_asked_for(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError, match="'parrots' is not one of"):
        run(make_monitor, monkeypatch, monitor="parrots", labels="labels.parquet")


def test_one_interval_that_fails_stops_no_other(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor, file = prepare(make_monitor)
    (monitor.directory / f"{DAYS[0]}" / "scores.parquet").write_bytes(b"cut short")
    dag_run = run(make_monitor, monkeypatch, labels=str(file))
    assert states(dag_run) == ["failed"]
    assert report(monitor, DAYS[1]).counts.labelled == 120


def test_parsing_imports_nothing_heavy(make_monitor: MakeMonitor) -> None:
    directory = make_monitor("cats").parent
    code = (
        f"import os, sys; os.environ['DRIFT_MONITOR_MONITORS'] = {str(directory)!r}; "
        "from airflow.dag_processing.dagbag import DagBag; "
        f"bag = DagBag({str(DAGS)!r}); assert {DAG!r} in bag.dags, bag.import_errors; "
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'scipy.stats'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
