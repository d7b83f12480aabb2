"""Sensitive inputs and ids: in no report, on no page."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from adversarial.bundle.manifest import InputSpec, Manifest
from adversarial.bundle.read import Bundle
from drift_monitor.config import DataConfig
from drift_monitor.pages.html import render_report
from drift_monitor.results.report import Report
from drift_monitor.results.report_findings import RenderedExample
from drift_monitor.results.row_list import list_rows
from drift_monitor.verdict.redaction import (
    describe_kept_inputs,
    redacted_examples,
    redacted_inputs,
)
from tests.support.reports.cases import CASES
from tests.support.reports.make import make

FLAT = next(name for name, case in CASES.items() if make(case)[0].examples[0].values)
PICTURES = next(name for name, case in CASES.items() if make(case)[0].examples[0].image)


def redacted(report: Report, data: DataConfig) -> Report:
    return report.model_copy(
        update={
            "examples": redacted_examples(report.examples, data),
            "inputs": redacted_inputs(report.inputs, data),
        }
    )


@pytest.mark.parametrize("data", [{"show_inputs": False}, {"redact": ["image"]}])
def test_pictures_that_must_not_be_shown_are_in_no_page(data: dict[str, object]) -> None:
    report, scores = make(CASES[PICTURES])
    config = DataConfig.model_validate({"path": "x", "input": "image", **data})
    assert "data:image/png" in render_report(report, scores)
    hidden = redacted(report, config)
    assert "data:image/png" not in render_report(hidden, scores)
    assert "data:image/png" not in hidden.to_json()


def test_a_redacted_column_is_left_out_and_the_others_are_shown() -> None:
    report, scores = make(CASES[FLAT])
    names = [value.name for value in report.examples[0].values]
    config = DataConfig(path="x", input=names, redact=[names[0]])
    hidden = redacted(report, config)
    for example in hidden.examples:
        assert names[0] not in [value.name for value in example.values]
    assert [value.name for value in hidden.examples[0].values] == names[1:]
    render_report(hidden, scores)


def test_a_redacted_column_keeps_its_test_and_loses_its_values() -> None:
    report, scores = next(
        made for made in map(make, CASES.values()) if made[0].inputs and made[0].inputs.tests
    )
    assert report.inputs
    [first, *others] = report.inputs.tests
    data = DataConfig(path="x", input=[first.name], redact=[first.name])
    hidden = redacted_inputs(report.inputs, data)
    assert hidden
    assert hidden.tests[0].p_value == first.p_value
    assert (hidden.tests[0].current_low, hidden.tests[0].curves) == (None, None)
    assert hidden.tests[1:] == others
    render_report(report.model_copy(update={"inputs": hidden}), scores)


def test_redacted_ids_are_in_no_list_and_no_example() -> None:
    report, scores = next(
        made for made in map(make, CASES.values()) if "row_id" in made[1].column_names
    )
    listed = list_rows(report, scores, redact_ids=True)
    assert set(listed["row_id"].to_pylist()) == {"(redacted)"}
    data = DataConfig(path="x", input="image", row_id="id", redact=["id"])
    assert isinstance(report.examples[0], RenderedExample)
    hidden = redacted_examples(report.examples, data)
    assert all(example.row == {"row_id": "(redacted)"} for example in hidden)


def test_a_column_that_reports_are_about_cannot_be_redacted() -> None:
    with pytest.raises(ValidationError, match="redact names 'site': expected an input column"):
        DataConfig(path="x", input="image", segments=["site"], redact=["site"])


IMAGE, COLUMNS = (8, 8, 1), (2,)
KEPT = ("runtime_sample.npz", "calibration.parquet", "reference_inputs.parquet")


@pytest.mark.parametrize(
    ("shape", "data", "files", "named"),
    [
        (IMAGE, {}, KEPT, None),
        (IMAGE, {"show_inputs": False}, KEPT, KEPT[:1]),
        (IMAGE, {"redact": ["a"]}, KEPT, KEPT[:1]),
        (IMAGE, {"show_inputs": False}, KEPT[1:], None),
        (COLUMNS, {"redact": ["b"]}, KEPT, KEPT),
        (COLUMNS, {"redact": ["b"]}, KEPT[2:], KEPT[2:]),
        (COLUMNS, {"redact": ["b"]}, (), None),
        (COLUMNS, {"redact": ["id"]}, KEPT, None),
    ],
)
def test_files_of_a_bundle_that_hold_sensitive_inputs_are_named(
    shape: tuple[int, ...],
    data: dict[str, object],
    files: tuple[str, ...],
    named: tuple[str, ...] | None,
) -> None:
    manifest = Manifest(
        class_names=("x", "y"),
        input=InputSpec(shape=shape),
        threshold=1,
        fpr=0.1,
        temperature=1,
        ensemble_weights=(1.0,),
        sha256=dict.fromkeys(files, "00"),
    )
    columns = ["a", "b"] if shape == COLUMNS else "a"
    config = DataConfig.model_validate({"path": "x", "input": columns, "row_id": "id", **data})
    said = describe_kept_inputs(Bundle(Path("detector"), manifest, "00"), config)
    assert [name for name in KEPT if name in (said or "")] == list(named or ())
    if said:
        assert said.startswith(f"data.{next(iter(data))} calls inputs sensitive")
        assert ("--no-runtime-sample leaves it out" in said) == (KEPT[0] in files)
