"""One Airflow DAG for each YAML file in `monitors/`, or in $DRIFT_MONITOR_MONITORS."""

import os
from pathlib import Path

from drift_monitor.airflow.monitor_dags import build_dags

default = Path(__file__).resolve().parents[1] / "monitors"
globals().update(build_dags(Path(os.environ.get("DRIFT_MONITOR_MONITORS", default))))
