"""One DAG per monitor (score_batch → write_report → publish), and the DAGs that all share."""

import hashlib
import logging
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task
from airflow.sdk.exceptions import AirflowFailException
from croniter import CroniterError, croniter

from adversarial.errors import DriftMonitorError
from adversarial.storage.opening import join
from adversarial.tensorflow_log import quieten_tensorflow
from drift_monitor.airflow.dates import BATCH_DATE, resolve_interval
from drift_monitor.airflow.evaluation_dag import EVALUATION_DAG, build_evaluation_dag
from drift_monitor.airflow.labels_dag import LABELS_DAG, build_labels_dag
from drift_monitor.airflow.retries import no_useless_retries
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.errors import ConfigError
from drift_monitor.intervals import Interval

if TYPE_CHECKING:
    from adversarial.storage.folder import Folder

log = logging.getLogger(__name__)


def build_dags(monitors: Path) -> dict[str, DAG]:
    """Return one DAG for each `*.yaml` file in the directory `monitors`, by DAG id.

    There is also `late_labels`, and `adversarial_evaluation` if any monitor has an `evaluation`
    section.

    A file with an error does not take the other monitors down. It becomes a DAG without a schedule,
    tagged `invalid-config`, whose documentation and only task say what is wrong.
    """
    dags: dict[str, DAG] = {}
    monitored, evaluated = {}, {}
    for path in sorted(monitors.glob("*.yaml")):
        try:
            monitor = load_monitor(path)
            dag = build_dag(path, monitor, taken=[*dags, EVALUATION_DAG, LABELS_DAG])
            monitored[monitor.name] = path
            if monitor.evaluation:
                evaluated[path] = monitor
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the other monitors
            message = str(error) if isinstance(error, DriftMonitorError) else f"{path}: {error!r}"
            log.warning("%s", message)
            dag = _invalid_dag(path, message)
        dags[dag.dag_id] = dag
    if monitored:
        dags[LABELS_DAG] = build_labels_dag(monitored)
    if evaluated:
        dags[EVALUATION_DAG] = build_evaluation_dag(evaluated)
    return dags


def build_dag(path: Path, monitor: Monitor, taken: Collection[str] = ()) -> DAG:
    """Return the DAG of one monitor, whose YAML file is `path`.

    The number of retries is set by the cluster (`[core] default_task_retries`). Only what
    may pass (`TransientError`) and unforeseen errors are worth retrying, so errors that need a
    person fail at once. A verdict never fails a task.

    Raises
    ------
    ConfigError
        If a schedule is not a cron expression, or the name is already `taken`.
    """
    if monitor.name in taken:
        raise ConfigError(
            f"{path}: another DAG is already named {monitor.name!r}; give the monitor another name"
        )
    _check_cron(f"{path}: schedule", monitor.cron)
    if monitor.evaluation:
        _check_cron(f"{path}: evaluation.schedule", monitor.evaluation.schedule)
    with DAG(
        dag_id=monitor.name,
        description=f"Drift reports on {monitor.data.path}",
        schedule=(
            CronDataIntervalTimetable(monitor.cron, timezone=monitor.timezone)
            if monitor.cron
            else None
        ),
        start_date=datetime.combine(monitor.start_date, time(), ZoneInfo(monitor.timezone)),
        catchup=False,
        max_active_runs=2,
        params={
            BATCH_DATE: Param(
                None,
                type=["null", "string"],
                description="Date of the batch, such as 2026-11-20; the run's date by default.",
            )
        },
        tags=["drift-monitor"],
        doc_md=__doc__,
    ) as dag:
        publish(write_report(score_batch(str(path))))
    return dag


@task
def score_batch(monitor_file: str, **context: Any) -> dict[str, str]:
    """Score the run's batch into a staging folder. Only this task runs the models."""
    from drift_monitor.job.run import score_interval

    quieten_tensorflow()
    with no_useless_retries():
        monitor = load_monitor(monitor_file)
        interval = resolve_interval(monitor, context)
        token = hashlib.sha256(context["run_id"].encode()).hexdigest()[:8]
        staging = score_interval(monitor, interval, token=token, progress=_log_progress())
    log.info("Scored into %s", staging)
    return {"monitor_file": monitor_file, "start": interval.start.isoformat(), "token": token}


@task
def write_report(scored: dict[str, str]) -> dict[str, str]:
    """Judge the scores and write the report next to them."""
    from drift_monitor.job.run import write_report as write

    with no_useless_retries():
        monitor, interval, staging = _reopen(scored)
        report = write(monitor, interval, staging)
    bad = report.verdict.verdict in ("harmful_drift", "drift_harm_unknown")
    level = logging.WARNING if bad else logging.INFO
    log.log(level, "%s: %s", report.verdict.verdict, report.verdict.reason)
    return {**scored, "verdict": report.verdict.verdict}


@task
def publish(reported: dict[str, str]) -> dict[str, str]:
    """Commit the result and update the monitor's index."""
    from drift_monitor.job.run import publish as commit

    with no_useless_retries():
        monitor, interval, staging = _reopen(reported)
        report = commit(monitor, interval, staging)
    return {
        "verdict": report.verdict.verdict,
        "directory": join(monitor.location, interval.id),
    }


def _check_cron(field: str, cron: str | None) -> None:
    try:
        if cron:
            croniter(cron).get_next()
    except CroniterError:
        raise ConfigError(
            f"{field} {cron!r} is not a cron expression that ever comes due, such as '0 6 * * *'"
        ) from None


def _reopen(scored: dict[str, str]) -> tuple[Monitor, Interval, "Folder"]:
    from drift_monitor.results.store import Store

    monitor = load_monitor(scored["monitor_file"])
    interval = monitor.interval(datetime.fromisoformat(scored["start"]))
    return monitor, interval, Store(monitor.location).staging(interval.id, scored["token"])


def _log_progress() -> Callable[[int, int], None]:
    shares_logged = {0}

    def progress(done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth not in shares_logged:
            shares_logged.add(tenth)
            log.info("%s of %s rows scored", f"{done:,}", f"{total:,}")

    return progress


def _invalid_dag(path: Path, message: str) -> DAG:
    with DAG(
        dag_id=re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem)[:200] + ".invalid",
        description=f"{path} has an error",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        tags=["drift-monitor", "invalid-config"],
        doc_md=message,
    ) as dag:

        @task
        def explain() -> None:
            raise AirflowFailException(message)

        explain()
    return dag
