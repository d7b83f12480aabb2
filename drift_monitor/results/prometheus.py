"""One interval's numbers in Prometheus' text format, for node_exporter's textfile collector."""

from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from drift_monitor.results.export import METRICS, Measurement, measurements
from drift_monitor.results.report import Report, VerdictName

PREFIX = "drift_monitor_"
BOUNDS = {
    "low": "Lower end of its interval.",
    "high": "Upper end of its interval.",
    "threshold": "What it is compared with.",
}


def registry(report: Report) -> CollectorRegistry:
    """Return the gauges of a report.

    Each metric of `results.export` is a gauge named `drift_monitor_<metric>`, and so are the ends
    of its interval (`…_low`, `…_high`) and its `…_threshold`. All have the label `monitor`. Those
    about harm have `harm_by`, so that rates with different meanings are not drawn as one line.
    Those of slices have `by` and `slice`, empty for the whole; tests have `test`, inputs `input`,
    and quantiles `quantile`.
    """
    result = CollectorRegistry()
    gauges: dict[str, Gauge] = {}

    def put(name: str, description: str, value: float, **labels: str) -> None:
        labels = {"monitor": report.monitor, **labels}
        if name not in gauges:
            gauges[name] = Gauge(PREFIX + name, description, list(labels), registry=result)
        gauges[name].labels(**labels).set(value)

    interval = report.data_interval
    put("interval_start_timestamp_seconds", "Start of the interval.", interval.start.timestamp())
    put(
        "interval_end_timestamp_seconds",
        "End of the interval; old where no newer one is committed.",
        interval.end.timestamp(),
    )
    put("detector_info", "The detector.", 1, fingerprint=report.detector.fingerprint)
    for name in get_args(VerdictName):
        holds = float(name == report.verdict.verdict)
        put("verdict", "1 for the interval's verdict, 0 for others.", holds, verdict=name)
    for measured in measurements(report):
        labels = _labels(measured, report)
        description = METRICS[measured.metric]
        if measured.value is not None:
            put(measured.metric, description, measured.value, **labels)
        for bound, text in BOUNDS.items():
            value = getattr(measured, bound)
            if value is not None:
                put(f"{measured.metric}_{bound}", f"{description} {text}", value, **labels)
    return result


def write_metrics(report: Report, path: Path) -> None:
    """Write a report's numbers to a file, replaced in one step.

    Raises
    ------
    OSError
        If it cannot be written; an earlier file is then unchanged.
    """
    write_to_textfile(str(path), registry(report))


def _labels(measured: Measurement, report: Report) -> dict[str, str]:
    value = measured.slice or ""
    if measured.metric.startswith("harm_rate"):
        return {"harm_by": report.harm.by, "by": measured.by or "", "slice": value}
    if measured.metric == "harm_p_value":
        return {"harm_by": report.harm.by}
    if measured.metric.startswith("test_"):
        return {"test": value}
    if measured.by == "input":
        return {"input": value}
    if measured.metric == "score_quantile":
        return {"quantile": value}
    return {"by": measured.by, "slice": value} if measured.by else {}
