from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial import AdversarialDetector, InputSpec
from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import BundleError
from adversarial.errors import ModelError
from adversarial.runtimes.runtime import Outputs
from adversarial.statistics import PROBABILITY_FLOOR
from tests.support.animals import CLASSES, make_inputs
from tests.support.models.detectors import altered


@pytest.fixture(scope="module")
def detector(bundle: Path) -> AdversarialDetector:
    return AdversarialDetector.load(bundle)


def rows(n: int) -> np.ndarray:
    return make_inputs(n, seed=9)


def test_score_agrees_with_float64_numpy(detector: AdversarialDetector) -> None:
    x = np.concatenate([rows(300), np.random.default_rng(0).random((300, 8, 8, 1))])
    x = x.astype(np.float32)
    p = np.asarray(detector.classifier(x, training=False), np.float64)
    reconstruction = detector.autoencoders[0](x, training=False)
    q = np.asarray(detector.classifier(reconstruction, training=False), np.float64)
    p, q = np.clip(p, PROBABILITY_FLOOR, 1), np.clip(q, PROBABILITY_FLOOR, 1)
    np.testing.assert_allclose(detector.score(x), (p * np.log(p / q)).sum(axis=1), atol=1e-5)


def test_prediction_fields_follow_from_the_outputs(detector: AdversarialDetector) -> None:
    x = np.random.default_rng(1).random((400, 8, 8, 1)).astype(np.float32)
    found = detector.predict(x)
    p = np.asarray(detector.classifier(x, training=False))
    q = np.asarray(detector.classifier(detector.reconstruct(x), training=False))
    assert 0 < found.flagged.sum() < len(x)
    np.testing.assert_array_equal(found.flagged, found.score > detector.threshold)
    np.testing.assert_array_equal(found.prediction, p.argmax(axis=1))
    np.testing.assert_array_equal(
        found.defended_prediction, np.where(found.flagged, q.argmax(axis=1), p.argmax(axis=1))
    )
    np.testing.assert_allclose(found.confidence, p.max(axis=1), atol=1e-6)


def test_the_batch_size_changes_no_score(detector: AdversarialDetector) -> None:
    x = rows(100)
    np.testing.assert_allclose(detector.score(x, 7), detector.score(x, 100), atol=1e-6)


@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.3])
def test_the_threshold_flags_the_largest_share_that_is_at_most_fpr(
    detector: AdversarialDetector, fpr: float
) -> None:
    before = detector.calibration
    x = rows(300)
    other = detector.calibrated(x, fpr)
    scores = other.score(x)
    assert other.threshold in scores
    assert np.mean(scores > other.threshold) <= fpr
    assert np.mean(scores >= other.threshold) > fpr
    assert other.calibration.fpr == fpr
    assert other.calibration.reference is not None
    expected = other.predict(x).to_table(CLASSES)
    assert other.calibration.reference.equals(expected)
    assert detector.calibration == before


@pytest.mark.parametrize(("fpr", "words"), [(0.0, "between 0 and 1"), (0.01, "at least 100")])
def test_a_rate_that_cannot_be_set_is_refused(
    detector: AdversarialDetector, fpr: float, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        detector.calibrated(rows(50), fpr)


def test_a_row_that_is_not_finite_is_named(detector: AdversarialDetector) -> None:
    x = rows(5)
    x[3, 0, 0, 0] = np.nan
    with pytest.raises(ModelError, match="row 3"):
        detector.score(x)


def test_rows_of_another_shape_are_refused(detector: AdversarialDetector) -> None:
    with pytest.raises(ModelError, match=r"\(4, 4, 1\).*\(8, 8, 1\)"):
        detector.score(np.zeros((2, 4, 4, 1), np.float32))


def test_no_rows_give_no_scores(detector: AdversarialDetector) -> None:
    assert len(detector.predict(np.zeros((0, 8, 8, 1), np.float32)).score) == 0


def test_using_the_detector_changes_no_model(detector: AdversarialDetector) -> None:
    models = (detector.classifier, detector.autoencoders[0])
    before = [[w.copy() for w in model.get_weights()] for model in models]
    trainable = [[layer.trainable for layer in model.layers] for model in models]
    detector.predict(rows(20))
    for model, weights in zip(models, before, strict=True):
        for a, b in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert trainable == [[layer.trainable for layer in model.layers] for model in models]


def test_another_runtime_can_score_the_same_models(detector: AdversarialDetector) -> None:
    class Runtime:
        passes_at_once = 1

        def __call__(self, x: np.ndarray) -> Outputs:
            p = np.tile(np.array([0.2, 0.5, 0.3], np.float32), (len(x), 1))
            q = p[:, None].copy()
            q[2:] = q[2:, :, ::-1]
            return Outputs(p, q)

        def reconstruct(self, x: np.ndarray, member: int) -> np.ndarray:
            return x + member

    other = AdversarialDetector(
        detector.classifier,
        detector.autoencoders[0],
        calibration=Calibration(0.01),
        runtime=Runtime(),
    )
    np.testing.assert_array_equal(other.predict(rows(4)).flagged, [False, False, True, True])


def test_a_replaced_calibration_leaves_the_detector_as_it_was(
    detector: AdversarialDetector,
) -> None:
    x, before = rows(20), detector.predict(rows(20))
    strict = detector.replace(calibration=Calibration(-1.0))
    assert strict.predict(x).flagged.all()
    assert strict.class_names == detector.class_names
    assert strict.provenance == replace(detector.provenance, bundle=None)
    assert strict.fingerprint is None is not detector.fingerprint
    np.testing.assert_array_equal(strict.predict(x).score, before.score)
    np.testing.assert_array_equal(detector.predict(x).flagged, before.flagged)
    unguarded: Any = detector
    with pytest.raises(AttributeError):
        unguarded.threshold = 1.0


def test_saving_and_loading_changes_nothing(detector: AdversarialDetector, tmp_path: Path) -> None:
    detector.save(tmp_path / "copy")
    copy = AdversarialDetector.load(tmp_path / "copy")
    x = rows(20)
    np.testing.assert_array_equal(detector.score(x), copy.score(x))
    for name in ("class_names", "input_spec"):
        assert getattr(copy, name) == getattr(detector, name)
    # An index and a sample are equal to themselves alone.
    kept = replace(detector.calibration, novelty=None, runtime_sample=None)
    assert replace(copy.calibration, novelty=None, runtime_sample=None) == kept
    for one, other in zip(
        *(vars(d.calibration.runtime_sample) for d in (detector, copy)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for name in ("temperature", "training"):
        assert getattr(copy.provenance, name) == getattr(detector.provenance, name)
    assert copy.class_names == CLASSES
    assert copy.calibration.reference is not None
    assert copy.calibration.reference.equals(detector.calibration.reference)


def test_the_bundle_of_a_compiled_classifier_holds_no_optimiser(
    classifier_file: Path, detector: AdversarialDetector, tmp_path: Path
) -> None:
    compiled = keras.saving.load_model(classifier_file)
    assert compiled.optimizer is not None
    altered(detector, classifier=compiled).save(tmp_path / "bundle")
    assert compiled.optimizer is not None
    size = (tmp_path / "bundle" / "classifier.keras").stat().st_size
    assert size < 0.7 * classifier_file.stat().st_size
    reloaded = AdversarialDetector.load(tmp_path / "bundle")
    np.testing.assert_allclose(reloaded.classifier(rows(3)), compiled(rows(3)), atol=1e-6)


def test_a_detector_without_a_threshold_is_not_saved(
    detector: AdversarialDetector, tmp_path: Path
) -> None:
    unfinished = AdversarialDetector(detector.classifier, detector.autoencoders[0])
    assert not unfinished.predict(rows(50)).flagged.any()
    with pytest.raises(ModelError, match="threshold"):
        unfinished.save(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_replaces_a_bundle_and_nothing_else(
    detector: AdversarialDetector, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(BundleError, match="thesis"):
        detector.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.txt").exists()
    detector.save(tmp_path / "bundle")
    detector.save(tmp_path / "bundle")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "thesis"]


def test_a_save_that_fails_leaves_the_old_bundle(
    detector: AdversarialDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector.save(tmp_path / "bundle")
    before = {p.name: p.read_bytes() for p in (tmp_path / "bundle").iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("adversarial.bundle.read.pq.write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        detector.save(tmp_path / "bundle")
    assert {p.name: p.read_bytes() for p in (tmp_path / "bundle").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_model_with_a_lambda_layer_is_refused(
    detector: AdversarialDetector, tmp_path: Path
) -> None:
    unsafe = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Lambda(lambda x: x * 2),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    altered(detector, classifier=unsafe).save(tmp_path / "bundle")
    with pytest.raises(ModelError, match=r"classifier\.keras.*trust: \[Lambda\]"):
        AdversarialDetector.load(tmp_path / "bundle")


Damage = Callable[[Path], None]


def flip_a_byte(name: str, at: int) -> Damage:
    def damage(bundle: Path) -> None:
        data = bytearray((bundle / name).read_bytes())
        data[at] ^= 1
        (bundle / name).write_bytes(data)

    return damage


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (flip_a_byte("classifier.keras", 2000), "classifier.keras"),
        (flip_a_byte("autoencoder.keras", -1), "autoencoder.keras"),
        (flip_a_byte("reference.parquet", 100), "reference.parquet"),
        (flip_a_byte("detector.json", 60), "detector.json"),
        (flip_a_byte("detector.json", -5), "detector.json"),
        (lambda b: (b / "reference.parquet").unlink(), "reference.parquet"),
        (lambda b: (b / "detector.json").unlink(), "detector.json"),
        (lambda b: (b / "notes.txt").write_text("hello"), "notes.txt"),
        (lambda b: (b / "detector.json").write_text("[]"), "detector.json"),
        (lambda b: (b / "detector.json").write_text("{"), "detector.json"),
    ],
)
def test_a_missing_extra_or_altered_file_is_refused_by_name(
    detector: AdversarialDetector, tmp_path: Path, damage: Damage, file: str
) -> None:
    detector.save(tmp_path / "bundle")
    damage(tmp_path / "bundle")
    with pytest.raises(BundleError, match=file):
        AdversarialDetector.load(tmp_path / "bundle")


def test_a_threshold_edited_by_hand_is_refused(
    detector: AdversarialDetector, tmp_path: Path
) -> None:
    detector.save(tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "detector.json"
    manifest.write_text(manifest.read_text().replace(f"{detector.threshold}", "99.0"))
    with pytest.raises(BundleError, match=r"detector\.json has been altered"):
        AdversarialDetector.load(tmp_path / "bundle")


def test_models_that_do_not_fit_together_are_refused(detector: AdversarialDetector) -> None:
    models = (detector.classifier, detector.autoencoders[0])
    with pytest.raises(ModelError, match="2 class names for a classifier with 3 outputs"):
        AdversarialDetector(*models, class_names=["a", "b"])
    with pytest.raises(ModelError, match=r"\(8, 8, 1\), the input spec says \(4, 4, 1\)"):
        AdversarialDetector(*models, input_spec=InputSpec(shape=(4, 4, 1)))


@pytest.mark.parametrize("shape", [(None, None, 1), (8, None, 1)])
def test_a_classifier_of_rows_of_varying_shape_is_refused(
    detector: AdversarialDetector, shape: tuple[int | None, ...]
) -> None:
    varying = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    with pytest.raises(ModelError, match="fixed shape"):
        AdversarialDetector(varying, detector.autoencoders[0])
