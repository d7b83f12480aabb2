"""The batch job: config → batches → scores → harm → tests → verdict → report.

Names below are for scripts and notebooks. They are imported on first use, so that importing the
package takes no time; TensorFlow is imported only by what scores or trains.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adversarial.errors import DriftMonitorError
    from drift_monitor.config import DataConfig, Monitor, Policy, load_monitor
    from drift_monitor.detectors.fit import fit
    from drift_monitor.job.backfill import Backfill, backfill
    from drift_monitor.job.run import run_interval
    from drift_monitor.results.report import Report, read_report

__version__ = version("drift-monitor")

__all__ = [
    "Backfill",
    "DataConfig",
    "DriftMonitorError",
    "Monitor",
    "Policy",
    "Report",
    "backfill",
    "fit",
    "load_monitor",
    "read_report",
    "run_interval",
]

_MODULES = {
    "Backfill": "drift_monitor.job.backfill",
    "DataConfig": "drift_monitor.config",
    "DriftMonitorError": "adversarial.errors",
    "Monitor": "drift_monitor.config",
    "Policy": "drift_monitor.config",
    "Report": "drift_monitor.results.report",
    "backfill": "drift_monitor.job.backfill",
    "fit": "drift_monitor.detectors.fit",
    "load_monitor": "drift_monitor.config",
    "read_report": "drift_monitor.results.report",
    "run_interval": "drift_monitor.job.run",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
