"""The DAG `adversarial_evaluation`: parsing, and whole runs in this process."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from drift_monitor.config import load_monitor
from drift_monitor.detectors.reference import rethreshold
from tests.conftest import MakeMonitor
from tests.drift_monitor.airflow.conftest import DAGS
from tests.support.animals import make_images, write_batch

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

pytestmark = pytest.mark.usefixtures("airflow_database")
DAG = "adversarial_evaluation"


def parse(monitors: Path, monkeypatch: pytest.MonkeyPatch) -> "DagBag":
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("DRIFT_MONITOR_MONITORS", str(monitors))
    return DagBag(DAGS)


def evaluated(make_monitor: MakeMonitor, name: str, **section: object) -> Path:
    path = make_monitor(
        name, evaluation={"path": "rows.parquet", "attacks": ["fgsm-0.1"]} | section
    )
    write_batch(path.parent / "rows.parquet", *make_images(200, seed=9))
    return path


def run(bag: "DagBag", **conf: object) -> Any:
    return bag.dags[DAG].test(logical_date=datetime(2026, 11, 23, tzinfo=UTC), run_conf=conf)


def states(dag_run: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for ti in dag_run.get_task_instances():
        found.setdefault(ti.task_id, []).append(str(ti.state))
    return found


def results(dag_run: Any) -> list[dict[str, Any]]:
    mapped = [ti for ti in dag_run.get_task_instances() if ti.task_id == "evaluate"]
    return [
        ti.xcom_pull(task_ids="evaluate", map_indexes=ti.map_index)
        for ti in sorted(mapped, key=lambda ti: ti.map_index)
    ]


def due(bag: "DagBag", run_type: str, when: datetime | None = None, **params: object) -> list[str]:
    task = bag.dags[DAG].task_dict["find_due"]
    paths = task.python_callable(
        *task.op_args,
        **task.op_kwargs,
        params={"monitor": None, "candidate": None} | params,
        dag_run=SimpleNamespace(run_type=run_type, logical_date=when),
    )
    return [Path(path).stem for path in paths]


def test_there_is_one_dag_for_all_monitors_with_the_section(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = evaluated(make_monitor, "cats").parent
    evaluated(make_monitor, "dogs", schedule="30 6 1 * *")
    evaluated(make_monitor, "owls", schedule=None)
    make_monitor("plain")
    evaluated(make_monitor, "badly-timed", schedule="61 * * * *")
    bag = parse(directory, monkeypatch)
    assert not bag.import_errors
    assert set(bag.dags) == {
        "cats",
        "dogs",
        "owls",
        "plain",
        "badly-timed.invalid",
        "late_labels",
        DAG,
    }
    assert "evaluation.schedule '61 * * * *'" in (bag.dags["badly-timed.invalid"].doc_md or "")
    assert set(bag.dags[DAG].task_dict) == {"find_due", "evaluate"}

    monday, first = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
    assert due(bag, "scheduled", monday) == ["cats"]
    assert due(bag, "scheduled", first) == ["dogs"]
    assert due(bag, "manual") == ["cats", "dogs", "owls"]
    assert due(bag, "manual", monitor="owls") == ["owls"]


def test_it_runs_whenever_some_monitor_is_due(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = evaluated(make_monitor, "cats").parent
    evaluated(make_monitor, "dogs", schedule="30 6 1 * *")
    timetable = parse(directory, monkeypatch).dags[DAG].timetable
    assert [one.expression for one in timetable.timetables] == ["0 0 * * 1", "30 6 1 * *"]
    (directory / "cats.yaml").unlink()
    evaluated(make_monitor, "dogs", schedule=None)
    assert parse(directory, monkeypatch).dags[DAG].schedule is None


def test_without_such_a_monitor_there_is_no_such_dag(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(parse(make_monitor("plain").parent, monkeypatch).dags) == {"plain", "late_labels"}


def test_no_monitor_takes_its_name(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = parse(evaluated(make_monitor, DAG).parent, monkeypatch)
    assert set(bag.dags) == {f"{DAG}.invalid"}


def test_a_run_evaluates_each_monitor_and_hands_on_where(
    make_monitor: MakeMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    paths = [evaluated(make_monitor, name) for name in ("cats", "dogs")]
    dag_run = run(parse(paths[0].parent, monkeypatch))
    with create_session() as session:
        told = [event.extra for event in session.scalars(select(AssetEvent))]
    for result in results(dag_run):  # in whatever order the tasks ran
        assert told.count(result) == 1
    assert states(dag_run) == {"find_due": ["success"], "evaluate": ["success", "success"]}
    for path, result in zip(paths, results(dag_run), strict=True):
        assert result["monitor"] == path.stem
        assert result["verdict"] is None
        assert Path(result["directory"]).parent == load_monitor(path).directory / "evaluations"
        assert Path(result["directory"], "evaluation.json").exists()


@pytest.mark.parametrize(("required", "state"), [(False, "success"), (True, "failed")])
def test_a_worse_candidate_fails_the_task_only_where_that_is_asked_for(
    make_monitor: MakeMonitor,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    required: bool,
    state: str,
) -> None:
    path = evaluated(make_monitor, "cats")
    candidate = rethreshold(bundle, 0.5, tmp_path / "candidate")
    bag = parse(path.parent, monkeypatch)
    dag_run = run(bag, monitor="cats", candidate=str(candidate), required=required)
    assert states(dag_run)["evaluate"] == [state]
    if not required:
        assert results(dag_run)[0]["verdict"] == "worse"


def test_an_equal_candidate_meets_what_is_required(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adversarial import AdversarialDetector
    from adversarial.detector.provenance import Provenance

    path = evaluated(make_monitor, "cats", limit=None, tolerance=0.1)
    again = Provenance(training={"note": "trained again"})
    AdversarialDetector.load(bundle).replace(provenance=again).save(tmp_path / "candidate")
    conf = {"monitor": "cats", "candidate": str(tmp_path / "candidate"), "required": True}
    dag_run = run(parse(path.parent, monkeypatch), **conf)
    assert states(dag_run)["evaluate"] == ["success"]
    assert results(dag_run)[0]["verdict"] == "equal"


@pytest.mark.parametrize(
    ("conf", "failed"),
    [
        ({"monitor": "parrots"}, "find_due"),
        ({"candidate": "somewhere"}, "find_due"),
        ({"monitor": "cats", "candidate": "nowhere"}, "evaluate"),
    ],
)
def test_what_is_wrong_fails_the_run(
    make_monitor: MakeMonitor,
    monkeypatch: pytest.MonkeyPatch,
    conf: dict[str, object],
    failed: str,
) -> None:
    path = evaluated(make_monitor, "cats")
    dag_run = run(parse(path.parent, monkeypatch), **conf)
    assert dag_run.state == "failed"
    assert states(dag_run)[failed] == ["failed"]
    assert not load_monitor(path).directory.exists()


def test_a_damaged_detector_is_not_evaluated_and_the_others_are(
    make_monitor: MakeMonitor, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated(make_monitor, "cats")
    shutil.copytree(bundle, tmp_path / "damaged")
    (tmp_path / "damaged" / "autoencoder.keras").unlink()
    path = make_monitor(
        "dogs", detector="damaged", evaluation={"path": "rows.parquet", "attacks": ["fgsm-0.1"]}
    )
    dag_run = run(parse(path.parent, monkeypatch))
    assert sorted(states(dag_run)["evaluate"]) == ["failed", "success"]


def test_parsing_imports_no_tensorflow(make_monitor: MakeMonitor) -> None:
    directory = evaluated(make_monitor, "cats").parent
    code = (
        f"import os, sys; os.environ['DRIFT_MONITOR_MONITORS'] = {str(directory)!r}; "
        "from airflow.dag_processing.dagbag import DagBag; "
        f"bag = DagBag({str(DAGS)!r}); assert {DAG!r} in bag.dags, bag.import_errors; "
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'scipy.stats'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
