"""The kinds of reports that the pages are tested with."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from drift_monitor.results.report import VerdictName

MARKUP = "<script>alert(1)</script>"
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
REFERENCE_ROWS = 5000
THRESHOLD = 0.0893
MARGIN = 0.01
ALPHA = 0.05
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SHIFT: dict[VerdictName, float] = {
    "insufficient_data": 0.0,
    "harmful_drift": 2.0,
    "drift_harm_unknown": 1.2,
    "harmless_drift": 0.9,
    "statistical_only": 0.25,
    "no_drift": 0.0,
}


@dataclass(frozen=True)
class Case:
    """What a report is to be like; `word` is put wherever a name comes from the outside."""

    verdict: VerdictName = "harmful_drift"
    rows: int = 1400
    classes: tuple[str, ...] = CLOTHES
    segments: tuple[tuple[str, int], ...] = (("country", 3),)
    labels: bool = False
    accuracy_estimator: bool = True
    input: Literal["images", "flat", "none"] = "images"
    row_ids: bool = True
    monitor: str = "fashion_mnist"
    start: datetime = datetime(2026, 11, 20, tzinfo=UTC)
    length: timedelta = timedelta(days=1)
    examples: int = 12
    word: str = ""
    trailing: int = 0
    seed: int = 0

    @property
    def class_names(self) -> list[str]:
        return [self.word + name for name in self.classes]

    @property
    def interval(self) -> str:
        hourly = self.length < timedelta(hours=23)
        return f"{self.start:%Y-%m-%d}" + (f"T{self.start:%H}" if hourly else "")


SMALL = Case("no_drift", rows=200, examples=0, segments=())
"""Little enough to be made for every interval of a history."""

CASES = {
    "harmful": Case(),
    "harmful, labels": Case(labels=True, seed=1),
    "harmless": Case("harmless_drift", labels=True, seed=2),
    "unknown": Case("drift_harm_unknown", seed=15),
    "unknown, flat rows": Case(
        "drift_harm_unknown", input="flat", row_ids=False, classes=("good", "bad"), seed=16
    ),
    "statistical only": Case("statistical_only", seed=3),
    "no drift": Case("no_drift", seed=4),
    "insufficient data": Case("insufficient_data", rows=40, examples=3, seed=5),
    "no row scored": Case("insufficient_data", rows=0, examples=0),
    "no accuracy estimator": Case(accuracy_estimator=False, seed=6),
    "flat rows": Case(input="flat", row_ids=False, classes=("malignant", "benign"), seed=7),
    "two classes": Case(classes=("cat", "dog"), seed=8),
    "200 classes": Case(classes=tuple(f"class {i:03}" for i in range(200)), rows=5000, seed=9),
    "40 segments": Case(segments=(("country", 40), ("device", 5)), seed=10),
    "long names": Case(word="a_name_without_a_space_" * 5, labels=True, seed=13),
    "trailing reference": Case(trailing=28, seed=14),
    "hostile": Case(word=MARKUP, monitor=MARKUP, labels=True, seed=11),
    "hostile, flat": Case(word=MARKUP, monitor=MARKUP, input="flat", row_ids=False, seed=12),
}
