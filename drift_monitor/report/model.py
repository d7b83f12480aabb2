"""The content of `report.json`; its JSON Schema is `report.schema.json` beside this file."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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

    kind: Literal["fixed"]
    n: int
    n_labelled: int
    score_quantiles: list[float] = Field(
        description="scores of the reference at evenly spaced probabilities from 0 to 1, in nats"
    )


class Counts(_Part):
    """Rows of the batch. `read` = `scored` + `rejected`."""

    read: int
    scored: int
    rejected: int
    flagged: int
    labelled: int


class VerdictInfo(_Part):
    """What the report says first."""

    verdict: VerdictName
    rule: str = Field(description="the rule that gave the verdict, the first that held")
    reason: str
    next_action: str


class HarmRate(_Part):
    """Share of harmful rows among those not left out, with its Wilson interval."""

    harmful: int
    n: int
    rate: float = Probability
    low: float = Probability
    high: float = Probability


class Difference(_Part):
    """Current minus reference harm rate, with Newcombe's interval."""

    estimate: float
    low: float
    high: float


class Harm(_Part):
    """The harm split and what it found."""

    split: Literal["labels", "paired", "detector"]
    definition: str
    margin: float
    confidence: float
    left_out: int = Field(description="scored rows that the split says nothing about")
    current: HarmRate | None
    reference: HarmRate | None
    difference: Difference | None


class KSTest(_Part):
    """A two-sample Kolmogorov-Smirnov test on the adversarial score."""

    name: Literal["score", "score_harmful", "score_harmless", "separation"]
    compares: str
    in_family: bool = Field(
        description="whether the test counts for drift and is in the family of the Holm adjustment"
    )
    skipped: str | None = Field(description="why the test was not made, or null")
    statistic: float | None = Field(description="D")
    low: float | None
    high: float | None
    location: float | None = Field(description="score at which D occurs, in nats")
    p_value: float | None
    p_value_adjusted: float | None
    method: Literal["exact", "asymptotic"] | None
    n_reference: int
    n_current: int
    minimum_detectable: float | None = Field(description="D found with 80 % power at these n")
    threshold: float = Field(description="smallest D called drift")
    drift_detected: bool


class Breakdown(_Part):
    """Rows of one predicted class, or of one value of a segment."""

    by: str
    value: str
    n_current: int
    n_reference: int
    share_current: float
    share_reference: float | None
    current: HarmRate | None
    reference: HarmRate | None


class Correction(_Part):
    """Flagged rows of one prediction that the detector corrects to another class."""

    prediction: str
    corrected_prediction: str
    n: int


class FeatureValue(_Part):
    """One feature of a flat row and what the autoencoder made of it."""

    name: str
    value: float
    reconstruction: float


class Example(_Part):
    """A row of high score."""

    row: dict[str, str | int | float] = Field(description="row_id, or file and row")
    prediction: str
    corrected_prediction: str
    confidence: float
    adversarial_score: float
    flagged: bool
    outcome: Literal["harmful", "harmless"] | None
    label: str | None
    image: str | None = Field(description="PNG as a data URL")
    reconstruction: str | None = Field(description="PNG as a data URL")
    values: list[FeatureValue] = Field(description="features that the autoencoder moved most")


class Health(_Part):
    """Whether the detector and the data are fit for a verdict."""

    flagged_share_reference: float
    flagged_share_current: float | None
    logged_agreement: float | None = Field(
        description="share of rows whose logged prediction is the bundle's classifier's"
    )
    rejected_share: float
    warnings: list[str]


class Report(_Part):
    """One interval of one monitor."""

    schema_version: Literal["1"] = "1"
    drift_monitor_version: str
    monitor: str
    interval: str
    data_interval: DataInterval
    detector: DetectorInfo
    data: list[DataFile]
    reference: ReferenceInfo
    counts: Counts
    verdict: VerdictInfo
    harm: Harm
    tests: list[KSTest]
    localisation: list[Breakdown]
    corrections: list[Correction]
    examples: list[Example]
    detector_health: Health
    policy: dict[str, Any]

    def to_json(self) -> str:
        """Return the text of `report.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


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
        first = error.errors()[0]
        raise StoreError(
            f"{path} is not a report of this version ({'.'.join(map(str, first['loc']))}: "
            f"{first['msg']}); run the interval again"
        ) from None


def json_schema() -> str:
    """Return the JSON Schema of `report.json` as text."""
    schema = Report.model_json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("report.schema.json").write_text(json_schema(), encoding="utf-8")
