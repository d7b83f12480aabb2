"""What to do after a verdict, in words and as commands that can be run as they stand."""

import shlex

from drift_monitor.config import Monitor
from drift_monitor.intervals import Interval
from drift_monitor.results.report import Counts, VerdictName
from drift_monitor.results.report_findings import Accuracy, Harm

COLUMNS_SHOWN = 5
"""Up to so many input columns are listed in a command; with more, it names a file."""


def next_action(
    verdict: VerdictName,
    counts: Counts,
    harm: Harm,
    accuracy: Accuracy,
    monitor: Monitor,
    interval: Interval,
) -> tuple[str, list[str]]:
    """Return what to do next, and the commands for it.

    What only the reader knows is in capitals: LABELS.parquet, NORMAL_ROWS.parquet, and
    COLUMNS.txt, with one input column a line.
    """
    match verdict:
        case "insufficient_data":
            return _after_insufficient_data(counts, harm, monitor, interval)
        case "harmful_drift":
            return _after_harm(harm, monitor, interval)
        case "harmless_drift":
            return (
                "Leave the model as it is. If the change is here to stay, renew the "
                "detector's reference with recent rows that are known to be good.",
                [_renewed_reference(monitor)],
            )
    blind = verdict == "no_drift" and accuracy.estimated is None and harm.by == "detector"
    return "Nothing." + (
        " Labels, even of a random sample of rows, would tell more." if blind else ""
    ), []


def _after_insufficient_data(
    counts: Counts, harm: Harm, monitor: Monitor, interval: Interval
) -> tuple[str, list[str]]:
    if harm.current is None and counts.labelled == 0 and counts.scored >= monitor.policy.min_rows:
        return "Give the interval its labels once they arrive.", [_labels(monitor, interval)]
    return (
        "Check the job that writes the batch, then run the interval again.",
        [_command(name, monitor.file, "--date", interval.id) for name in ("validate", "run")],
    )


def _after_harm(harm: Harm, monitor: Monitor, interval: Interval) -> tuple[str, list[str]]:
    rows = _command("rows", monitor.file, "--date", interval.id)
    unlabelled = harm.by != "labels" and monitor.data.label is not None
    return (
        "Look at the harmed rows, and fix the input or withhold the predictions before "
        "retraining."
        + (" To be sure, label rows drawn at random from the interval." if unlabelled else ""),
        [
            f"{rows} --outcome harmful",
            *(
                [f"{rows} --random 200 --output TO_LABEL.csv", _labels(monitor, interval)]
                if unlabelled
                else []
            ),
        ],
    )


def _renewed_reference(monitor: Monitor) -> str:
    data = monitor.data
    # Many columns, or names with commas, are read from a file with one name per line.
    plain = len(data.input_columns) <= COLUMNS_SHOWN and not any(
        "," in c for c in data.input_columns
    )
    columns = ",".join(data.input_columns) if plain else "@COLUMNS.txt"
    words = ["--data", "NORMAL_ROWS.parquet", "--input", columns]
    if data.shape:
        words += ["--shape", ",".join(map(str, data.shape))]
    for opt_in in monitor.trust:
        words += ["--trust", opt_in]
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
