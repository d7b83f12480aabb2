"""What to do next: the commands are ones that the command line takes."""

import shlex
from datetime import date

import pytest
from typer.main import get_command

from drift_monitor.cli.main import app
from drift_monitor.config import DataConfig, Monitor, Policy
from drift_monitor.results.report import Counts, VerdictName
from drift_monitor.results.report_findings import Harm
from drift_monitor.verdict.next_action import next_action
from tests.support.analysis.verdicts import accuracy, counts, harm

MONITOR = Monitor(
    name="animals",
    detector="a detector",
    data=DataConfig(path="b/{date}.parquet", input="image", label="label", segments=["a", "b"]),
    policy=Policy(min_rows=100),
)
AWKWARD = MONITOR.model_copy(
    update={"data": DataConfig(path="b", input="a,b", shape=[8, 8]), "trust": ["Lambda"]}
)
UNLABELLED = MONITOR.model_copy(update={"data": DataConfig(path="b", input=["x", "y"])})


def action(
    verdict: VerdictName, monitor: Monitor = MONITOR, harm_by: str = "labels", scored: int = 1000
) -> tuple[str, list[str]]:
    interval = monitor.interval(date(2026, 11, 20))
    return next_action(verdict, counts(scored), harm(by=harm_by), accuracy(), monitor, interval)


@pytest.mark.parametrize(
    ("verdict", "monitor", "harm_by", "scored", "expected"),
    [
        ("insufficient_data", MONITOR, "detector", 1000, ["validate", "run"]),
        ("insufficient_data", MONITOR, "labels", 10, ["validate", "run"]),
        ("harmful_drift", MONITOR, "labels", 1000, ["rows"]),
        ("harmful_drift", MONITOR, "detector", 1000, ["rows", "rows", "labels"]),
        ("harmless_drift", AWKWARD, "detector", 1000, ["reference"]),
        ("harmful_drift", UNLABELLED, "detector", 1000, ["rows"]),
        ("harmless_drift", MONITOR, "labels", 1000, ["reference"]),
        ("harmless_drift", UNLABELLED, "detector", 1000, ["reference"]),
        ("statistical_only", MONITOR, "labels", 1000, []),
        ("no_drift", MONITOR, "labels", 1000, []),
    ],
)
def test_each_command_is_one_that_the_command_line_takes(
    verdict: VerdictName, monitor: Monitor, harm_by: str, scored: int, expected: list[str]
) -> None:
    text, commands = action(verdict, monitor, harm_by, scored)
    assert text.endswith(".")
    words = [shlex.split(command) for command in commands]
    assert [found[:2] for found in words] == [["drift-monitor", name] for name in expected]
    group = get_command(app)
    for _, name, *arguments in words:
        command = group.get_command(None, name)  # type: ignore[attr-defined]
        command.make_context(name, list(arguments))  # raises on an option that there is not


def test_rows_are_to_be_labelled_only_where_they_are_not() -> None:
    assert "label rows" in action("harmful_drift", harm_by="detector")[0]
    assert "label rows" not in action("harmful_drift", harm_by="labels")[0]
    assert "label rows" not in action("harmful_drift", UNLABELLED, "detector")[0]


def test_labels_are_asked_for_where_nothing_else_estimates_accuracy() -> None:
    assert "Labels" in action("no_drift", harm_by="detector")[0]
    assert "Labels" not in action("no_drift", harm_by="labels")[0]


def test_labels_are_asked_for_only_where_they_are_what_is_missing() -> None:
    interval = MONITOR.interval(date(2026, 11, 20))
    missing = harm(current=None, difference=None)
    unlabelled = counts().model_copy(update={"labelled": 0})

    def commands(found: Counts, evidence: Harm) -> list[str]:
        verdict: VerdictName = "insufficient_data"
        return next_action(verdict, found, evidence, accuracy(), MONITOR, interval)[1]

    assert "labels" in commands(unlabelled, missing)[0]
    for found, evidence in ((counts(), missing), (counts(), harm()), (counts(12), missing)):
        assert [command.split()[1] for command in commands(found, evidence)] == ["validate", "run"]


def test_a_new_reference_is_read_as_the_batches_are() -> None:
    [command] = action("harmless_drift", AWKWARD)[1]
    assert "--input @COLUMNS.txt --shape 8,8 --trust Lambda" in command
