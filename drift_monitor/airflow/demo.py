"""`drift-monitor demo`: the quickstart's week through the real DAG, in a scratch Airflow home."""

import os
import shutil
import time
import warnings
from datetime import UTC, datetime
from datetime import time as clock_time
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from adversarial.errors import DriftMonitorError
from adversarial.extras import require_training
from adversarial.reporting.terminal_table import print_table
from drift_monitor.airflow.demo_week import WEEK, Day, make_week
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.errors import ConfigError
from drift_monitor.pages.html import VERDICTS
from drift_monitor.results.report import Report, read_report
from drift_monitor.results.store import REPORT


def run_demo(monitor_file: Path, example: Path) -> bool:
    """Make the week, run it through Airflow, print the verdicts.

    Each day is one run of the monitor's DAG, in this process, against an SQLite metadata database
    in a scratch AIRFLOW_HOME beside the reports; no scheduler or server is started.

    Parameters
    ----------
    monitor_file : Path
        The quickstart's monitor, in the directory that holds the monitors.
    example : Path
        Directory with `test.parquet`.

    Returns
    -------
    bool
        Whether every verdict is the right one.

    Raises
    ------
    DriftMonitorError
        If the quickstart's files are missing, or Airflow is not installed.
    """
    require_training("drift-monitor demo")
    from adversarial.detector.detector import AdversarialDetector

    console = Console()
    started = time.monotonic()
    images = example / "test.parquet"
    if not images.exists():
        raise ConfigError(
            f"{images} not found: run the demo from a checkout of the repository, or name the "
            "quickstart's directory with --example"
        )
    if find_spec("airflow") is None:
        raise DriftMonitorError(
            "Airflow is not installed: install the package with its extra 'airflow' "
            "(make setup does, and so does pip install '.[airflow]')"
        )
    monitor = load_monitor(monitor_file)
    console.print(f"Making a week of production batches from {images} …")
    detector = AdversarialDetector.load(monitor.detector, monitor.trust)
    make_week(images, detector, monitor)

    console.print("Running the DAG for each day …")
    _set_up_airflow(Path(monitor.reports).parent / "airflow", monitor_file.resolve().parent)
    reports = []
    for day in WEEK:
        _run_dag(monitor.name, day)
        reports.append(_read(monitor, day))
        verdict = VERDICTS[reports[-1].verdict.verdict]
        console.print(f"  {day.date:%a %Y-%m-%d}  {verdict}", highlight=False)

    print_table(
        ["Day", "What happened", "Harm by", "Harm", "Ref.", "D", "Verdict"],
        [_row(day, report) for day, report in zip(WEEK, reports, strict=True)],
        right=("Harm", "Ref.", "D"),
    )
    index = (monitor.directory / "index.html").resolve()
    console.print(f"\nReports: {index}", soft_wrap=True, highlight=False)
    console.print(f"Took {time.monotonic() - started:.0f} s", highlight=False)
    wrong = [
        day.date
        for day, report in zip(WEEK, reports, strict=True)
        if report.verdict.verdict != day.expected
    ]
    for date in wrong:
        console.print(f"[red]Not the expected verdict: {date}[/red]")
    return not wrong


def _set_up_airflow(home: Path, monitors: Path) -> None:
    """Point Airflow at a fresh home and database. Must come before Airflow's first import."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    home = home.resolve()
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(monitors.parent / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",  # a task warns of a harmful day
        "DRIFT_MONITOR_MONITORS": str(monitors),
    }
    # The warning is about Airflow's own API server, which the tasks call, and not about the demo.
    warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`", UserWarning)
    from airflow.utils.db import initdb

    initdb()


def _run_dag(dag_id: str, day: Day) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from drift_monitor.airflow.dates import BATCH_DATE

    # A fresh DagBag for every run: the configuration of a run stays in the DAG object's params.
    bag = DagBag()
    dag_run = bag.dags[dag_id].test(
        logical_date=datetime.combine(day.date, clock_time(), UTC),
        run_conf={BATCH_DATE: day.date.isoformat()},
    )
    failed = [ti.task_id for ti in dag_run.get_task_instances() if ti.state != "success"]
    if failed:
        raise RuntimeError(f"the DAG run for {day.date} failed in {', '.join(failed)}")


def _read(monitor: Monitor, day: Day) -> Report:
    return read_report(monitor.directory / monitor.interval(day.date).id / REPORT)


def _row(day: Day, report: Report) -> list[str | Text]:
    """Return a day's row in the table."""
    harm, verdict = report.harm, report.verdict.verdict
    mark, style = ("✓", "green") if verdict == day.expected else ("✗", "red")
    return [
        f"{day.date:%a %d}",
        day.what,
        harm.by,
        f"{harm.current.rate:.1%}" if harm.current else "–",
        f"{harm.reference.rate:.1%}" if harm.reference else "–",
        f"{report.tests[0].statistic or 0:.3f}",
        Text(f"{VERDICTS[verdict]} {mark}", style),
    ]
