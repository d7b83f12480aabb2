"""The content of `report.json`; its JSON Schema is `report.schema.json` beside this file."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from adversarial.errors import validation_reasons
from adversarial.runtimes.guard_figures import ScoredBy
from drift_monitor.errors import StoreError
from drift_monitor.intervals import Interval
from drift_monitor.results.data_file import DataFile
from drift_monitor.results.report_findings import (
    Accuracy,
    Correction,
    CorrectionGain,
    Example,
    Harm,
    InputFindings,
    ReportModel,
    Slice,
    Support,
    TwoSampleTest,
)
from drift_monitor.stats.estimates import Probability

VerdictName = Literal[
    "insufficient_data",
    "harmful_drift",
    "drift_harm_unknown",
    "harmless_drift",
    "statistical_only",
    "no_drift",
]


class DetectorInfo(ReportModel):
    """Which detector scored the batch."""

    path: str
    fingerprint: str = Field(description="SHA-256 that names the bundle")
    class_names: list[str]
    threshold: float = Field(description="t, in nats: flagged where the score is above")
    fpr: float = Field(description="share of normal rows that the threshold was chosen to flag")
    temperature: float
    score_temperature: float = Field(
        default=1.0, description="at which the score compares the two predictions"
    )


class StoredFile(ReportModel):
    """A file that belongs to the result."""

    path: str = Field(description="relative to the directory of report.json")
    sha256: str


class Files(ReportModel):
    """Which files belong to the report; beside them may lie those of an earlier or a later one."""

    scores: StoredFile
    rejected: StoredFile
    labels: list[StoredFile] = Field(
        description="labels that arrived after the batch, in the order in which they were given"
    )


class ReferenceInfo(ReportModel):
    """Which rows the batch is compared with."""

    kind: Literal["fixed", "trailing"] = Field(
        description="fixed: stored in the detector; trailing: the last intervals without harm"
    )
    intervals: list[str] = Field(description="those of a trailing window, latest last")
    scores_sha256: list[str] = Field(
        default=[], description="of the score tables of these intervals, in the same order"
    )
    note: str | None = Field(
        description="why the fixed window was used although the monitor asks for a trailing one"
    )
    n: int
    n_labelled: int
    created: datetime | None = Field(description="when the detector's window was made")
    score_quantiles: list[float] = Field(
        description="scores of the reference at evenly spaced probabilities from 0 to 1, in nats"
    )
    confidence_quantiles: list[float] = Field(
        description="the same for the classifier's confidence"
    )
    entropy_quantiles: list[float] = Field(
        description="the same for the entropy of its probabilities, in nats"
    )


class Counts(ReportModel):
    """Rows of the batch. `read` = `scored` + `rejected`."""

    read: int
    scored: int
    rejected: int
    flagged: int
    labelled: int
    non_finite: int = Field(
        description="scored rows whose score, confidence or entropy is not a finite number; they "
        "are left out of tests and estimates"
    )
    outside_interval: int | None = Field(
        default=None,
        description="scored rows whose time lies outside the interval; null without a column of "
        "times",
    )
    without_time: int | None = Field(
        default=None,
        description="scored rows whose time is missing, or cannot be represented, such as infinity",
    )
    logged: int | None = Field(
        default=None,
        description="scored rows with the prediction that was served; null in older reports",
    )
    served_otherwise: int | None = Field(
        default=None,
        description="of these, rows for which the detector's classifier predicts another class",
    )
    repeated_ids: int | None = Field(
        default=None,
        description="scored rows with a row id that an earlier row has; null without row ids",
    )


class VerdictInfo(ReportModel):
    """What the report says first."""

    verdict: VerdictName
    rule: str = Field(description="the rule that gave the verdict, the first that held")
    reason: str
    next_action: str
    commands: list[str] = Field(description="the next action as commands, ready to run")
    p_value: float | None = Field(
        ge=0,
        le=1,
        description="smallest p of harm rules and tests, adjusted for their number: at most the "
        "chance of one so small in a batch like the reference; for procedures over many intervals",
    )


class SelfTest(ReportModel):
    """The test between the two halves of the reference window, in its own order."""

    statistic: float = Field(description="D")
    p_value: float
    n: int


class Health(ReportModel):
    """Whether the detector and the data are fit for a verdict."""

    flagged_share_reference: float
    flagged_share_current: float | None
    new_rows_flagged_low: float = Field(
        description="share of new normal rows that the threshold flags, 95 % interval"
    )
    new_rows_flagged_high: float
    logged_agreement: float | None = Field(
        description="share of rows whose logged prediction matches the bundle's classifier"
    )
    rejected_share: float
    non_finite_share: float
    reference_age_days: float | None = Field(
        description="from when the detector's window was made to the interval's start; negative "
        "if it was made later, null for a trailing window"
    )
    reference_self: SelfTest | None
    reference_against_fixed: float | None = Field(
        description="D of a trailing window against the detector's own: how far it has moved"
    )
    warnings: list[str]


class ScoreQuantile(ReportModel):
    """A quantile of the batch's scores."""

    probability: float = Probability
    score: float


class Report(ReportModel):
    """One interval of one monitor."""

    schema_version: Literal["3"] = "3"
    drift_monitor_version: str
    monitor: str
    interval: str
    data_interval: Interval
    detector: DetectorInfo
    scored_by: ScoredBy | None = Field(
        default=None,
        description="what computed the models' outputs, and how far they are from TensorFlow's; "
        "null in reports of versions that knew TensorFlow only",
    )
    files: Files | None = Field(
        default=None,
        description="null in reports of versions that kept one scores.parquet and rejected.parquet",
    )
    data: list[DataFile]
    labels: list[DataFile] = Field(
        description="files of labels that arrived after the batch, in the order they were used"
    )
    reference: ReferenceInfo
    counts: Counts
    verdict: VerdictInfo
    harm: Harm
    accuracy: Accuracy
    tests: list[TwoSampleTest]
    support: Support | None = Field(
        default=None, description="how far the rows are like those the detector was calibrated on"
    )
    inputs: InputFindings | None = Field(
        default=None,
        description="which inputs moved, against the detector's own window whatever the reference "
        "of the other tests is; null in reports of versions that did not test them",
    )
    score_quantiles: list[ScoreQuantile]
    slices: list[Slice] = Field(
        description="by column; within it the slices that contribute most to harm come first, and "
        "those too small to judge last"
    )
    corrections: list[Correction]
    correction_gain: CorrectionGain
    examples: list[Example]
    detector_health: Health
    config: dict[str, Any] = Field(description="the monitor's YAML file, with defaults")

    as_html: ClassVar[Callable[["Report"], str] | None] = None
    """How a notebook shows a report; `drift_monitor.pages.html` sets it when imported."""

    def test(self, name: str) -> TwoSampleTest:
        """Return the test of that name; every report has `score`."""
        return next(test for test in self.tests if test.name == name)

    def to_json(self) -> str:
        """Return the text of `report.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # All fields are 70 KB, at every prompt and in every notebook that shows a report.
        return (
            ("monitor", self.monitor),
            ("interval", self.interval),
            ("verdict", self.verdict.verdict),
            ("reason", self.verdict.reason),
        )

    def _repr_html_(self) -> str | None:
        render = type(self).as_html
        return None if render is None else render(self)


def parse_report(content: bytes, path: str) -> Report:
    """Return the content of a `report.json`.

    Parameters
    ----------
    content : bytes
        What is in the file.
    path : str
        Where it is, for errors.

    Raises
    ------
    StoreError
        If it is cut short, or is not a report of this version.
    """
    interval = PurePosixPath(path).parent.name
    command = f"drift-monitor backfill MONITOR.yaml --start {interval} --end {interval}"
    if not is_whole(content):
        raise StoreError(
            f"{path} is empty or cut short, so {interval} is not committed: run it again "
            f"({command})"
        )
    try:
        return Report.model_validate_json(content)
    except ValidationError as error:
        raise StoreError(
            f"{path} is not a report of this version ({validation_reasons(error, most=1)}): run "
            f"the interval again ({command} --overwrite)"
        ) from None


def is_whole(content: bytes) -> bool:
    """Whether a `report.json` has been written to its end, whatever its version."""
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):  # no JSON, or no text
        return False


def read_report(path: Path) -> Report:
    """Read a `report.json`.

    Raises
    ------
    StoreError
        If it is missing, cannot be read, or is not a report of this version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(
            f"{path} not found: the interval has not been committed; run it first"
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    return parse_report(content, str(path))


def json_schema() -> str:
    """Return the JSON Schema of `report.json` as text."""
    schema = Report.model_json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("report.schema.json").write_text(json_schema(), encoding="utf-8")
