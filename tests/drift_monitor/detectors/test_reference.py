"""The reference window, and bundles that are given another threshold."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, BundleError, read_bundle
from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import REFERENCE
from adversarial.bundle.threshold import apply_threshold
from adversarial.bundle.write import write_bundle
from adversarial.errors import ModelError
from adversarial.files import SCRATCH
from adversarial.training.settings import Plan, TrainingSettings
from drift_monitor.batches.batch import Batch
from drift_monitor.config import DataConfig
from drift_monitor.detectors.fit import ClassifierFile, fit
from drift_monitor.detectors.reference import (
    CalibrationSettings,
    renew_reference,
    rethreshold,
    score_reference,
)
from drift_monitor.errors import BatchError
from tests.support.animals import CLASSES, make_images, write_batch


def content(bundle: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in bundle.iterdir()}


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "detector"))


@pytest.fixture(scope="module")
def fit_with(
    classifier_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[float], Path]:
    """Return a function that fits the same detector with an ε_FPR."""
    directory = tmp_path_factory.mktemp("fits")
    train = write_batch(directory / "train.parquet", *make_images(500, seed=1))
    data = DataConfig(path=str(train), input="image", label="label", segments=["site"])

    def run(fpr: float) -> Path:
        output = directory / f"detector-{fpr}"
        plan = Plan(training=TrainingSettings(epochs=1, precision="float32"))
        classifier = ClassifierFile(classifier_file, class_names=CLASSES)
        calibration = CalibrationSettings(fpr=fpr)
        return fit(classifier, data, output, plan=plan, calibration=calibration, verbose=0)

    return run


def test_a_rethresholded_bundle_is_the_bundle_fitted_with_that_rate(
    fit_with: Callable[[float], Path], tmp_path: Path
) -> None:
    wide, strict = fit_with(0.4), fit_with(0.02)
    for first, second, fpr in ((wide, strict, 0.02), (strict, wide, 0.4)):
        made = read_bundle(rethreshold(first, fpr, tmp_path / "made"))
        fitted = read_bundle(second)
        assert made.reference().equals(fitted.reference(), check_metadata=True)
        assert made.manifest.threshold == fitted.manifest.threshold
        assert made.manifest.fpr == fpr
        assert made.accuracy_estimator() == read_bundle(first).accuracy_estimator() is not None
        kept = {"threshold", "fpr", "sha256"}
        source = read_bundle(first).manifest
        assert made.manifest.model_dump(exclude=kept) == source.model_dump(exclude=kept)
        for name in ("classifier.keras", "autoencoder.keras"):
            assert made.manifest.sha256[name] == source.sha256[name]


def test_applying_a_threshold_is_scoring_with_it(bundle: Path, tmp_path: Path) -> None:
    detector = AdversarialDetector.load(bundle)
    noise = np.random.default_rng(0).integers(0, 256, (200, 8, 8)).astype(np.uint8)
    path = write_batch(tmp_path / "rows.parquet", noise)
    data = DataConfig(path=str(path), input="image")
    chunks = list(Batch(str(path), data, detector.input_spec).chunks(100))
    first = score_reference(detector, chunks, data)
    for share in (0.1, 0.5, 0.9):
        threshold = float(np.quantile(first["adversarial_score"], share))
        novelty = detector.calibration.novelty
        strict = detector.replace(calibration=Calibration(threshold, novelty=novelty))
        expected = score_reference(strict, chunks, data)
        assert 0 < np.count_nonzero(expected["flagged"]) < len(expected)
        assert apply_threshold(first, threshold).equals(expected)
        # Older bundles hold a column that depends on the threshold they had.
        older = first.append_column("corrected_prediction", first["prediction"])
        assert apply_threshold(older, threshold).equals(expected)


def test_the_dependent_columns_of_the_reference_follow_from_the_others(bundle: Path) -> None:
    found = read_bundle(bundle)
    window = found.reference().to_pydict()
    assert list(window) == [
        "prediction",
        "confidence",
        "entropy",
        "adversarial_score",
        "flagged",
        "reconstruction_prediction",
        "reconstruction_confidence",
        "label",
        "site",
    ]
    flagged = [score > found.manifest.threshold for score in window["adversarial_score"]]
    assert window["flagged"] == flagged


def test_another_output_leaves_the_bundle_as_it_is(copy: Path, tmp_path: Path) -> None:
    before = content(copy)
    assert rethreshold(copy, 0.2, tmp_path / "other") == tmp_path / "other"
    assert content(copy) == before
    assert read_bundle(tmp_path / "other").manifest.fpr == 0.2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["detector", "other"]


def test_a_link_to_a_bundle_stays_a_link(copy: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(copy)
    rethreshold(link, 0.2)
    assert link.is_symlink()
    assert read_bundle(copy).manifest.fpr == 0.2


def test_a_rate_that_the_reference_is_too_small_for_is_refused(copy: Path) -> None:
    before = content(copy)
    with pytest.raises(ModelError, match=r"0\.001 cannot be set from 160 rows: give at least 1000"):
        rethreshold(copy, 0.001)
    assert content(copy) == before


def test_a_bundle_of_an_older_version_must_be_fitted_again(copy: Path) -> None:
    found = read_bundle(copy)

    def fill(directory: Path) -> None:
        for name in found.manifest.sha256:
            shutil.copyfile(copy / name, directory / name)
        window = found.reference().drop_columns("reconstruction_prediction")
        pq.write_table(window, directory / REFERENCE)

    write_bundle(copy, fill, lambda sha256: found.manifest.model_copy(update={"sha256": sha256}))
    with pytest.raises(BundleError, match=r"reference\.parquet.*'drift-monitor fit'"):
        rethreshold(copy, 0.2)


def test_a_bundle_is_not_written_into_another(copy: Path) -> None:
    before = content(copy)
    with pytest.raises(BundleError, match="inside the detector bundle"):
        rethreshold(copy, 0.2, copy / "strict")
    assert content(copy) == before


def test_a_write_that_fails_leaves_the_old_bundle(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(copy)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("adversarial.bundle.write.pq.write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        rethreshold(copy, 0.2)
    assert content(copy) == before
    assert [p.name for p in copy.parent.iterdir()] == ["detector"]


def test_a_killed_write_leaves_the_old_bundle(copy: Path) -> None:
    before = content(copy)
    code = (
        "import os, pathlib, signal, sys, adversarial.bundle.write as written\n"
        "import drift_monitor.detectors.reference as r\n"
        "written.pq.write_table = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "r.rethreshold(pathlib.Path(sys.argv[1]), 0.2)"
    )
    done = subprocess.run([sys.executable, "-c", code, copy], check=False)
    assert done.returncode == -signal.SIGKILL
    assert read_bundle(copy).manifest.fpr == 0.05
    [left] = [path for path in copy.iterdir() if path.is_dir()]
    assert SCRATCH.fullmatch(left.name)
    shutil.rmtree(left)
    assert content(copy) == before


def test_tensorflow_is_not_loaded(copy: Path) -> None:
    code = (
        "import sys; from drift_monitor.cli.main import app; app(standalone_mode=False); "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "threshold", copy, "--fpr", "0.2"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    assert "flags 32 of 160 normal rows" in done.stdout
    assert read_bundle(copy).manifest.fpr == 0.2


def new_rows(directory: Path, n: int = 120, *, labelled: int | None = None) -> DataConfig:
    """Write new normal rows, all of them or the first few labelled, and say what they hold."""
    images, labels = make_images(n, seed=31)
    path = write_batch(directory / "new.parquet", images, labels)
    if labelled is not None:
        table = pq.read_table(path)
        known = [int(c) if row < labelled else None for row, c in enumerate(labels)]
        at = table.column_names.index("label")
        pq.write_table(table.set_column(at, "label", pa.array(known, pa.int64())), path)
    return DataConfig(path=str(path), input="image", label="label", segments=["site"])


def test_a_renewed_reference_is_that_of_the_new_rows_and_the_models_stay(
    copy: Path, tmp_path: Path
) -> None:
    before = read_bundle(copy)
    map_before = before.accuracy_estimator()
    started = datetime.now(UTC)
    assert renew_reference(copy, new_rows(tmp_path), CalibrationSettings(fpr=0.1)) == copy
    after = read_bundle(copy)
    for name in ("classifier.keras", "autoencoder.keras"):
        assert after.manifest.sha256[name] == before.manifest.sha256[name]
    window = after.reference()
    x = (make_images(120, seed=31)[0][..., None] / np.float32(255)).astype(np.float32)
    detector = AdversarialDetector.load(copy)
    np.testing.assert_allclose(window["adversarial_score"].to_numpy(), detector.score(x), atol=1e-6)
    assert sum(window["flagged"].to_pylist()) == 12
    assert after.manifest.fpr == 0.1
    assert after.manifest.reference_created is not None
    assert started <= after.manifest.reference_created <= datetime.now(UTC)
    own = {"threshold", "fpr", "sha256", "reference_created", "training"}
    kept = before.manifest.model_dump(exclude=own)
    assert after.manifest.model_dump(exclude=own) == kept
    assert after.manifest.training == before.manifest.training | {
        "reference_rows": 120,
        "reference": "given",
    }
    found = after.accuracy_estimator()
    assert found is not None
    assert found.n_clean == 120
    right = np.asarray(window["prediction"]) == np.asarray(window["label"])
    assert found.predict(window)[0].mean() == pytest.approx(right.mean(), abs=1 / 120)
    assert found != map_before
    assert detector.calibration.accuracy_estimator == found
    assert detector.calibration.created == after.manifest.reference_created


def test_a_score_at_another_temperature_is_that_of_the_new_window_and_is_kept(
    copy: Path, tmp_path: Path
) -> None:
    rows = new_rows(tmp_path)
    renew_reference(copy, rows, CalibrationSettings(score_temperature=0.5, accuracy=False))
    first = read_bundle(copy)
    x = (make_images(120, seed=31)[0][..., None] / np.float32(255)).astype(np.float32)
    detector = AdversarialDetector.load(copy)
    assert detector.score_temperature == 0.5
    window = first.reference()["adversarial_score"].to_numpy()
    np.testing.assert_allclose(window, detector.score(x), atol=1e-6)
    np.testing.assert_array_equal(window > first.manifest.threshold, first.reference()["flagged"])
    renew_reference(copy, rows, CalibrationSettings(accuracy=False))
    assert read_bundle(copy).manifest.score_temperature == 0.5
    rethreshold(copy, 0.1)
    assert read_bundle(copy).manifest.score_temperature == 0.5


def test_without_enough_labels_the_old_map_goes_and_the_log_says_why(
    copy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_bundle(copy).accuracy_estimator() is not None
    renew_reference(copy, new_rows(tmp_path, labelled=20))
    found = read_bundle(copy)
    assert found.accuracy_estimator() is None
    assert not (copy / "accuracy.json").exists()
    assert found.manifest.fpr == 0.05
    assert "labels of at least 50 reference rows, and 20 have one" in caplog.text


def test_a_new_threshold_keeps_all_else_of_the_reference(copy: Path, tmp_path: Path) -> None:
    renew_reference(copy, new_rows(tmp_path))
    before = read_bundle(copy)
    rethreshold(copy, 0.2)
    after = read_bundle(copy)
    assert after.manifest.sha256["accuracy.json"] == before.manifest.sha256["accuracy.json"]
    assert after.manifest.reference_created == before.manifest.reference_created


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "truth"}, "no column 'truth'"),
        ({"input": "picture"}, "no column 'picture'"),
        ({"segments": ["country"]}, "no column 'country'"),
    ],
)
def test_rows_that_do_not_fit_leave_the_old_bundle(
    copy: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    before = content(copy)
    with pytest.raises(BatchError, match=message):
        renew_reference(copy, new_rows(tmp_path).model_copy(update=change))
    assert content(copy) == before


def test_a_renewal_that_fails_at_the_end_leaves_the_old_bundle(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(copy)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("drift_monitor.detectors.reference.write_calibration", fail)
    with pytest.raises(OSError, match="disk full"):
        renew_reference(copy, new_rows(tmp_path), CalibrationSettings(accuracy=False))
    assert content(copy) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["detector", "new.parquet"]


def test_models_that_were_replaced_meanwhile_are_not_mixed_with_the_new_reference(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drift_monitor.detectors import reference

    score = reference.score_reference

    def score_slowly(*words: Any) -> pa.Table:
        (copy / "autoencoder.keras").write_bytes(b"another")
        return score(*words)

    monkeypatch.setattr(reference, "score_reference", score_slowly)
    with pytest.raises(BundleError, match=r"autoencoder\.keras was replaced"):
        renew_reference(copy, new_rows(tmp_path), CalibrationSettings(accuracy=False))
    assert (copy / "autoencoder.keras").read_bytes() == b"another"
