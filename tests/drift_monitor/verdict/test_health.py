"""Whether detector, reference and data are fit for a verdict, and what is warned of."""

from collections import Counter
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from drift_monitor.analysis.findings import is_selected
from drift_monitor.config import DataConfig, Monitor
from drift_monitor.results.report import Counts, Health
from drift_monitor.scoring.reference_window import ReferenceWindow
from drift_monitor.scoring.scored_rows import ScoredRows
from drift_monitor.stats.ks import ks_test
from drift_monitor.verdict.health import health
from tests.support.analysis.score_tables import CLASSES, population, scores

WINDOW = population(1000, seed=0)
DATA = DataConfig(path="b/{date}.parquet", input="image", row_id="id", label="label")
MONITOR = Monitor(name="m", detector="d", data=DATA)
INTERVAL = MONITOR.interval(date(2026, 11, 20))


def found(
    current: pa.Table,
    reference: pa.Table = WINDOW,
    *,
    created: datetime | None = None,
    rejected: Counter[str] | None = None,
    non_finite: int = 0,
    repeated_ids: int | None = None,
    **window: Any,
) -> Health:
    manifest: Any = SimpleNamespace(threshold=3.3, reference_created=created)
    rows, other = (ScoredRows.of(table, CLASSES, ()) for table in (current, reference))
    lost = rejected or Counter()
    counts = Counts(
        read=len(rows) + lost.total(),
        scored=len(rows),
        rejected=lost.total(),
        flagged=int(rows.flagged.sum()),
        labelled=int((rows.label >= 0).sum()),
        non_finite=non_finite,
        logged=int((rows.logged >= 0).sum()),
        served_otherwise=int((rows.served != rows.prediction).sum()),
        repeated_ids=repeated_ids,
    )
    kept = ReferenceWindow(reference, np.asarray(WINDOW["adversarial_score"]), **window)
    scored: Any = SimpleNamespace(
        monitor=MONITOR,
        interval=INTERVAL,
        bundle=SimpleNamespace(manifest=manifest),
        window=kept,
        rejected=lost,
    )
    return health(scored, other, counts, labels_selected=is_selected(rows))


def test_a_sound_detector_gives_no_warning() -> None:
    health_ = found(population(400, seed=1))
    assert health_.warnings == []
    share = float((np.asarray(WINDOW["adversarial_score"]) > 3.3).mean())
    assert health_.flagged_share_reference == pytest.approx(share)
    assert health_.new_rows_flagged_low < share < health_.new_rows_flagged_high
    assert health_.reference_against_fixed is None


@pytest.mark.parametrize(
    ("created", "days"),
    [(None, None), (datetime(2026, 11, 10, 12, tzinfo=UTC), 9.5), (INTERVAL.start, 0.0)],
)
def test_the_age_of_the_reference_is_counted_to_the_intervals_start(
    created: datetime | None, days: float | None
) -> None:
    assert found(WINDOW, created=created).reference_age_days == days


def test_a_reference_whose_halves_differ_is_warned_of() -> None:
    drifting = pa.concat_tables([population(500, seed=2), population(500, seed=3, shift=1.0)])
    health_ = found(WINDOW, drifting)
    score = np.asarray(drifting["adversarial_score"])
    assert health_.reference_self is not None
    assert health_.reference_self.statistic == ks_test(score[:500], score[500:]).statistic
    assert "halves of the reference differ" in health_.warnings[0]


def test_how_far_a_trailing_window_has_moved_is_stated() -> None:
    moved = population(800, seed=4, shift=0.5)
    health_ = found(WINDOW, moved, intervals=("2026-11-18", "2026-11-19"))
    expected = ks_test(
        np.asarray(WINDOW["adversarial_score"]), np.asarray(moved["adversarial_score"])
    )
    assert health_.reference_against_fixed == expected.statistic
    noted = found(WINDOW, note="the detector's own, for a reason")
    assert noted.warnings == ["The reference is the detector's own, for a reason."]


def test_rows_that_are_lost_or_not_finite_are_warned_of_with_their_numbers() -> None:
    lost = Counter({"image is null": 3, "image cannot be decoded": 1})
    rejected, non_finite = found(WINDOW, rejected=lost, non_finite=2).warnings
    assert rejected.startswith("4 of 1,004 rows could not be scored: image is null (3); image")
    assert non_finite.startswith("2 of 1,000 scored rows have no finite score")


def test_a_batch_that_was_loaded_twice_is_warned_of() -> None:
    assert found(WINDOW, repeated_ids=0).warnings == []
    [repeated] = found(WINDOW, repeated_ids=500).warnings
    assert repeated.startswith("500 of 1,000 scored rows have a row id (id) that an earlier row")


@pytest.mark.parametrize(("wrong", "warned"), [(0, False), (1, False), (2, True)])
def test_another_model_in_production_is_warned_of(wrong: int, warned: bool) -> None:
    logged = ["dog"] * wrong + ["cat"] * (100 - wrong)
    health_ = found(scores(["cat"] * 100, label=["cat"] * 100, logged_prediction=logged))
    assert health_.logged_agreement == pytest.approx(1 - wrong / 100)
    assert ("may not hold the model" in " ".join(health_.warnings)) == warned


def test_a_batch_without_rows_has_no_shares() -> None:
    health_ = found(WINDOW.slice(0, 0), rejected=Counter({"broken": 5}))
    assert health_.flagged_share_current is None
    assert health_.logged_agreement is None
    assert health_.rejected_share == 1


def test_labels_of_a_part_of_the_rows_are_warned_of() -> None:
    table = population(600, seed=7)
    score, label = np.asarray(table["adversarial_score"]), np.asarray(table["label"])
    at = table.schema.get_field_index("label")

    def warning(rows: np.ndarray) -> str:
        mask = ~np.isin(np.arange(600), rows)
        part = table.set_column(at, "label", pa.array(label, pa.string(), mask=mask))
        [found] = found_warnings(part)
        return found

    assert "150 of 600 rows have a label: what the labels say" in warning(np.arange(150))
    assert "they are not a random sample" in warning(np.argsort(-score)[:150])


def found_warnings(table: pa.Table) -> list[str]:
    return found(table).warnings
