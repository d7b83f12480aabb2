"""What to do next: the commands are ones that the command line takes."""

import shlex
from datetime import date
from typing import get_args

import pytest
from typer.main import get_command

from drift_monitor.cli.main import app
from drift_monitor.config import DataConfig, Monitor, Policy
from drift_monitor.results.report import Counts, VerdictName
from drift_monitor.results.report_findings import (
    Accuracy,
    Harm,
    InputFindings,
    RealisedAccuracy,
    Support,
)
from drift_monitor.stats.estimates import Estimate
from drift_monitor.verdict.next_action import next_action
from tests.support.analysis.verdicts import accuracy, counts, harm, rate
from tests.support.reports.cases import CASES
from tests.support.reports.make import make

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


LABELLED = accuracy().model_copy(
    update={"realised": RealisedAccuracy(current=None, reference=rate(0.9), difference=None)}
)
HARMLESS = Estimate(estimate=0.001, low=-0.005, high=0.01)
NOT_EXCLUDED = Estimate(estimate=0.001, low=-0.008, high=0.0101)


def action(
    verdict: VerdictName,
    monitor: Monitor = MONITOR,
    harm_by: str = "labels",
    scored: int = 1000,
    difference: Estimate = HARMLESS,
    estimated: Accuracy | None = None,
) -> tuple[str, list[str]]:
    interval = monitor.interval(date(2026, 11, 20))
    evidence = harm(by=harm_by, difference=difference)
    found = labelled(0 if harm_by == "detector" else scored // 2, scored)
    return next_action(verdict, found, evidence, estimated or LABELLED, monitor, interval)


def labelled(n: int, scored: int = 1000, **changes: int) -> Counts:
    return counts(scored).model_copy(update={"labelled": n} | changes)


def after_unknown(
    monitor: Monitor = MONITOR,
    found: Counts | None = None,
    inputs: InputFindings | None = None,
    support: Support | None = None,
    estimated: Accuracy = LABELLED,
) -> str:
    interval = monitor.interval(date(2026, 11, 20))
    return next_action(
        "drift_harm_unknown",
        found or labelled(0),
        harm(by="detector"),
        estimated,
        monitor,
        interval,
        inputs,
        support,
    )[0]


@pytest.mark.parametrize(
    ("verdict", "monitor", "harm_by", "scored", "expected"),
    [
        ("insufficient_data", MONITOR, "detector", 1000, ["validate", "run"]),
        ("insufficient_data", MONITOR, "labels", 10, ["validate", "run"]),
        ("harmful_drift", MONITOR, "labels", 1000, ["rows"]),
        ("harmful_drift", MONITOR, "detector", 1000, ["rows", "rows", "labels"]),
        ("drift_harm_unknown", MONITOR, "detector", 1000, ["rows", "labels"]),
        ("drift_harm_unknown", MONITOR, "labels", 1000, ["rows", "labels"]),
        ("drift_harm_unknown", UNLABELLED, "detector", 1000, ["rows", "labels"]),
        ("harmful_drift", UNLABELLED, "detector", 1000, ["rows", "rows", "labels"]),
        ("harmless_drift", MONITOR, "labels", 1000, ["reference"]),
        ("harmless_drift", AWKWARD, "labels", 1000, ["reference"]),
        ("harmless_drift", MONITOR, "paired", 1000, ["reference"]),
        ("harmless_drift", MONITOR, "detector", 1000, ["rows", "labels"]),
        ("harmless_drift", UNLABELLED, "detector", 1000, ["rows", "labels"]),
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


@pytest.mark.parametrize(
    ("harm_by", "difference", "renewed"),
    [
        ("labels", HARMLESS, True),
        ("labels", NOT_EXCLUDED, False),
        ("detector", HARMLESS, False),
    ],
)
def test_the_reference_is_renewed_only_where_labels_have_shown_no_harm(
    harm_by: str, difference: Estimate, *, renewed: bool
) -> None:
    text, commands = action("harmless_drift", harm_by=harm_by, difference=difference)
    assert (commands[0].split()[1] == "reference") == renewed
    assert text.startswith("Nothing now. Do not renew the reference before labels") != renewed
    if not renewed:
        sheet = "TO_LABEL_AFTER_500.csv" if harm_by == "labels" else "TO_LABEL.csv"
        assert f"--random 200 --output {sheet}" in commands[0]
        assert f"--labels {sheet}" in commands[1]


@pytest.mark.parametrize("verdict", get_args(VerdictName))
@pytest.mark.parametrize("harm_by", ["detector", "labels"])
def test_no_verdict_but_one_with_labels_behind_it_leads_to_a_new_reference(
    verdict: VerdictName, harm_by: str
) -> None:
    commands = action(verdict, harm_by=harm_by)[1]
    renews = any(command.startswith("drift-monitor reference") for command in commands)
    assert renews == ((verdict, harm_by) == ("harmless_drift", "labels"))


def test_where_harm_is_unknown_the_cause_is_named_as_far_as_it_is_known() -> None:
    inputs = make(CASES["flat rows"])[0].inputs
    support = make(CASES["unknown, flat rows"])[0].support
    flat = MONITOR.model_copy(
        update={"data": DataConfig(path="b", input=["income", "age"], label="label")}
    )
    found = counts(900, rejected=100).model_copy(update={"labelled": 0})
    text = after_unknown(flat, found, inputs, support)
    assert text.startswith("Look first at income (D = 0.9")
    assert "38% of rows look like column income in another unit (× 3)" in text
    assert "100 of 1,000 rows could not be scored" in text
    assert text.endswith("To know whether it harms, label rows drawn at random.")
    bare = after_unknown()
    assert bare == (
        "Find out what changed in the data. To know whether it harms, label rows drawn at random."
    )


def test_a_second_sample_is_of_other_rows_and_has_a_sheet_of_its_own() -> None:
    text, commands = action("drift_harm_unknown", harm_by="labels", scored=1000)
    assert "label more rows" in text
    assert "--random 200 --output TO_LABEL_AFTER_500.csv" in commands[0]
    assert "--labels TO_LABEL_AFTER_500.csv" in commands[1]


def test_no_more_labels_are_asked_for_where_every_row_has_one() -> None:
    text = after_unknown(found=labelled(1000))
    assert text.endswith("intervals with more rows (every) would tell.")
    assert "label rows" not in text


def test_what_is_served_is_to_be_checked_where_it_is_not_the_classifiers() -> None:
    data = DataConfig(path="b", input="image", prediction="served")
    monitor = MONITOR.model_copy(update={"data": data})
    other = labelled(0, logged=1000, served_otherwise=200)
    assert after_unknown(monitor, other).startswith(
        "Check that production serves the model that the detector was fitted on"
    )
    assert "data.prediction (served)" in after_unknown(monitor, other)


@pytest.mark.parametrize(("rate_now", "lists"), [(0.2, True), (0.0, False)])
def test_harmed_rows_are_listed_only_where_there_are_any(rate_now: float, *, lists: bool) -> None:
    interval = MONITOR.interval(date(2026, 11, 20))
    evidence = harm(by="detector", current=rate(rate_now))
    inputs = make(CASES["flat rows"])[0].inputs
    found = labelled(0)
    text, commands = next_action(
        "harmful_drift", found, evidence, LABELLED, MONITOR, interval, inputs
    )
    assert text.startswith("Look first at ")
    assert ("Look at the harmed rows" in text) == lists
    assert any("--outcome harmful" in command for command in commands) == lists


def test_labels_of_a_batch_say_nothing_without_labels_of_the_reference() -> None:
    hint = "drift-monitor reference --label"
    assert hint not in after_unknown()
    assert hint not in action("harmless_drift", harm_by="detector")[0]
    assert hint in after_unknown(estimated=accuracy())
    assert hint in action("harmless_drift", harm_by="detector", estimated=accuracy())[0]


def test_few_rejected_rows_are_not_named_as_the_cause() -> None:
    for rejected, is_named in ((10, False), (11, True)):
        text = after_unknown(found=counts(1000 - rejected, rejected=rejected))
        assert ("could not be scored" in text) == is_named


def test_labels_are_asked_for_where_nothing_else_estimates_accuracy() -> None:
    assert "Labels" in action("no_drift", harm_by="detector")[0]
    assert "Labels" not in action("no_drift", harm_by="labels")[0]
    excluded, open_to_harm = accuracy(0.0, -0.01), accuracy(0.0, -0.0101)
    quiet: tuple[VerdictName, ...] = ("no_drift", "statistical_only")
    for verdict in quiet:
        assert action(verdict, harm_by="detector", estimated=excluded)[0] == "Nothing now."
        assert "Labels" in action(verdict, harm_by="detector", estimated=open_to_harm)[0]


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
