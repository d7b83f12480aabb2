"""The DAG `late_labels`: add labels that arrived later to committed intervals."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException

from adversarial.errors import DriftMonitorError
from drift_monitor.airflow.dates import parse_date
from drift_monitor.airflow.retries import no_useless_retries
from drift_monitor.config import load_monitor

log = logging.getLogger(__name__)

LABELS_DAG = "late_labels"


def build_labels_dag(monitors: Mapping[str, Path]) -> DAG:
    """Return the DAG that adds labels to committed intervals. It runs on demand.

    Parameters
    ----------
    monitors : mapping of str to Path
        YAML files by the monitors' names.
    """
    with DAG(
        dag_id=LABELS_DAG,
        description="Re-judge reports with labels that arrived later",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        max_active_runs=1,
        params={
            "monitor": Param(
                type="string", enum=sorted(monitors), description="Name of the monitor."
            ),
            "labels": Param(
                type="string",
                minLength=1,
                description="Labels: Parquet or CSV file, directory, glob or URL.",
            ),
            "start": Param(type="string", description="First date, as 2026-11-20."),
            "end": Param(type="string", description="Last date, included."),
            "id": Param(
                None,
                type=["null", "string"],
                description="Column with the row ids; data.row_id or row_id by default.",
            ),
            "label": Param(
                None,
                type=["null", "string"],
                description="Column with the labels; data.label or label by default.",
            ),
        },
        tags=["drift-monitor"],
        doc_md=__doc__,
    ) as dag:
        label_intervals({name: str(path) for name, path in monitors.items()})
    return dag


@task
def label_intervals(monitor_files: dict[str, str], **context: Any) -> dict[str, str]:
    """Re-judge the intervals that the labels belong to; one that fails does not stop the others.

    Returns
    -------
    dict of str to str
        The verdicts of the labelled intervals, by interval.
    """
    from drift_monitor.job.labelling import label_interval, plan_labelling
    from drift_monitor.job.write import write_index

    params = context["params"]
    verdicts: dict[str, str] = {}
    with no_useless_retries():
        monitor = load_monitor(monitor_files[params["monitor"]])
        start, end = (parse_date(params[name], name) for name in ("start", "end"))
        if monitor.interval(end).start < monitor.interval(start).start:
            raise AirflowFailException(f"end is {params['end']}, before start, {params['start']}")
        intervals = monitor.intervals(start, end)
        plan = plan_labelling(monitor, params["labels"], intervals, params["id"], params["label"])
        log.info("%s", plan.describe())
        failed = []
        for interval in plan.intervals:
            try:
                done = label_interval(monitor, interval, plan.labels)
            except (DriftMonitorError, OSError) as error:
                log.error("%s: %s", interval.id, error)  # noqa: TRY400 - it says what to do
                failed.append(interval.id)
                continue
            log.info("%s", done.describe())
            verdicts[interval.id] = done.after.verdict.verdict
        write_index(monitor)
    if failed:
        raise AirflowFailException(
            f"{', '.join(failed)} failed and are unchanged; the reasons are in the log. Fix "
            "them and trigger the DAG again"
        )
    return verdicts
