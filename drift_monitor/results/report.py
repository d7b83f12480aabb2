"""The content of `report.json`; its JSON Schema is `report.schema.json` beside this file."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adversarial.errors import validation_reasons
from drift_monitor.errors import StoreError

VerdictName = Literal[
    "insufficient_data", "harmful_drift", "harmless_drift", "statistical_only", "no_drift"
]
Probability = Field(ge=0, le=1)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DataInterval(_Part):
    """Half-open: `start` belongs to it, `end` does not."""

    start: datetime
    end: datetime


class DetectorInfo(_Part):
    """Which detector scored the batch."""

    path: str
    fingerprint: str = Field(description="SHA-256 that names the bundle")
    class_names: list[str]
    threshold: float = Field(description="t, in nats: flagged where the score is above")
    fpr: float = Field(description="share of normal rows that the threshold was chosen to flag")
    temperature: float


class DataFile(_Part):
    """One Parquet file of the batch."""

    path: str
    rows: int
    sha256: str


class ReferenceInfo(_Part):
    """Which rows the batch is compared with."""

    kind: Literal["fixed", "trailing"] = Field(
        description="fixed: stored in the detector; trailing: the last intervals without harm"
    )
    intervals: list[str] = Field(description="those of a trailing window, the latest last")
    note: str | None = Field(
        description="why the fixed window was taken where the monitor asks for a trailing one"
    )
    n: int
    n_labelled: int
    created: datetime | None = Field(description="when the detector's window was made")
    score_quantiles: list[float] = Field(
        description="scores of the reference at evenly spaced probabilities from 0 to 1, in nats"
    )
    confidence_quantiles: list[float] = Field(description="the same of the classifier's confidence")
    entropy_quantiles: list[float] = Field(
        description="the same of the entropy of its probabilities, in nats"
    )


class Counts(_Part):
    """Rows of the batch. `read` = `scored` + `rejected`."""

    read: int
    scored: int
    rejected: int
    flagged: int
    labelled: int
    non_finite: int = Field(
        description="scored rows whose score, confidence or entropy is not a finite number; no "
        "test and no estimate counts them"
    )


class VerdictInfo(_Part):
    """What the report says first."""

    verdict: VerdictName
    rule: str = Field(description="the rule that gave the verdict, the first that held")
    reason: str
    next_action: str
    commands: list[str] = Field(description="the next action as commands, ready to be run")
    p_value: float | None = Field(
        ge=0,
        le=1,
        description="smallest p of harm rules and tests, adjusted for their number: the chance of "
        "one so small in a batch like the reference, at most; for procedures over many intervals",
    )


class Rate(_Part):
    """A share of rows with its Wilson interval."""

    count: int
    n: int
    rate: float = Probability
    low: float = Probability
    high: float = Probability


class Estimate(_Part):
    """A share that is estimated, with its interval."""

    estimate: float = Probability
    low: float = Probability
    high: float = Probability
    n: int


class Difference(_Part):
    """Current minus reference, with its interval."""

    estimate: float
    low: float
    high: float


class Harm(_Part):
    """The harm split and what it found."""

    by: Literal["labels", "paired", "detector"]
    definition: str
    margin: float
    confidence: float = Field(description="of the intervals of harm rates and estimated accuracy")
    left_out: int = Field(description="scored rows that the split says nothing about")
    current: Rate | None
    reference: Rate | None
    difference: Difference | None
    p_value: float | None = Field(
        ge=0, le=1, description="Fisher's exact test, one-sided: harm is not above the reference's"
    )


class RealisedAccuracy(_Part):
    """Share of right predictions among labelled rows."""

    current: Rate | None
    reference: Rate | None
    difference: Difference | None


class EstimatedAccuracy(_Part):
    """Accuracy estimated from scores, without labels, by the detector's accuracy estimator."""

    current: Estimate
    reference: Estimate
    difference: Difference
    p_value: float = Field(ge=0, le=1, description="one-sided: accuracy has not fallen")
    decides: bool = Field(description="whether the verdict counts it: where no labels judge harm")


class Accuracy(_Part):
    """Whether the predictions are right: realised where labels are, and estimated without them."""

    realised: RealisedAccuracy
    estimated: EstimatedAccuracy | None
    estimated_missing: str | None = Field(description="why there is no estimate, or null")


class TwoSampleTest(_Part):
    """A two-sample test of the batch against the reference."""

    name: str = Field(
        description="score, score_harmful, score_harmless, separation, confidence, entropy, "
        "class_mix, or segment_mix:<segment>"
    )
    kind: Literal["ks", "chi_squared"]
    compares: str
    in_family: bool = Field(
        description="whether the test counts for drift and is in the family of the Holm adjustment"
    )
    skipped: str | None = Field(description="why the test was not made, or null")
    statistic: float | None = Field(description="D, or chi-squared")
    effect: float | None = Field(
        description="D, or the total variation distance: share of rows by which the two differ"
    )
    low: float | None = Field(description="of the interval of the effect")
    high: float | None
    location: float | None = Field(description="value at which D occurs")
    p_value: float | None
    p_value_is_bound: bool = Field(description="p is smaller than what is stated")
    p_value_adjusted: float | None
    method: Literal["exact", "asymptotic"] | None
    degrees_of_freedom: int | None
    n_reference: int
    n_current: int
    minimum_detectable: float | None = Field(
        description="effect that is found with 80 % power at these n"
    )
    threshold: float = Field(description="smallest effect called drift")
    drift_detected: bool


class Slice(_Part):
    """Rows of one predicted class, or of one value of a segment.

    Over the values of one column the two contributions sum to the whole: the difference of the
    harm rates, and D of the score.
    """

    by: str
    value: str
    n_current: int
    n_reference: int
    share_current: float
    share_reference: float | None
    current: Rate | None
    reference: Rate | None
    difference: Difference | None = Field(description="of the harm rates")
    harm_contribution: float | None
    drift_contribution: float | None
    too_small: bool = Field(description="too few rows, here or in the reference, to judge by")


class Correction(_Part):
    """Flagged rows of one prediction for which M(AE(x)) has another class."""

    prediction: str
    reconstruction_prediction: str
    n: int
    offered: int = Field(
        description="rows whose corrected prediction is that class, it being the likelier of the "
        "two; all where there is no accuracy estimator"
    )
    probability_before: float | None = Field(
        description="mean estimate that the prediction is right"
    )
    probability_after: float | None = Field(
        description="mean estimate that the class of M(AE(x)) is right"
    )


class CorrectionGain(_Part):
    """Right predictions that the offered corrections are expected to gain, or lose."""

    proposed: int = Field(description="flagged rows with another class after reconstruction")
    offered: int
    expected: Difference | None = Field(
        description="change of the batch's accuracy by the corrections offered"
    )
    expected_of_all: float | None = Field(
        description="the same if every proposed correction were made"
    )
    realised: float | None = Field(description="the same by labels, where there are any")


class FeatureValue(_Part):
    """One feature of a flat row and what the autoencoder made of it."""

    name: str
    value: float
    reconstruction: float
    reference_median: float | None
    reference_quantile: float | None = Field(
        ge=0, le=1, description="share of the reference's rows with a value at or below"
    )


class ClassProbability(_Part):
    """What the classifier says of one class, of the input and of its reconstruction."""

    name: str
    probability: float = Probability
    reconstruction: float = Probability


class Example(_Part):
    """A row of high score."""

    position: int = Field(description="row of scores.parquet, counted from 0")
    row: dict[str, str | int | float] = Field(description="row_id, or file and row")
    prediction: str
    reconstruction_prediction: str
    corrected_prediction: str
    confidence: float
    adversarial_score: float
    flagged: bool
    probability_correct: float | None
    outcome: Literal["harmful", "harmless"] | None
    label: str | None
    image: str | None = Field(description="PNG as a data URL")
    reconstruction: str | None = Field(description="PNG as a data URL")
    probabilities: list[ClassProbability] = Field(
        description="the likeliest classes of M(x) and of M(AE(x))"
    )
    values: list[FeatureValue] = Field(
        description="features farthest from the reference's middle, or moved most by the "
        "autoencoder where the detector has no quantiles of the reference"
    )


class SelfTest(_Part):
    """The two halves of the reference window, in its own order, against each other."""

    statistic: float = Field(description="D")
    p_value: float
    n: int


class Health(_Part):
    """Whether the detector and the data are fit for a verdict."""

    flagged_share_reference: float
    flagged_share_current: float | None
    new_rows_flagged_low: float = Field(
        description="share of normal rows to come that the threshold flags, 95 % interval"
    )
    new_rows_flagged_high: float
    logged_agreement: float | None = Field(
        description="share of rows whose logged prediction is the bundle's classifier's"
    )
    rejected_share: float
    non_finite_share: float
    reference_age_days: float | None = Field(
        description="from the making of the detector's window to the interval's start; negative "
        "where it was made later, null where the window is a trailing one"
    )
    reference_self: SelfTest | None
    reference_against_fixed: float | None = Field(
        description="D of a trailing window against the detector's own: how far it has moved"
    )
    warnings: list[str]


class ScoreQuantile(_Part):
    """A quantile of the batch's scores."""

    probability: float = Probability
    score: float


class Report(_Part):
    """One interval of one monitor."""

    schema_version: Literal["3"] = "3"
    drift_monitor_version: str
    monitor: str
    interval: str
    data_interval: DataInterval
    detector: DetectorInfo
    data: list[DataFile]
    labels: list[DataFile] = Field(
        description="files by which labels arrived after the batch, in the order of their use"
    )
    reference: ReferenceInfo
    counts: Counts
    verdict: VerdictInfo
    harm: Harm
    accuracy: Accuracy
    tests: list[TwoSampleTest]
    score_quantiles: list[ScoreQuantile]
    slices: list[Slice] = Field(
        description="by column; in it the slices that contribute most to harm first, those too "
        "small to judge last"
    )
    corrections: list[Correction]
    correction_gain: CorrectionGain
    examples: list[Example]
    detector_health: Health
    config: dict[str, Any] = Field(description="the monitor's YAML file, with defaults")

    as_html: ClassVar[Callable[["Report"], str] | None] = None
    """How a notebook shows a report, set by `drift_monitor.pages.html` when it is imported."""

    def test(self, name: str) -> TwoSampleTest:
        """Return the test of that name; every report has `score`."""
        return next(test for test in self.tests if test.name == name)

    def to_json(self) -> str:
        """Return the text of `report.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    def _repr_html_(self) -> str | None:
        render = type(self).as_html
        return None if render is None else render(self)


def read_report(path: Path) -> Report:
    """Read a `report.json`.

    Raises
    ------
    StoreError
        If it is missing or is not a report of this version.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(
            f"{path} not found: the interval has not been committed; run it first"
        ) from None
    except ValidationError as error:
        interval = path.parent.name
        raise StoreError(
            f"{path} is not a report of this version ({validation_reasons(error, most=1)}): run "
            f"the interval again (drift-monitor backfill MONITOR.yaml --start {interval} "
            f"--end {interval} --overwrite)"
        ) from None


def json_schema() -> str:
    """Return the JSON Schema of `report.json` as text."""
    schema = Report.model_json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("report.schema.json").write_text(json_schema(), encoding="utf-8")
