"""Score tables made by hand or drawn, and what is found in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from drift_monitor.analysis.findings import Findings, analyse
from drift_monitor.config import Policy
from drift_monitor.results.report_findings import TwoSampleTest
from drift_monitor.scoring.scored_rows import ScoredRows

CLASSES = ("cat", "dog", "owl")
Names = Sequence[str | None]


def scores(
    prediction: Names,
    *,
    score: Sequence[float] | None = None,
    flagged: Sequence[bool] | None = None,
    rebuilt: Names | None = None,
    **columns: Sequence[Any],
) -> pa.Table:
    """Return a score table; scores rise from row to row, nothing is flagged or changes."""
    n = len(prediction)
    return pa.table(
        {
            "prediction": pa.array(prediction, pa.string()),
            "confidence": np.linspace(0.5, 0.9, n, dtype=np.float32),
            "entropy": np.linspace(0.9, 0.1, n),
            "adversarial_score": pa.array(score or [i / n for i in range(n)], pa.float64()),
            "flagged": pa.array(flagged or [False] * n, pa.bool_()),
            "reconstruction_prediction": pa.array(rebuilt or prediction, pa.string()),
        }
        | {name: pa.array(values, pa.string()) for name, values in columns.items()}
    )


def population(n: int, seed: int, **moved: float) -> pa.Table:
    """Draw scored rows: 10 % wrong with higher scores, 5 % flagged, half of those rebuilt right."""
    rng = np.random.default_rng(seed)
    names = np.array(CLASSES)
    label = rng.integers(0, 3, n)
    wrong = rng.random(n) < moved.get("harm", 0.1)
    prediction = np.where(wrong, (label + 1) % 3, label)
    score = rng.exponential(np.where(wrong, 2.0, 1.0)) + moved.get("shift", 0.0)
    flagged = score > 3.3
    rebuilt = np.where(flagged & (rng.random(n) < 0.5), label, prediction)
    return scores(
        names[prediction].tolist(),
        score=score.tolist(),
        flagged=flagged.tolist(),
        rebuilt=names[rebuilt].tolist(),
        label=names[label].tolist(),
        site=np.where(rng.random(n) < 0.3, "north", "south").tolist(),
    )


def compare(
    current: pa.Table,
    reference: pa.Table,
    segments: Sequence[str] = (),
    **policy: Any,
) -> Findings:
    here, there = (ScoredRows.of(table, CLASSES, segments) for table in (current, reference))
    return analyse(here, there, CLASSES, Policy(**policy))


def by_name(findings: Findings) -> dict[str, TwoSampleTest]:
    return {test.name: test for test in findings.tests}


UNLABELLED = scores(["cat"] * 200)
LABELLED = scores(["cat"] * 200, label=["cat"] * 200)


values = st.sampled_from(["north", "south", None])
classes = st.sampled_from(CLASSES)
table_rows = st.lists(
    st.tuples(classes, classes, st.one_of(st.none(), classes), values, st.booleans()),
    min_size=1,
    max_size=30,
)
Rows = list[tuple[str, str, str | None, str | None, bool]]


def from_rows(rows: Rows) -> pa.Table:
    prediction, rebuilt, label, site, flagged = zip(*rows, strict=True)
    return scores(prediction, rebuilt=rebuilt, label=label, site=site, flagged=flagged)
