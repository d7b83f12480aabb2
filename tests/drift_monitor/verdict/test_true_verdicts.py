"""Whether the verdict is true of faults that a classifier of flat rows is sure of itself about."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from adversarial import AdversarialDetector
from adversarial.training.settings import Plan, TrainingSettings
from drift_monitor.config import DataConfig, Policy
from drift_monitor.detectors.fit import ClassifierFile, fit
from drift_monitor.notebook.judge import judge
from drift_monitor.results.report import Report

COLUMNS = ["income", "age", "share", "orders", "balance", "tenure"]
CLASSES = ("leaves", "stays")

Rows = NDArray[np.float32]
Change = Callable[[Rows], Rows]


def customers(n: int, seed: int) -> tuple[Rows, NDArray[np.int64]]:
    """Columns in units of their own, and which of two classes each row is of."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=n)
    columns = [
        np.exp(8 + 0.6 * common + 0.5 * rng.normal(size=n)),
        np.clip(45 + 10 * common + 8 * rng.normal(size=n), 18, 95),
        1 / (1 + np.exp(-common - rng.normal(size=n))),
        rng.poisson(np.exp(1.2 + 0.3 * common)),
        rng.normal(1000 * common, 800, n),
        rng.gamma(2, 3, n),
    ]
    signal = (
        1.5 * (np.log(columns[0]) - 8)
        + 0.08 * (columns[1] - 45)
        + 2 * (columns[2] - 0.5)
        - 0.15 * (columns[5] - 6)
    )
    y = (signal + 0.15 * rng.normal(size=n) > 0).astype(np.int64)
    return np.stack(columns, axis=1).astype(np.float32), y


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> AdversarialDetector:
    directory = tmp_path_factory.mktemp("customers")
    keras.utils.set_random_seed(0)
    x, y = customers(12_000, seed=1)
    normalise = keras.layers.Normalization()
    normalise.adapt(x)
    classifier = keras.Sequential(
        [
            keras.Input((len(COLUMNS),)),
            normalise,
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    classifier.compile("adam", "sparse_categorical_crossentropy")
    classifier.fit(x, y, epochs=6, batch_size=64, verbose=0)
    classifier.save(directory / "classifier.keras")
    for name, n, seed in (("training", 6000, 2), ("reference", 4000, 3)):
        rows, labels = customers(n, seed)
        table = pa.table({c: rows[:, i] for i, c in enumerate(COLUMNS)})
        table = table.append_column("label", pa.array(CLASSES).take(pa.array(labels)))
        pq.write_table(table, directory / f"{name}.parquet")
    path = fit(
        ClassifierFile(directory / "classifier.keras", class_names=CLASSES),
        DataConfig(path=str(directory / "training.parquet"), input=COLUMNS, label="label"),
        directory / "detector",
        reference_data=str(directory / "reference.parquet"),
        plan=Plan(training=TrainingSettings(epochs=4)),
        verbose=0,
    )
    return AdversarialDetector.load(path)


def judged(detector: AdversarialDetector, x: Rows) -> Report:
    return judge(detector, pd.DataFrame(x, columns=COLUMNS), policy=Policy(harm_by="detector"))


def times(column: int, factor: float) -> Change:
    def change(x: Rows) -> Rows:
        x[:, column] *= factor
        return x

    return change


def constant(column: int, value: float) -> Change:
    def change(x: Rows) -> Rows:
        x[:, column] = value
        return x

    return change


def swapped(x: Rows) -> Rows:
    return x[:, [1, 0, 2, 3, 4, 5]]


def noisy(x: Rows) -> Rows:
    noise = np.random.default_rng(5).normal(0, 0.7, x.shape)
    return np.asarray(x + x.std(axis=0) * noise, np.float32)


FAULTS: dict[str, Change] = {
    "cents for euros": times(0, 100),
    "sentinel": constant(0, -999),
    "columns swapped": swapped,
    "percent for share": times(2, 100),
    "column zero": constant(0, 0),
    "noise": noisy,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_comfort_on_a_fault_that_scores_do_not_show(
    detector: AdversarialDetector, fault: str
) -> None:
    x, y = customers(2000, seed=11)
    right = (detector.predict(x).prediction == y).mean()
    broken = FAULTS[fault](x.copy())
    accuracy = float((detector.predict(broken).prediction == y).mean())
    assert accuracy < right - 0.05  # it does harm
    report = judged(detector, broken)
    assert report.verdict.verdict in ("harmful_drift", "drift_harm_unknown")
    estimated = report.accuracy.estimated
    assert estimated is not None
    assert estimated.bounds.low - 0.02 <= accuracy <= estimated.bounds.high + 0.02
    assert report.inputs is not None
    assert report.inputs.moved
    # Following the advice must not make the fault the reference.
    assert "renew the" not in report.verdict.next_action
    if report.verdict.verdict == "drift_harm_unknown":
        assert "label" in report.verdict.next_action


UNTHOUGHT_OF: dict[str, Change] = {
    "minutes for hours": times(1, 60),
    "logarithm": lambda x: np.column_stack([np.log1p(x[:, 0]), x[:, 1:]]).astype(np.float32),
    "another sentinel": lambda x: np.column_stack(
        [np.where(np.arange(len(x)) % 4 == 0, 77777, x[:, 0]), x[:, 1:]]
    ).astype(np.float32),
    "three columns rotated": lambda x: x[:, [1, 4, 2, 3, 0, 5]],
    "three columns in other units": lambda x: x * np.array([0.37, 1, 30, 1, 1, 5], np.float32),
}
"""Faults that no calibration row has."""


@pytest.mark.parametrize("fault", UNTHOUGHT_OF)
def test_what_a_fault_costs_is_told_though_no_calibration_row_has_it(
    detector: AdversarialDetector, fault: str
) -> None:
    x, y = customers(4000, seed=13)
    broken = UNTHOUGHT_OF[fault](x.copy())
    accuracy = float((detector.predict(broken).prediction == y).mean())
    report = judged(detector, broken)
    assert report.verdict.verdict == "harmful_drift"
    estimated = report.accuracy.estimated
    assert estimated is not None
    assert estimated.bounds.low - 0.02 <= accuracy <= estimated.bounds.high + 0.02
    assert estimated.current.estimate == pytest.approx(accuracy, abs=0.1)
    assert estimated.bounds.unknown < 0.2
    says = detector.predict(broken).prediction
    for number, found in enumerate(report.accuracy.by_class):
        assert found.recall is not None
        recall = float((says[y == number] == number).mean())
        assert found.recall.low - 0.03 <= recall <= found.recall.high + 0.03


@pytest.mark.parametrize("column", [0, 1])
def test_customers_of_another_kind_are_no_fault(detector: AdversarialDetector, column: int) -> None:
    """A selection of rows moves a column as a fault does, and the rows stay right."""
    x, y = customers(12_000, seed=14)
    kept = np.flatnonzero(x[:, column] > np.median(x[:, column]))[:4000]
    report = judged(detector, x[kept])
    assert report.verdict.verdict in ("harmless_drift", "drift_harm_unknown")
    accuracy = float((detector.predict(x[kept]).prediction == y[kept]).mean())
    assert report.accuracy.estimated is not None
    bounds = report.accuracy.estimated.bounds
    assert bounds.low - 0.01 <= accuracy <= bounds.high + 0.01


def test_rows_that_could_not_be_scored_were_served_all_the_same(
    detector: AdversarialDetector,
) -> None:
    x = customers(2000, seed=12)[0]
    x[:180, 0] = np.nan
    report = judged(detector, x)
    assert report.counts.rejected == 180
    assert report.verdict.verdict == "drift_harm_unknown"
    assert report.accuracy.estimated is not None
    assert report.accuracy.estimated.bounds.unknown == pytest.approx(0.09)


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_a_day_like_the_reference_is_no_drift(detector: AdversarialDetector, seed: int) -> None:
    report = judged(detector, customers(2000, seed)[0])
    assert report.verdict.verdict == "no_drift"
    assert report.accuracy.estimated is not None
    bounds = report.accuracy.estimated.bounds
    assert bounds.difference_high - bounds.difference_low < 0.06


def test_the_gain_of_corrections_is_set_right_by_the_rows_that_a_batch_is_like(
    detector: AdversarialDetector,
) -> None:
    report = judged(detector, customers(2000, seed=21)[0])
    assert report.support is not None
    assert report.support.explanation is not None
    assert report.support.explanation.name == "normal"
    known, estimator = detector.calibration.sample, detector.calibration.accuracy_estimator
    assert known is not None
    assert estimator is not None
    normal = known.filter(pc.equal(known["family"], "")).to_pandas()
    before, after = estimator.predict(pa.Table.from_pandas(normal))
    corrected = (normal.adversarial_score > detector.threshold) & (after > before)
    gained = (normal.reconstruction_prediction == normal.label).astype(float)
    gained -= normal.prediction == normal.label
    off = np.where(corrected, gained - (after - before), 0)
    assert report.support.explanation.gain == pytest.approx(off.mean())
    error = off.std() / np.sqrt(len(off))
    assert report.support.explanation.gain_error == pytest.approx(error)


def test_classes_in_other_shares_are_harmless_where_the_bounds_say_so(
    detector: AdversarialDetector,
) -> None:
    x, y = customers(12_000, seed=31)
    kept = np.flatnonzero(y == 0)[:4000]
    report = judged(detector, x[kept])
    assert report.support is not None
    assert report.support.explanation is not None
    assert report.support.explanation.name == "classes"
    assert report.verdict.verdict in ("harmless_drift", "drift_harm_unknown")
    accuracy = float((detector.predict(x[kept]).prediction == 0).mean())
    assert report.accuracy.estimated is not None
    bounds = report.accuracy.estimated.bounds
    assert bounds.low - 0.01 <= accuracy <= bounds.high + 0.01


def test_an_older_detector_that_knows_nothing_of_support_does_not_comfort(
    detector: AdversarialDetector, tmp_path: Path
) -> None:
    from dataclasses import replace

    calibration = replace(detector.calibration, novelty=None, sample=None)
    detector.replace(calibration=calibration).save(tmp_path / "older")
    older = AdversarialDetector.load(tmp_path / "older")
    report = judged(older, FAULTS["sentinel"](customers(2000, seed=41)[0]))
    assert report.verdict.verdict in ("harmful_drift", "drift_harm_unknown")
    assert report.support is not None
    assert report.support.missing is not None
    assert "drift-monitor reference" in report.support.missing
    assert judged(older, customers(2000, seed=42)[0]).verdict.verdict == "no_drift"
