"""Airflow as it is run: scheduler, API server and executor, and the commands that start runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from drift_monitor.config import load_monitor
from drift_monitor.results.report import Report, read_report
from tests.drift_monitor.airflow.conftest import DAGS
from tests.support.animals import make_images, write_batch

AIRFLOW = str(Path(sys.executable).with_name("airflow"))
TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=n) for n in range(8)]
"""Today first; each day's batch has a size of its own, by which a report shows what it read."""


def size(day: date) -> int:
    return 120 + (TODAY - day).days


def environment(home: Path, monitors: Path) -> dict[str, str]:
    port, *log_ports = free_ports(3)
    return os.environ | {
        # `airflow standalone` starts its parts by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        # SQLite gives up on a lock after 5 s, which a busy machine's scheduler can hold for longer.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        # The monitor is there a little later than Airflow, and is to be seen soon.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_ports[0]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_ports[1]),
        "DRIFT_MONITOR_MONITORS": str(monitors),
    }


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def monitor_file(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A daily monitor. Nothing is caught up: its schedule has one interval to run, yesterday's."""
    directory = tmp_path_factory.mktemp("monitors")
    path = directory / "animals.yaml"
    path.write_text(
        f"detector: {bundle}\nreports: reports\nstart_date: {DAYS[7]}\n"
        "data: {path: 'batches/{date}.parquet', input: image, row_id: id, label: label}\n"
    )
    for day in DAYS:
        images, labels = make_images(size(day), seed=4)
        write_batch(directory / "batches" / f"{day}.parquet", images, labels)
    return path


@pytest.fixture(scope="module")
def airflow(
    monitor_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """`airflow standalone`; gives the environment in which its commands reach it.

    The monitor comes when Airflow is up: on a busy machine the scheduler is, long before the API
    server that its tasks ask, and a task that finds none has failed.
    """
    home = tmp_path_factory.mktemp("standalone")
    settings = environment(home, monitor_file.parent)
    to_come = monitor_file.rename(monitor_file.with_suffix(".to-come"))
    with (home / "standalone.log").open("w") as log:
        process = subprocess.Popen(
            [AIRFLOW, "standalone"],
            env=settings,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        port = settings["AIRFLOW__API__PORT"]
        wait_until(lambda: is_answered(port), "the API server does not answer", settings)
        to_come.rename(monitor_file)
        yield settings
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def run(settings: dict[str, str], *words: str) -> None:
    """Run a command of Airflow's, again where SQLite gave up.

    It does, at once and whatever its timeout, where two transactions that have read want to write.
    Half a backfill is then there, and another is refused until the scheduler has ended it.
    """
    until, is_locked = time.monotonic() + 240, False
    while True:
        done = subprocess.run(
            [AIRFLOW, *words],
            env=settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        is_locked = is_locked or "database is locked" in done.stdout + done.stderr
        if done.returncode == 0 or not is_locked or time.monotonic() > until:
            break
        time.sleep(5)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def wait_until(holds: Callable[[], bool], otherwise: str, settings: dict[str, str]) -> None:
    until = time.monotonic() + 240
    while not holds():
        if time.monotonic() > until:
            log = Path(settings["AIRFLOW_HOME"], "standalone.log").read_text(errors="replace")
            pytest.fail(f"{otherwise}; the end of Airflow's log:\n{log[-4000:]}")
        time.sleep(1)


def is_answered(port: str) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("localhost", int(port))) == 0


def await_report(monitor_file: Path, day: date, settings: dict[str, str]) -> Report:
    path = load_monitor(monitor_file).directory / day.isoformat() / "report.json"
    wait_until(path.exists, f"no report for {day}", settings)
    return read_report(path)


def test_scheduled_backfilled_and_triggered_runs_process_the_right_batch(
    airflow: dict[str, str], monitor_file: Path
) -> None:
    scheduled = await_report(monitor_file, DAYS[1], airflow)
    assert scheduled.counts.read == size(DAYS[1])

    run(
        airflow,
        *("backfill", "create", "--dag-id", "animals", "--max-active-runs", "2"),
        *("--from-date", DAYS[4].isoformat(), "--to-date", DAYS[3].isoformat()),
    )
    run(
        airflow,
        *("dags", "trigger", "animals", "--conf", json.dumps({"batch_date": f"{DAYS[6]}"})),
    )
    for day in (DAYS[4], DAYS[3], DAYS[6]):
        assert await_report(monitor_file, day, airflow).counts.read == size(day)

    # A run removes its staging folder only after the report is in place.
    kept = [p.name for p in load_monitor(monitor_file).directory.iterdir() if p.is_dir()]
    committed = [name for name in kept if not name.startswith(".staging-")]
    assert sorted(committed) == sorted(f"{DAYS[n]}" for n in (1, 3, 4, 6))


def test_dags_test_processes_the_date_it_is_given(monitor_file: Path, tmp_path: Path) -> None:
    settings = environment(tmp_path, monitor_file.parent)
    run(settings, "db", "migrate")
    run(settings, "dags", "test", "animals", DAYS[7].isoformat())
    assert await_report(monitor_file, DAYS[7], settings).counts.read == size(DAYS[7])
