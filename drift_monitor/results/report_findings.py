"""What a report says about its rows: harm, accuracy, tests, slices, corrections and examples."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from drift_monitor.config import HarmBy
from drift_monitor.stats.estimates import Estimate, EstimatedShare, Probability, Rate

MovedBy = Literal["distribution", "outside", "unseen", "missing"]


class ReportModel(BaseModel):
    """A part of `report.json`; unknown fields and non-finite numbers are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Harm(ReportModel):
    """Harm, and the basis on which it is judged."""

    by: HarmBy
    definition: str
    margin: float
    confidence: float = Field(description="of the intervals of harm rates and estimated accuracy")
    left_out: int = Field(description="scored rows that the basis says nothing about")
    current: Rate | None
    reference: Rate | None
    difference: Estimate | None
    p_value: float | None = Field(
        ge=0, le=1, description="Fisher's exact test, one-sided: harm is not above the reference's"
    )


class RealisedAccuracy(ReportModel):
    """Share of right predictions among labelled rows."""

    current: Rate | None
    reference: Rate | None
    difference: Estimate | None


class Resemblance(ReportModel):
    """A kind of damage that some of the batch's rows look like."""

    damage: str = Field(description="what was done to calibration rows, such as 'unit-3'")
    severity: float
    share: float = Field(ge=0, le=1, description="of the batch")


class ClassShares(ReportModel):
    """One class among weighted labelled rows."""

    name: str
    true: float = Field(ge=0, le=1, description="share of the rows that are of this class")
    predicted: float = Field(ge=0, le=1, description="share of the rows taken for it")
    right: float = Field(ge=0, le=1, description="share of the rows of it and taken for it")
    rows_true: float = Field(ge=0, description="effective number of rows of it")
    rows_predicted: float = Field(ge=0, description="effective number of rows taken for it")


class LikelyExplanation(ReportModel):
    """Calibration rows that the batch may be a sample of, and what they say of its accuracy."""

    name: Literal["normal", "classes", "damage", "selection"] = Field(
        description="normal rows; with their classes in other shares; damaged ones among them; or "
        "normal ones selected by what they look like"
    )
    unexplained: float = Field(
        ge=0, le=1, description="share of the batch that is like none of these rows"
    )
    novel: float = Field(
        ge=0, le=1, description="share of novel rows among these, beyond that of normal rows"
    )
    correction: float = Field(
        description="what the true classes of these rows add to the estimated accuracy"
    )
    correction_error: float = Field(description="standard error of the correction")
    gain: float | None = Field(
        default=None,
        description="what the true classes of these rows add to the expected gain of corrected "
        "predictions; null in reports of versions that did not bound it",
    )
    gain_error: float | None = Field(default=None, description="standard error of the gain")
    classes: list[ClassShares] = Field(
        default=[], description="what the true classes of these rows say of each class"
    )


class Support(ReportModel):
    """How far the batch's rows are like those the detector was calibrated on.

    Nothing is known without labels of rows that are like none of them.
    """

    missing: str | None = Field(default=None, description="why nothing can be said, or null")
    novel: Rate | None = Field(
        default=None, description="rows farther from all calibration rows than normal"
    )
    novel_reference: Rate | None = Field(
        default=None, description="the same of held-out normal rows"
    )
    distance: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="D of a learner's scores between the batch and normal rows, on rows that it "
        "was not fitted on",
    )
    by_chance: float | None = Field(
        default=None, description="what D exceeds once in a thousand samples of normal rows"
    )
    explanation: LikelyExplanation | None = Field(
        default=None, description="the simplest that leaves nothing, else the one that leaves least"
    )
    alternatives: list[LikelyExplanation] = Field(
        default=[], description="what the batch may be as well: they leave no more, but for chance"
    )
    normal_classes: list[ClassShares] = Field(
        default=[], description="the same of the normal rows as they are"
    )
    resembles: list[Resemblance] = Field(
        default=[], description="kinds of damage in the explanation, the largest share first"
    )

    @property
    def explanations(self) -> list[LikelyExplanation]:
        """All that the batch may be."""
        return [*([self.explanation] if self.explanation else []), *self.alternatives]

    @property
    def differs(self) -> bool:
        """Whether the batch differs from normal rows beyond chance."""
        if self.distance is None or self.by_chance is None:
            return False
        return self.distance >= self.by_chance


class AccuracyBounds(ReportModel):
    """Accuracy of all rows read, whatever the rows are that nothing is known of.

    Rows unlike any calibration row, and rejected ones, may all be wrong or all be right.
    """

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    difference_low: float = Field(ge=-1, le=1, description="of the difference to the reference")
    difference_high: float = Field(ge=-1, le=1)
    unknown: float = Field(ge=0, le=1, description="share of the rows that may be anything")


class BoundedShare(ReportModel):
    """A share estimated without labels, its bounds, and the same share of the reference rows."""

    estimate: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    reference: float = Field(ge=0, le=1)


class ClassAccuracy(ReportModel):
    """Recall and precision of one class; null where there are too few rows to say."""

    name: str
    recall: BoundedShare | None
    precision: BoundedShare | None


class EstimatedAccuracy(ReportModel):
    """Accuracy estimated from scores, without labels, by the detector's accuracy estimator."""

    current: EstimatedShare
    reference: EstimatedShare
    difference: Estimate
    largest_drop: float = Field(
        ge=-1, le=1, description="estimated under the explanation that is worst for the accuracy"
    )
    p_value: float = Field(ge=0, le=1, description="one-sided: accuracy has not fallen")
    bounds: AccuracyBounds
    decides: bool = Field(
        description="whether the verdict uses it, as it does where harm is not judged by labels"
    )


class Accuracy(ReportModel):
    """Whether the predictions are right: realised with labels, and estimated without them."""

    realised: RealisedAccuracy
    estimated: EstimatedAccuracy | None
    estimated_missing: str | None = Field(description="why there is no estimate, or null")
    by_class: list[ClassAccuracy] = Field(
        default=[], description="estimated without labels, with bounds"
    )


class TwoSampleTest(ReportModel):
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
    low: float | None = Field(description="lower end of the effect's interval")
    high: float | None
    location: float | None = Field(description="value at which D occurs")
    p_value: float | None
    p_value_is_bound: bool = Field(description="whether p is smaller than the value given")
    p_value_adjusted: float | None
    method: Literal["exact", "asymptotic"] | None
    degrees_of_freedom: int | None
    n_reference: int
    n_current: int
    minimum_detectable: float | None = Field(
        description="effect that is detected with 80 % power at these n"
    )
    threshold: float = Field(description="smallest effect that counts as drift")
    drift_detected: bool


class InputShare(ReportModel):
    """A share of rows that is to be expected among normal rows, and is tested for having risen."""

    current: float = Field(ge=0, le=1)
    reference: float = Field(ge=0, le=1, description="share to expect among normal rows")
    p_value: float = Field(ge=0, le=1, description="exact, one-sided: the share has not risen")
    p_value_adjusted: float | None = Field(ge=0, le=1)


class InputCurves(ReportModel):
    """Two empirical distribution functions at some of their values."""

    values: list[float]
    reference: list[float] = Field(description="share of the reference at or below each value")
    current: list[float] = Field(description="share of the batch at or below each value")


class InputTest(TwoSampleTest):
    """One input of the batch against the reference."""

    reference_low: float | None = Field(description="smallest value in the reference")
    reference_high: float | None
    current_low: float | None = Field(description="smallest value in the batch")
    current_high: float | None
    constant: bool = Field(description="the batch has one value only")
    outside: InputShare | None = Field(description="rows outside the reference's range")
    unseen: InputShare | None = Field(
        description="rows with a value that the reference lacks; null of a continuous input"
    )
    missing: InputShare | None = Field(
        description="rows read without a finite value, which were rejected; null of images"
    )
    moved_by: list[MovedBy] = Field(
        description="what is beyond chance and of a size that matters: a distribution by at least "
        "the minimum effect, a share by at least the margin of harm"
    )
    curves: InputCurves | None = Field(description="of the inputs that moved most")

    @property
    def change(self) -> float:
        """The larger of its effect and of the rise of missing rows: by it, inputs are ranked."""
        missing = self.missing.current - self.missing.reference if self.missing else 0.0
        return max(self.effect or 0.0, missing)


class InputFindings(ReportModel):
    """Every input against the detector's own reference window, those that moved most first."""

    of: Literal["columns", "descriptors"] = Field(
        description="columns of flat rows, or descriptors of images"
    )
    skipped: str | None = Field(description="why inputs were not tested, or null")
    tests: list[InputTest]

    @property
    def moved(self) -> list[InputTest]:
        """The inputs that moved beyond chance by as much as matters, the most moved first."""
        return [test for test in self.tests if test.moved_by]


class Slice(ReportModel):
    """Rows of one predicted class, or of one value of a segment.

    Over the values of one column, the contributions add up to the whole: those to harm to the
    difference of the harm rates, and those to drift to D of the score.
    """

    by: str
    value: str
    n_current: int
    n_reference: int
    share_current: float
    share_reference: float | None
    current: Rate | None
    reference: Rate | None
    difference: Estimate | None = Field(description="of the harm rates")
    harm_contribution: float | None
    drift_contribution: float | None
    too_small: bool = Field(description="too few rows to judge, here or in the reference")


class Correction(ReportModel):
    """Flagged rows of one prediction for which M(AE(x)) has another class."""

    prediction: str
    reconstruction_prediction: str
    n: int
    offered: int = Field(description="rows for which that class is offered")
    probability_before: float | None = Field(
        description="mean estimate that the prediction is right"
    )
    probability_after: float | None = Field(
        description="mean estimate that the class of M(AE(x)) is right"
    )


class CorrectionGain(ReportModel):
    """Right predictions that corrections are expected to gain, or lose."""

    # Reports of older versions also say what every proposal gains, which nothing bounds.
    model_config = ConfigDict(extra="ignore")

    proposed: int = Field(description="flagged rows with another class after reconstruction")
    within_support: int | None = Field(
        default=None,
        description="proposed rows that are not novel; null where the detector cannot tell",
    )
    likelier: int | None = Field(
        default=None,
        description="rows within support whose class after reconstruction is the likelier to be "
        "right; null in reports of versions that did not look at support",
    )
    offered: int = Field(description="the same rows, or none where they are withheld")
    withheld: str | None = Field(
        default=None, description="why no correction is offered although there are proposals"
    )
    expected: Estimate | None = Field(
        description="change in the batch's accuracy if these rows were corrected; its ends hold "
        "whatever the rows are of which nothing is known"
    )
    realised: float | None = Field(description="the same by labels, if there are any")


class FeatureValue(ReportModel):
    """One feature of a flat row and what the autoencoder made of it."""

    name: str
    value: float
    reconstruction: float
    normal: float | None = Field(
        default=None,
        description="of the row of the reference that looks most like this one, among those of the "
        "same prediction; null where the detector keeps no such row",
    )
    reference_median: float | None
    reference_quantile: float | None = Field(
        ge=0, le=1, description="share of the reference's rows with a value at or below"
    )


class ClassProbability(ReportModel):
    """The classifier's probability of one class, for the input and for its reconstruction."""

    name: str
    probability: float = Probability
    reconstruction: float = Probability


class RenderedExample(ReportModel):
    """What is shown of a row besides its scores: a picture or fields, and probabilities."""

    position: int = Field(description="row of scores.parquet, counted from 0")
    image: str | None = Field(description="PNG as a data URL")
    reconstruction: str | None = Field(description="PNG as a data URL")
    normal: str | None = Field(
        default=None,
        description="the image of the reference that looks most like this one, among those of the "
        "same prediction: PNG as a data URL; null where the detector keeps no such row",
    )
    probabilities: list[ClassProbability] = Field(
        description="the likeliest classes of M(x) and of M(AE(x))"
    )
    values: list[FeatureValue] = Field(
        description="features farthest from the reference's median, or moved most by the "
        "autoencoder if the detector has no quantiles of the reference"
    )


class Example(RenderedExample):
    """A row with a high score."""

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
