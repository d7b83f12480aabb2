"""What to do after a verdict, in words and as commands that can be run as they stand."""

import shlex

from drift_monitor.config import Monitor
from drift_monitor.intervals import Interval
from drift_monitor.pages.inputs import name_of, what_moved
from drift_monitor.pages.resemblance import sentence
from drift_monitor.results.report import Counts, VerdictName
from drift_monitor.results.report_findings import Accuracy, Harm, InputFindings, Support
from drift_monitor.verdict.rules import (
    estimate_excludes_harm,
    labels_exclude_harm,
    served_by_another,
)

COLUMNS_SHOWN = 5
"""Up to so many input columns are listed in a command; with more, it names a file."""

TO_LABEL, TO_LABEL_NEXT = "TO_LABEL.csv", "TO_LABEL_AFTER_{}.csv"


def next_action(
    verdict: VerdictName,
    counts: Counts,
    harm: Harm,
    accuracy: Accuracy,
    monitor: Monitor,
    interval: Interval,
    inputs: InputFindings | None = None,
    support: Support | None = None,
) -> tuple[str, list[str]]:
    """Return what to do next, and the commands for it.

    What only the reader knows is in capitals: LABELS.parquet, NORMAL_ROWS.parquet, and
    COLUMNS.txt, with one input column a line. TO_LABEL.csv is written by the command before it.
    """
    match verdict:
        case "insufficient_data":
            return _after_insufficient_data(counts, harm, monitor, interval)
        case "harmful_drift":
            return _after_harm(harm, counts, monitor, interval, inputs)
        case "drift_harm_unknown":
            return _after_unknown(harm, counts, accuracy, monitor, interval, inputs, support)
        case "harmless_drift":
            return _after_harmless(harm, counts, accuracy, monitor, interval)
    blind = harm.by == "detector" and not estimate_excludes_harm(harm, accuracy.estimated)
    return "Nothing now." + (
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


def _after_harm(
    harm: Harm,
    counts: Counts,
    monitor: Monitor,
    interval: Interval,
    inputs: InputFindings | None,
) -> tuple[str, list[str]]:
    rows = _command("rows", monitor.file, "--date", interval.id)
    unlabelled = harm.by != "labels"
    # By the estimate of accuracy, rows do harm of which none can be named.
    named = harm.current is not None and harm.current.count > 0
    parts = _look_first(inputs)
    parts.append(
        f"{'Look at the harmed rows, and f' if named else 'F'}ix the input or withhold the "
        "predictions before retraining."
    )
    if unlabelled:
        parts.append("To be sure, label rows drawn at random from the interval.")
    return " ".join(parts), [
        *([f"{rows} --outcome harmful"] if named else []),
        *(_sample_to_label(counts, monitor, interval) if unlabelled else []),
    ]


def _after_unknown(
    harm: Harm,
    counts: Counts,
    accuracy: Accuracy,
    monitor: Monitor,
    interval: Interval,
    inputs: InputFindings | None,
    support: Support | None,
) -> tuple[str, list[str]]:
    """Name what is known of the cause; whether it harms, only labels can say."""
    parts = []
    if served_by_another(counts, monitor.policy):
        parts.append(
            "Check that production serves the model that the detector was fitted on, and gives it "
            f"the same input; leave out data.prediction ({monitor.data.prediction}) if what is "
            "served is meant to differ."
        )
    parts += _look_first(inputs)
    if looks_like := sentence(support, monitor.data.input_columns):
        parts.append(looks_like)
    if counts.rejected > monitor.policy.harm_margin * counts.read:
        parts.append(
            f"{counts.rejected:,} of {counts.read:,} rows could not be scored: rejected.parquet "
            "says which and why."
        )
    if not parts:
        parts.append("Find out what changed in the data.")
    if counts.labelled and counts.labelled == counts.scored:
        parts.append(
            "Every row has its label, and so few rows leave open whether it harms: intervals with "
            "more rows (every) would tell."
        )
        return " ".join(parts), []
    parts.append(_ask_for_labels(harm, accuracy))
    return " ".join(parts), _sample_to_label(counts, monitor, interval)


def _look_first(inputs: InputFindings | None) -> list[str]:
    """Return a sentence about the input that moved most, if one moved."""
    if not inputs or not inputs.moved:
        return []
    worst = inputs.moved[0]
    return [f"Look first at {name_of(worst, inputs)} ({what_moved(worst)})."]


def _after_harmless(
    harm: Harm, counts: Counts, accuracy: Accuracy, monitor: Monitor, interval: Interval
) -> tuple[str, list[str]]:
    if labels_exclude_harm(harm):
        return (
            "Leave the model as it is. If the change is here to stay, renew the detector's "
            "reference with recent rows that labels have shown to be good.",
            [_renewed_reference(monitor)],
        )
    return (
        "Nothing now. Do not renew the reference before labels have shown no harm. "
        + _ask_for_labels(harm, accuracy),
        _sample_to_label(counts, monitor, interval),
    )


def _ask_for_labels(harm: Harm, accuracy: Accuracy) -> str:
    more = "more " if harm.by != "detector" else ""
    text = f"To know whether it harms, label {more}rows drawn at random."
    if accuracy.realised.reference is None:
        text += (
            " Labels decide only if the reference has some too (drift-monitor reference --label)."
        )
    return text


def _sample_to_label(counts: Counts, monitor: Monitor, interval: Interval) -> list[str]:
    rows = _command("rows", monitor.file, "--date", interval.id)
    # Rows that have a label are not drawn again, and the sheet that they were in is left alone.
    sheet = TO_LABEL if not counts.labelled else TO_LABEL_NEXT.format(counts.labelled)
    return [f"{rows} --random 200 --output {sheet}", _labels(monitor, interval, sheet)]


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


def _labels(monitor: Monitor, interval: Interval, path: str = "LABELS.parquet") -> str:
    return _command(
        "labels",
        monitor.file,
        "--labels",
        path,
        "--start",
        interval.id,
        "--end",
        interval.id,
    )


def _command(*words: str) -> str:
    return shlex.join(["drift-monitor", *words])
