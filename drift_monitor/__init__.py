"""The batch job: config → batches → scores → harm → tests → verdict → report.

Names below are for scripts and notebooks. They are imported on first use, so that importing the
package takes no time; TensorFlow is imported only by what trains and evaluates detectors.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adversarial.errors import DriftMonitorError
    from drift_monitor.config import DataConfig, Monitor, Policy, load_monitor
    from drift_monitor.detectors.fit import ClassifierFile, fit
    from drift_monitor.detectors.reference import CalibrationSettings
    from drift_monitor.job.backfill import Backfill, backfill
    from drift_monitor.job.run import run_interval
    from drift_monitor.notebook.committed import (
        read_history,
        read_rejected,
        read_report,
        read_scores,
    )
    from drift_monitor.notebook.judge import judge, score
    from drift_monitor.results.report import Report

    __version__: str

__all__ = [
    "Backfill",
    "CalibrationSettings",
    "ClassifierFile",
    "DataConfig",
    "DriftMonitorError",
    "Monitor",
    "Policy",
    "Report",
    "backfill",
    "fit",
    "judge",
    "load_monitor",
    "read_history",
    "read_rejected",
    "read_report",
    "read_scores",
    "run_interval",
    "score",
]

_MODULES = {
    "Backfill": "drift_monitor.job.backfill",
    "CalibrationSettings": "drift_monitor.detectors.reference",
    "ClassifierFile": "drift_monitor.detectors.fit",
    "DataConfig": "drift_monitor.config",
    "DriftMonitorError": "adversarial.errors",
    "Monitor": "drift_monitor.config",
    "Policy": "drift_monitor.config",
    "Report": "drift_monitor.results.report",
    "backfill": "drift_monitor.job.backfill",
    "fit": "drift_monitor.detectors.fit",
    "judge": "drift_monitor.notebook.judge",
    "load_monitor": "drift_monitor.config",
    "read_history": "drift_monitor.notebook.committed",
    "read_rejected": "drift_monitor.notebook.committed",
    "read_report": "drift_monitor.notebook.committed",
    "read_scores": "drift_monitor.notebook.committed",
    "run_interval": "drift_monitor.job.run",
    "score": "drift_monitor.notebook.judge",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("drift-monitor")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
