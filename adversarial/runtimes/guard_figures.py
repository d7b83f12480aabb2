"""How far a runtime's results are from TensorFlow's in float32, and how far they may be."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from adversarial.runtimes.names import Precision, RuntimeName

DIGITS = 3
"""Significant digits of a figure: what lies behind them is rounding."""


class GuardFigures(BaseModel):
    """Differences on a sample of reference rows between a runtime and TensorFlow in float32."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(description="rows of the sample")
    largest_score_change: float = Field(description="largest |ΔS|, in nats")
    mean_score_change: float = Field(description="mean |ΔS|, in nats")
    score_distance: float = Field(description="D between the two distributions of scores")
    changed_predictions: float = Field(description="share of rows with another prediction")
    changed_flags: float = Field(description="share of rows flagged by only one of the two")
    changed_reconstruction_predictions: float = Field(
        description="share of rows with another class after reconstruction"
    )
    changed_novel: float = Field(description="share of rows novel by only one of the two")

    def beyond(self) -> list[str]:
        """Return, in words, the figures that are not within `BOUNDS`; none if all are."""
        result = []
        for name, (bound, n_rows, words) in BOUNDS.items():
            found = getattr(self, name)
            # A share of the rows that may differ must not be rounded beyond itself.
            if rounded(found) > (allowed := rounded(max(bound, n_rows / self.rows))):
                result.append(f"{words} {found:g}, more than {allowed:g}")
        return result


def rounded(value: float) -> float:
    """Return a figure with `DIGITS` significant digits; infinity where it is not a number."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else math.inf


BOUNDS: dict[str, tuple[float, float, str]] = {
    "largest_score_change": (0.5, 0, "a score changes by"),
    "mean_score_change": (0.02, 0, "scores change on average by"),
    "score_distance": (0.05, 7, "D between the distributions of scores is"),
    "changed_predictions": (0.005, 1, "the share of other predictions is"),
    "changed_flags": (0.01, 2, "the share of other flags is"),
    "changed_reconstruction_predictions": (0.01, 2, "the share of other reconstruction classes is"),
    "changed_novel": (0.01, 2, "the share of rows that become or cease to be novel is"),
}
"""By figure: its greatest value, and the rows that may differ in a sample however small.

Rounding lets neighbours in the order of scores change places, more often one way than the other in
a small sample. Where bfloat16 moved the scores of 4,000 images and of 20,000 flat rows by a D of
0.004, D in one of a thousand samples of them was beyond 0.043 among 256 rows and 0.082 among 85. A
D of 0.042 in all rows, made by scores 1.4 times as large, was never within the bound among 256 rows
(0 of 1,000 samples); a D of 0.025 was in two of three. What passes is thus less than half of the
smallest effect that a monitor reports by default (`policy.min_effect`, 0.1).

Changes in nats bound what a reader sees of a row. The scores of a ResNet-56 lie between 0 and 4
nats, and bfloat16 moves them by 0.013 on average without another flag or prediction.
"""


RUNTIME_NAMES: dict[RuntimeName, str] = {"openvino": "OpenVINO", "tensorflow": "TensorFlow"}


class ScoredBy(BaseModel):
    """What computed the outputs of a detector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: RuntimeName
    precision: Precision
    guard: GuardFigures | None = Field(
        default=None,
        description="how far its results are from TensorFlow's in float32; null for TensorFlow "
        "itself, and where the detector keeps no sample to tell by",
    )
    notes: list[str] = Field(default=[], description="why nothing faster was taken, if so")

    def describe(self) -> str:
        """Return runtime and precision as text."""
        return f"{RUNTIME_NAMES[self.runtime]} in {self.precision}"
