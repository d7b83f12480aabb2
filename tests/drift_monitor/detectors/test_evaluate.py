"""Evaluations of a monitor's detector and of candidates: rows, attacks, and what they leave."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest

from adversarial import AdversarialDetector, InputSpec, read_bundle
from adversarial.detector.provenance import Provenance
from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor
from drift_monitor.detectors import evaluate as evaluation
from drift_monitor.detectors.candidate import Measure
from drift_monitor.detectors.evaluate import evaluate_bundles, find_bundles
from drift_monitor.detectors.evaluation_record import (
    compare_evaluated,
    evaluation_location,
    read_evaluation,
    read_measures,
)
from drift_monitor.results.store import Store
from tests.drift_monitor.detectors.conftest import Altered
from tests.support.evaluations import batch_of, means


def test_an_evaluation_leaves_numbers_rows_and_what_they_are_from(monitor: Monitor) -> None:
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, None)))
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
    assert found.data == batch_of(monitor).files()
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
    directory = Path(evaluation_location(monitor, bundles, batch_of(monitor)))
    unfinished = (
        "is not finished, or not one of 'drift-monitor evaluate': run 'drift-monitor evaluate'"
    )
    with pytest.raises(DriftMonitorError, match=unfinished):
        read_evaluation(directory)
    attacked = next(directory.glob("attacks/*/*.npz"))
    before = attacked.stat().st_mtime_ns
    assert evaluate_bundles(monitor, bundles) == str(directory)
    assert attacked.stat().st_mtime_ns == before
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "read_rows", lambda *_: pytest.fail("evaluated again"))
        assert evaluate_bundles(monitor, bundles) == str(directory)


def test_detectors_of_one_classifier_meet_the_same_attacked_rows(
    monitor: Monitor, altered: Altered
) -> None:
    """Though the files of the classifier differ."""
    classifier = AdversarialDetector.load(monitor.detector).classifier
    again = keras.models.clone_model(classifier)
    again.set_weights(classifier.get_weights())
    again.compile("sgd", "sparse_categorical_crossentropy")
    strict = replace(read_bundle(monitor.detector).calibration(), threshold=0.0)
    candidate = altered("candidate", calibration=strict, classifier=again)
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, candidate)))
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
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, candidate)))
    assert not read_evaluation(directory).shared_classifier
    for name in ("current", "candidate"):
        assert (directory / name / "attacks" / "fgsm-0.1-grey-box").is_dir()
    comparison = compare_evaluated(monitor, directory)
    assert "accuracy_clean (no attack)" in comparison.reason
    assert comparison.n == 300


def test_the_same_detector_under_another_name_is_equal(monitor: Monitor, altered: Altered) -> None:
    again = Provenance(training={"note": "trained again, to the same weights"})
    candidate = altered("candidate", provenance=again)
    directory = Path(evaluate_bundles(monitor, find_bundles(monitor, candidate)))
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
