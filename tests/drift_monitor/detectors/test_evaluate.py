"""Evaluations of a monitor's detector and of candidates: rows, attacks, and what they leave."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, InputSpec, read_bundle
from adversarial.corruptions import CORRUPTIONS
from adversarial.errors import DriftMonitorError
from drift_monitor.batches import labelled_rows as evaluation_rows
from drift_monitor.batches.labelled_rows import evaluation_batch, read_rows
from drift_monitor.config import EvaluationConfig, Monitor, load_monitor
from drift_monitor.detectors import evaluate as evaluation
from drift_monitor.detectors.candidate import Measure
from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles, make_experiment
from drift_monitor.detectors.evaluation_record import (
    check_evaluation,
    compare_evaluated,
    evaluation_directory,
    read_evaluation,
    read_measures,
)
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.results.store import Store
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch

Altered = Callable[..., Path]
FAST = {"attacks": ["fgsm-0.1"], "path": "held_out.parquet"}


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    return with_rows(make_monitor)


@pytest.fixture
def altered(bundle: Path, tmp_path: Path) -> Altered:
    """Return a function that saves the bundle with attributes of the detector changed."""

    def save(name: str, **changes: Any) -> Path:
        detector = AdversarialDetector.load(bundle)
        for attribute, value in changes.items():
            setattr(detector, attribute, value)
        detector.save(tmp_path / name)
        return tmp_path / name

    return save


def with_rows(make_monitor: MakeMonitor, n: int = 300, **section: Any) -> Monitor:
    path = make_monitor(evaluation=FAST | section)
    write_batch(path.parent / "held_out.parquet", *make_images(n, seed=9))
    return load_monitor(path)


def means(measures: dict[Measure, Any]) -> dict[Measure, float]:
    return {what: float(np.mean(values)) for what, values in measures.items()}


def test_an_evaluation_leaves_numbers_rows_and_what_they_are_from(monitor: Monitor) -> None:
    directory = evaluate_bundles(monitor, find_bundles(monitor, None))
    assert directory.parent == monitor.directory / "evaluations"
    assert {"config.json", "metrics.json", "metrics.parquet", "rows.parquet", "evaluation.json"} < {
        path.name for path in directory.iterdir()
    }
    found = read_evaluation(directory)
    bundle = read_bundle(monitor.detector)
    assert found.detectors["current"].fingerprint == bundle.fingerprint
    assert found.detectors["current"].threshold == bundle.manifest.threshold
    assert found.rows.model_dump() == {
        "read": 300,
        "rejected": 0,
        "unlabelled": 0,
        "evaluated": 300,
    }
    assert found.data[0].sha256 == evaluation_batch(monitor, bundle.manifest.input).files[0].sha256
    shares = means(read_measures(directory)["current"])
    assert shares[Measure("accuracy_clean")] > 0.95
    assert 0 <= shares[Measure("undetected_error", "fgsm-0.1", "grey-box")] < 1


def test_an_evaluation_is_no_interval(monitor: Monitor) -> None:
    evaluate_bundles(monitor, find_bundles(monitor, None))
    assert Store(monitor.directory).committed() == []


def test_a_finished_evaluation_is_read_and_a_killed_one_finished(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = find_bundles(monitor, None)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "write_json", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate_bundles(monitor, bundles)
    directory = evaluation_directory(monitor, bundles)
    unfinished = (
        "is not finished, or not one of 'drift-monitor evaluate': run 'drift-monitor evaluate'"
    )
    with pytest.raises(DriftMonitorError, match=unfinished):
        read_evaluation(directory)
    attacked = next(directory.glob("attacks/*/*.npz"))
    before = attacked.stat().st_mtime_ns
    assert evaluate_bundles(monitor, bundles) == directory
    assert attacked.stat().st_mtime_ns == before
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "read_rows", lambda *_: pytest.fail("evaluated again"))
        assert evaluate_bundles(monitor, bundles) == directory


def test_rows_that_cannot_be_used_are_counted_and_left_out(make_monitor: MakeMonitor) -> None:
    monitor = with_rows(make_monitor)
    path = Path(rows_of(monitor))
    table = pq.read_table(path)
    images = table["image"].to_pylist()
    labels: list[str | None] = [CLASSES[label] for label in table["label"].to_pylist()]
    images[3], labels[5], labels[6] = b"no image", None, None
    table = table.set_column(1, "image", pa.array(images)).set_column(3, "label", pa.array(labels))
    pq.write_table(table, path, row_group_size=64)
    bundle = read_bundle(monitor.detector)
    batch = evaluation_batch(monitor, bundle.manifest.input)
    section = EvaluationConfig(path=str(path))
    found = read_rows(batch, CLASSES, section)
    assert found.counts.model_dump() == {
        "read": 300,
        "rejected": 1,
        "unlabelled": 2,
        "evaluated": 297,
    }
    expected = np.delete(make_images(300, seed=9)[1], [3, 5, 6])
    np.testing.assert_array_equal(found.y, expected)


def rows_of(monitor: Monitor) -> str:
    assert monitor.evaluation
    return monitor.evaluation.path


def test_the_seed_draws_the_rows_however_they_are_read(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = evaluation_batch(monitor, read_bundle(monitor.detector).manifest.input)
    images, labels = make_images(300, seed=9)

    def draw(limit: int | None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        section = EvaluationConfig(path=rows_of(monitor), limit=limit, seed=seed)
        found = read_rows(batch, CLASSES, section)
        return found.x, found.y

    x, y = draw(50)
    assert x.shape == (50, 8, 8, 1)
    at = [int(np.flatnonzero((images == np.round(row[..., 0] * 255)).all((1, 2)))[0]) for row in x]
    assert at == sorted(at)
    np.testing.assert_array_equal(y, labels[at])
    assert not np.array_equal(draw(50, seed=1)[0], x)
    assert len(draw(None)[0]) == 300
    monkeypatch.setattr(evaluation_rows, "CHUNK_ROWS", 7)
    again, _ = draw(50)
    np.testing.assert_array_equal(again, x)


def test_rows_without_labels_are_refused(monitor: Monitor) -> None:
    write_batch(Path(rows_of(monitor)), make_images(10, seed=9)[0])
    with pytest.raises(DriftMonitorError, match=r"no column 'label' \(data.label\): an evaluation"):
        evaluate_bundles(monitor, find_bundles(monitor, None))
    assert not monitor.directory.exists()


def test_no_usable_row_is_an_error_that_counts(monitor: Monitor) -> None:
    path = Path(rows_of(monitor))
    write_batch(path, make_images(10, seed=9)[0], np.full(10, -1))
    with pytest.raises(DriftMonitorError, match=r"0 of 10 rows can be used.*10 have no label"):
        evaluate_bundles(monitor, find_bundles(monitor, None))


# Two detectors


def test_detectors_of_one_classifier_meet_the_same_attacked_rows(
    monitor: Monitor, altered: Altered
) -> None:
    """Though the files of the classifier differ."""
    classifier = AdversarialDetector.load(monitor.detector).classifier
    again = keras.models.clone_model(classifier)
    again.set_weights(classifier.get_weights())
    again.compile("sgd", "sparse_categorical_crossentropy")
    candidate = altered("candidate", threshold=0.0, classifier=again)
    directory = evaluate_bundles(monitor, find_bundles(monitor, candidate))
    assert read_evaluation(directory).shared_classifier
    assert [p.name for p in (directory / "attacks").iterdir()] == ["fgsm-0.1-grey-box"]
    comparison = compare_evaluated(monitor, directory)
    assert comparison.verdict == "worse"
    assert "flagged_clean" in comparison.reason
    assert Measure("accuracy_clean") not in [change.measure for change in comparison.changes]


def other_weights(classifier: keras.Model) -> keras.Model:
    return keras.models.clone_model(classifier)


def other_layers(classifier: keras.Model) -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, classifier(keras.layers.Rescaling(-1.0, 1.0)(inputs)))


@pytest.mark.parametrize("change", [other_weights, other_layers])
def test_detectors_of_two_classifiers_are_attacked_each_by_itself(
    monitor: Monitor, altered: Altered, change: Callable[[keras.Model], keras.Model]
) -> None:
    classifier = change(AdversarialDetector.load(monitor.detector).classifier)
    candidate = altered("candidate", classifier=classifier)
    directory = evaluate_bundles(monitor, find_bundles(monitor, candidate))
    assert not read_evaluation(directory).shared_classifier
    for name in ("current", "candidate"):
        assert (directory / name / "attacks" / "fgsm-0.1-grey-box").is_dir()
    comparison = compare_evaluated(monitor, directory)
    assert "accuracy_clean (no attack)" in comparison.reason
    assert comparison.n == 300


def test_the_same_detector_under_another_name_is_equal(monitor: Monitor, altered: Altered) -> None:
    candidate = altered("candidate", training={"note": "trained again, to the same weights"})
    directory = evaluate_bundles(monitor, find_bundles(monitor, candidate))
    comparison = compare_evaluated(monitor, directory)
    assert comparison.verdict == "equal"
    assert all(change.difference.estimate == 0 for change in comparison.changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("cat", "dog", "fox")}, r"its classes are \('cat', 'dog', 'fox'\), not"),
        (
            {"input_spec": InputSpec(shape=(8, 8, 1), value_range=(0, 255))},
            r"its input.value_range are \(0.0, 255.0\), not \(0.0, 1.0\)",
        ),
    ],
)
def test_a_candidate_for_other_classes_or_rows_is_refused(
    monitor: Monitor, altered: Altered, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DriftMonitorError, match=f"cannot replace.*{message}"):
        find_bundles(monitor, altered("candidate", **changes))


def test_the_current_detector_is_no_candidate(monitor: Monitor) -> None:
    with pytest.raises(DriftMonitorError, match="is the monitor's detector already"):
        find_bundles(monitor, Path(monitor.detector))


# Rows that are no images in [0, 1]


def test_bytes_that_the_classifier_scales_itself_are_attacked_as_images_are(
    monitor: Monitor, altered: Altered
) -> None:
    small = AdversarialDetector.load(monitor.detector)

    def through(*layers: Any) -> keras.Model:
        return keras.Sequential([keras.Input((8, 8, 1)), *layers])

    down, up = keras.layers.Rescaling(1 / 255), keras.layers.Rescaling(255.0)
    inputs = keras.Input((8, 8, 1))
    path = altered(
        "bytes",
        classifier=keras.Model(inputs, small.classifier(down(inputs))),
        autoencoders=(through(down, small.autoencoders[0], up),),
        input_spec=InputSpec(shape=(8, 8, 1), value_range=(0, 255)),
    )
    of_bytes = monitor.model_copy(update={"detector": str(path)})
    found, expected = (
        means(read_measures(evaluate_bundles(m, find_bundles(m, None)))["current"])
        for m in (of_bytes, monitor)
    )
    assert found == pytest.approx(expected, abs=0.01)


@pytest.fixture
def flat(tmp_path: Path) -> Monitor:
    """A monitor of rows with two numbers of very different units, which tell two classes."""
    names = ("age", "income")

    def table(n: int, seed: int) -> tuple[np.ndarray, pa.Table]:
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 2, n)
        x = np.stack([rng.normal(40 + 10 * label, 4), rng.normal(5e4, 1e4, n)], axis=1)
        columns = {name: x[:, i] for i, name in enumerate(names)}
        return x.astype(np.float32), pa.table(columns | {"label": label})

    x, _ = table(500, 0)
    normalise = keras.layers.Normalization()
    normalise.adapt(x)
    inputs = keras.Input((2,))
    dense = keras.layers.Dense(2, activation="softmax")
    classifier = keras.Model(inputs, dense(normalise(inputs)))
    dense.set_weights([np.array([[-3, 3], [0, 0]], np.float32), np.zeros(2, np.float32)])
    inputs = keras.Input((2,))
    autoencoder = keras.Model(inputs, keras.layers.Rescaling([0.0, 1.0], [45.0, 0.0])(inputs))
    spec = InputSpec(shape=(2,), feature_names=names)
    detector = AdversarialDetector(classifier, autoencoder, input_spec=spec)
    window = detector.predict(x).to_table(detector.class_names)
    detector.calibrate(window, 0.05)
    detector.save(tmp_path / "flat")
    pq.write_table(table(400, 1)[1], tmp_path / "rows.parquet")
    return Monitor.model_validate(
        {
            "name": "flat",
            "detector": str(tmp_path / "flat"),
            "reports": str(tmp_path / "reports"),
            "data": {"path": "{date}.parquet", "input": list(names), "label": "label"},
            "evaluation": {"path": str(tmp_path / "rows.parquet"), "attacks": ["fgsm-0.1"]},
        }
    )


def test_flat_rows_are_attacked_within_the_range_of_each_feature(flat: Monitor) -> None:
    directory = evaluate_bundles(flat, find_bundles(flat, None))
    attacked = np.load(next(directory.glob("attacks/*/0000000.npz")))
    assert attacked["linf"].max() == pytest.approx(0.1, abs=1e-5)
    shares = means(read_measures(directory)["current"])
    assert shares[Measure("accuracy_clean")] > 0.8


def section(monitor: Monitor, **changes: Any) -> Monitor:
    assert monitor.evaluation
    return monitor.model_copy(update={"evaluation": monitor.evaluation.model_copy(update=changes)})


def test_all_corruptions_are_asked_for_as_in_the_command(monitor: Monitor) -> None:
    spec = find_bundles(monitor, None)["current"].manifest.input
    made = make_experiment(section(monitor, corruptions=["all"]), spec)
    assert made.corruptions == tuple(CORRUPTIONS)


def test_what_does_not_apply_or_exist_is_refused_by_name(flat: Monitor, monitor: Monitor) -> None:
    for changed, message in (
        (section(flat, corruptions=["fog"]), r"corruptions need images.*shape \(2,\): leave them"),
        (section(flat, attacks=["fgms"]), r"'flat', section 'evaluation': no attack 'fgms'"),
        (section(flat, threat_models=["all"]), "no threat model 'all': expected one of grey-box"),
        (section(monitor, corruptions=["rain"]), "no corruption 'rain'"),
        (section(flat, bounds=(0, 100)), r"beyond the 0 to 100 of evaluation.bounds: set"),
        (flat.model_copy(update={"evaluation": None}), "has no section 'evaluation'"),
    ):
        with pytest.raises(DriftMonitorError, match=message):
            evaluate_bundles(changed, find_bundles(changed, None))
    assert not flat.directory.exists()


# Which evaluation it is


def other_detector(monitor: Monitor, directory: Path) -> Monitor:
    rethreshold(Path(monitor.detector), 0.2, directory / "other")
    return monitor.model_copy(update={"detector": str(directory / "other")})


def other_rows(monitor: Monitor, _: Path) -> Monitor:
    write_batch(Path(rows_of(monitor)), *make_images(300, seed=10))
    return monitor


def other_settings(monitor: Monitor, _: Path) -> Monitor:
    return section(monitor, limit=50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_detector, "its current is detector [0-9a-f]{12}, but .*other is detector"),
        (other_rows, r"is of other rows than .*held_out.parquet \(evaluation.path\) now has"),
        (other_settings, r"with another evaluation.limit \(1000, now 50\)"),
    ],
)
def test_an_evaluation_of_something_else_is_refused(
    monitor: Monitor, tmp_path: Path, change: Callable[[Monitor, Path], Monitor], message: str
) -> None:
    directory = evaluate_bundles(monitor, find_bundles(monitor, None))
    check_evaluation(directory, monitor, find_bundles(monitor, None))
    changed = change(monitor, tmp_path)
    bundles = find_bundles(changed, None)
    with pytest.raises(DriftMonitorError, match=message):
        check_evaluation(directory, changed, bundles)
    assert evaluation_directory(changed, bundles) != directory


def test_margin_tolerance_and_schedule_make_no_other_evaluation(monitor: Monitor) -> None:
    bundles = find_bundles(monitor, None)
    changed = section(monitor, margin=0.1, tolerance=0.2, schedule=None)
    assert evaluation_directory(changed, bundles) == evaluation_directory(monitor, bundles)


@pytest.mark.parametrize("name", ["evaluation.json", "rows.parquet"])
def test_a_damaged_evaluation_is_refused_by_name(monitor: Monitor, name: str) -> None:
    directory = evaluate_bundles(monitor, find_bundles(monitor, None))
    file = directory / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DriftMonitorError, match=f"{re.escape(str(file))} .*remove"):
        read_measures(directory)


def test_another_version_of_the_file_is_refused(monitor: Monitor) -> None:
    directory = evaluate_bundles(monitor, find_bundles(monitor, None))
    file = directory / "evaluation.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": "2"}))
    with pytest.raises(DriftMonitorError, match="is damaged"):
        read_evaluation(directory)
