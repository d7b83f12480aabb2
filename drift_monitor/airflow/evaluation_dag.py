"""The DAG `adversarial_evaluation`: find_due → evaluate, once per monitor that is due."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    MultipleCronTriggerTimetable,
    Param,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException
from croniter import croniter

from adversarial.tensorflow_log import quieten_tensorflow
from drift_monitor.airflow.retries import no_useless_retries
from drift_monitor.config import Monitor, load_monitor

log = logging.getLogger(__name__)

EVALUATION_DAG = "adversarial_evaluation"
EVALUATED = Asset(EVALUATION_DAG)
"""Updated by each evaluation; its event carries the task's result."""


def build_evaluation_dag(monitors: Mapping[Path, Monitor]) -> DAG:
    """Return the DAG that evaluates detectors under attack.

    A scheduled run covers the monitors whose `evaluation.schedule` is due. A run started by hand
    covers the one named by the parameter `monitor`, or all. With the parameter `candidate`, the
    detector is compared with that bundle; its verdict fails the task only if `required` is set.

    Parameters
    ----------
    monitors : mapping of Path to Monitor
        Monitors with an `evaluation` section, by their YAML files.
    """
    schedules = {
        str(path): monitor.evaluation.schedule
        for path, monitor in monitors.items()
        if monitor.evaluation
    }
    crons = sorted({cron for cron in schedules.values() if cron})
    with DAG(
        dag_id=EVALUATION_DAG,
        description="Detectors under attack, and candidates to replace them",
        schedule=MultipleCronTriggerTimetable(*crons, timezone="UTC") if crons else None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params={
            "monitor": Param(
                None,
                type=["null", "string"],
                description="Name of the monitor; by default those that are due, or all.",
            ),
            "candidate": Param(
                None,
                type=["null", "string"],
                description="Directory of a bundle to compare with the monitor's detector.",
            ),
            "required": Param(
                False,
                type="boolean",
                description="Fail unless the candidate is shown to be no worse.",
            ),
        },
        tags=["drift-monitor"],
        doc_md=__doc__,
    ) as dag:
        evaluate.expand(monitor_file=find_due(schedules))
    return dag


@task
def find_due(schedules: dict[str, str | None], **context: Any) -> list[str]:
    """Return the YAML files of the monitors that this run covers."""
    params, dag_run = context["params"], context["dag_run"]
    if name := params["monitor"]:
        named = {load_monitor(path).name: path for path in schedules}
        if name not in named:
            raise AirflowFailException(
                f"no monitor {name!r} has a section 'evaluation': expected one of "
                f"{', '.join(sorted(named))}"
            )
        return [named[name]]
    if params["candidate"]:
        raise AirflowFailException(
            "a candidate belongs to one monitor: set the parameter 'monitor' too"
        )
    if dag_run.run_type == "manual" or dag_run.logical_date is None:
        return list(schedules)
    return [
        path
        for path, cron in schedules.items()
        if cron and croniter.match(cron, dag_run.logical_date)
    ]


@task(  # type: ignore[untyped-decorator]
    outlets=[EVALUATED], max_active_tis_per_dagrun=1, map_index_template="{{ monitor_name }}"
)
def evaluate(monitor_file: str) -> dict[str, str | None]:
    """Evaluate a detector, and a candidate if given. Only this task imports TensorFlow."""
    from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
    from drift_monitor.detectors.evaluation_record import compare_evaluated
    from drift_monitor.detectors.promote import check_verdict

    quieten_tensorflow()
    context = get_current_context()
    candidate = context["params"]["candidate"]
    with no_useless_retries():
        monitor = load_monitor(monitor_file)
        context["monitor_name"] = monitor.name  # for the template
        bundles = find_bundles(monitor, candidate)
        directory = evaluate_bundles(monitor, bundles)
        result = {"monitor": monitor.name, "directory": str(directory), "verdict": None}
        log.info("%s evaluated in %s", monitor.name, directory)
        if len(bundles) == 2:
            comparison = compare_evaluated(monitor, directory)
            result["verdict"] = comparison.verdict
            level = logging.INFO if comparison.verdict in {"better", "equal"} else logging.WARNING
            log.log(level, "%s\n%s", comparison.reason, comparison.describe())
            if context["params"]["required"]:
                check_verdict(comparison)
    context["outlet_events"][EVALUATED].extra = result
    return result
