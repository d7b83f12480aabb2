"""The study of verdicts draws the batches it says, and counts as it says."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RESULTS = Path("studies/verdicts").resolve()


def module(name: str) -> Any:
    return importlib.import_module(f"studies.verdicts.{name}")


def record(**fields: Any) -> dict[str, Any]:
    estimated = {"estimate": 0.9, "low": 0.88, "high": 0.92}
    return {
        "classifier": "one",
        "drift": "noise_1",
        "family": "noise",
        "calibrated": True,
        "mild": False,
        "n": 5000,
        "n_reference": 5000,
        "accuracy": 0.9,
        "reference_accuracy": 0.9,
        "verdict": "no_drift",
        "estimated": estimated,
        "bounds": None,
        "novel": None,
        "peers": {"ATC": 0.8},
    } | fields


def rows(*shape: int) -> Any:
    rng = np.random.default_rng(0)
    return module("data.rows").Rows(
        rng.random(shape, np.float32), rng.integers(0, 3, shape[0]).astype(np.int64)
    )


def all_drifts() -> list[tuple[str, Any, Any]]:
    flat, colour, grey = rows(400, 5), rows(60, 12, 12, 3), rows(60, 12, 24, 1)
    ranked = np.arange(5)[::-1].copy()
    probabilities = np.random.default_rng(1).dirichlet((1, 1, 1), 400).astype(np.float32)
    selection = module("changes.selection")
    chosen = selection.class_mixes(flat, probabilities) + selection.selections(probabilities)
    chosen += [selection.subpopulation("upper_half", 1), *selection.nulls()]
    image_drifts = module("changes.images").image_drifts
    return [
        *((f"flat-{d.name}", d, flat) for d in module("changes.flat").flat_drifts(flat.x, ranked)),
        *((f"flat-{d.name}", d, flat) for d in chosen),
        *((f"colour-{d.name}", d, colour) for d in [*image_drifts(3), selection.brightest()]),
        *((f"grey-{d.name}", d, grey) for d in image_drifts(1)),
    ]


@pytest.fixture(scope="module")
def drifts() -> list[tuple[str, Any, Any]]:
    return all_drifts()


def test_a_batch_is_the_same_every_time_finite_and_of_the_rows_shape(
    drifts: list[tuple[str, Any, Any]],
) -> None:
    for name, drift, source in drifts:
        before = source.x.copy()
        one, other = (drift(source, 40, np.random.default_rng(7)) for _ in range(2))
        assert one.x.shape == (40, *source.x.shape[1:]), name
        assert one.x.dtype == np.float32, name
        assert np.isfinite(one.x).all(), name
        np.testing.assert_array_equal(one.x, other.x, err_msg=name)
        np.testing.assert_array_equal(one.y, other.y, err_msg=name)
        np.testing.assert_array_equal(source.x, before, err_msg=f"{name} changes the rows")


def test_drifts_have_names_of_their_own_and_a_third_of_the_families_is_unknown(
    drifts: list[tuple[str, Any, Any]],
) -> None:
    names = [name for name, _, _ in drifts]
    assert len(names) == len(set(names))
    for kind in ("flat", "colour", "grey"):
        families = {d.family: d.calibrated for name, d, _ in drifts if name.startswith(kind)}
        assert sum(not known for known in families.values()) >= len(families) / 3


def test_a_table_has_the_share_of_positives_that_was_asked_for() -> None:
    source = module("data.tabular").table(12, ("no", "yes"), (6000, 1000, 1000), positive=0.15)
    assert source.train.y.mean() == pytest.approx(0.15, abs=0.02)
    assert len(set(source.columns)) == 12
    again = module("data.tabular").table(12, ("no", "yes"), (6000, 1000, 1000), positive=0.15)
    np.testing.assert_array_equal(source.production.x, again.production.x)


@pytest.mark.parametrize("shape", [(20, 3), (20, 6, 5, 3)])
def test_rows_come_back_from_their_file(shape: tuple[int, ...], tmp_path: Path) -> None:
    files = module("data.rows")
    flat = len(shape) == 2
    x = rows(*shape).x if flat else np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    columns = ("a", "b", "c") if flat else ()
    source = files.Rows(x, np.arange(20) % 2)
    files.write_rows(tmp_path / "rows.parquet", source, columns, ("no", "yes"))
    result = files.read_rows(tmp_path / "rows.parquet", columns, ("no", "yes"))
    np.testing.assert_array_equal(result.y, source.y)
    np.testing.assert_allclose(result.x, x if flat else x / np.float32(255), rtol=1e-6)


@pytest.mark.parametrize(
    ("accuracy", "n", "expected"),
    [
        (0.90, 5000, False),
        (0.885, 5000, False),  # more than the margin, within its sampling error
        (0.875, 5000, True),
        (0.875, 300, False),
        (0.95, 5000, False),
    ],
)
def test_accuracy_fell_only_beyond_margin_and_chance(
    accuracy: float, n: int, expected: bool
) -> None:
    assert module("questions").fell(record(accuracy=accuracy, n=n)) is expected


def test_false_comfort_is_counted_among_falls_only() -> None:
    tables, questions = module("tables"), module("questions")
    records = [
        record(accuracy=0.5, verdict="harmless_drift"),
        record(accuracy=0.5, verdict="harmful_drift"),
        record(accuracy=0.5, verdict="statistical_only", calibrated=False),
        record(verdict="no_drift"),
    ]
    assert tables.share(records, questions.fell, questions.comforted).endswith("2 of 3)")


def test_the_interval_and_the_bounds_hold_the_truth_or_not() -> None:
    questions = module("questions")
    assert questions.inside(record(), "estimated")
    assert not questions.inside(record(accuracy=0.7), "estimated")
    assert not questions.inside(record(), "bounds")
    assert questions.inside(record(bounds={"low": 0.2, "high": 0.95}), "bounds")


@pytest.mark.parametrize(("high", "holds"), [(0.895, True), (0.89, False)])
def test_bounds_are_allowed_the_luck_of_the_labels(high: float, holds: bool) -> None:
    """Of 5,000 rows with an accuracy of 90 %, one standard error is 0.42 points."""
    assert module("questions").bounded(record(bounds={"low": 0.2, "high": high})) is holds


def test_threshold_and_difference_of_confidences_give_the_reference_its_own_accuracy() -> None:
    records = module("records")
    rng = np.random.default_rng(0)
    p = rng.dirichlet((0.3, 0.3, 0.3), 4000).astype(np.float32)
    y = (p.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    reference = records.Reference.of(p, y)
    found = records.estimates(p, reference)
    assert found["ATC"] == pytest.approx(reference.accuracy, abs=1e-3)
    assert found["DoC"] == pytest.approx(reference.accuracy, abs=1e-6)


def test_kept_records_come_back_by_run(tmp_path: Path) -> None:
    records = module("records")
    runs = {"before": [record()], "now": [record(bounds={"low": 0.1, "high": 0.9}, novel=0.5)]}
    records.keep(tmp_path / "records.parquet", runs)
    assert records.kept(tmp_path / "records.parquet") == runs


def test_what_each_tool_says_is_counted_by_what_became_of_the_accuracy() -> None:
    said = {"evidently_columns": 1, "evidently_data_set": False}
    said |= {"nannyml_columns": 2, "nannyml_performance": True}
    records = [
        record(drift="a", accuracy=0.5, verdict="harmful_drift"),
        record(drift="b", accuracy=0.5, verdict="drift_harm_unknown"),
        record(drift="not asked", accuracy=0.5),
    ]
    asked = [{"classifier": "one", "drift": drift} | said for drift in ("a", "b")]
    found = module("tables").peers_say(records, asked)
    fell = next(line for line in found if "10 points" in line)
    assert fell.split(" | ")[1:] == [
        "2",
        "1 of 2",
        "1 of 2",
        "0 of 2",
        "2 of 2",
        "2 of 2",
        "2 of 2 |",
    ]


def test_the_page_is_that_of_the_records() -> None:
    records, tables = module("records"), module("tables")
    kept = (RESULTS / "verdicts.md").read_text(encoding="utf-8")
    said = tables.what_peers_say()
    assert tables.page(records.kept(RESULTS / "records.parquet"), said) == kept
