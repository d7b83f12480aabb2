"""What to do after a verdict, in words and as commands that can be run as they stand."""

import shlex

from drift_monitor.config import Interval, Monitor
from drift_monitor.report.model import Accuracy, Counts, Harm, VerdictName


def next_action(
    verdict: VerdictName,
    counts: Counts,
    harm: Harm,
    accuracy: Accuracy,
    monitor: Monitor,
    interval: Interval,
) -> tuple[str, list[str]]:
    """Return what to do next, and the commands for it.

    What only the reader knows stands in capitals: LABELS.parquet, NORMAL_ROWS.parquet.
    """
    match verdict:
        case "insufficient_data":
            return _after_insufficient_data(counts, harm, monitor, interval)
        case "harmful_drift":
            return _after_harm(harm, monitor, interval)
        case "harmless_drift":
            return (
                "Nothing on the model. If the change is here to stay, make the detector's "
                "reference anew from recent rows that are known to be good.",
                [_renewed_reference(monitor)],
            )
    blind = verdict == "no_drift" and accuracy.estimated is None and harm.split == "detector"
    return "Nothing." + (" Labels, even of a sample, would tell more." if blind else ""), []


def _after_insufficient_data(
    counts: Counts, harm: Harm, monitor: Monitor, interval: Interval
) -> tuple[str, list[str]]:
    if harm.split != "detector" and counts.scored >= monitor.policy.min_rows:
        return "Give the interval its labels when they are there.", [_labels(monitor, interval)]
    return (
        "Check the job that writes the batch, then run the interval again.",
        [_command(name, monitor.file, "--date", interval.id) for name in ("validate", "run")],
    )


def _after_harm(harm: Harm, monitor: Monitor, interval: Interval) -> tuple[str, list[str]]:
    rows = _command("rows", monitor.file, "--date", interval.id, "--outcome", "harmful")
    unlabelled = harm.split != "labels" and monitor.data.label is not None
    return (
        "Look at the rows that are harmed"
        + (", label a sample of them" if unlabelled else "")
        + ", and mend the input or hold the predictions back before retraining.",
        [rows, *([_labels(monitor, interval)] if unlabelled else [])],
    )


def _renewed_reference(monitor: Monitor) -> str:
    data = monitor.data
    words = ["--data", "NORMAL_ROWS.parquet", "--input", ",".join(data.input_columns)]
    if data.label:
        words += ["--label", data.label]
    if data.segments:
        words += ["--segments", ",".join(data.segments)]
    return _command("reference", monitor.detector, *words)


def _labels(monitor: Monitor, interval: Interval) -> str:
    return _command(
        "labels",
        monitor.file,
        "--labels",
        "LABELS.parquet",
        "--start",
        interval.id,
        "--end",
        interval.id,
    )


def _command(*words: str) -> str:
    return shlex.join(["drift-monitor", *words])
