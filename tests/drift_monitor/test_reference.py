"""The reference window, and bundles that are given another threshold."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, BundleError, read_bundle
from adversarial.bundle import REFERENCE, write_bundle
from adversarial.errors import ModelError
from adversarial.members import Plan
from adversarial.threshold import apply_threshold
from drift_monitor.batches import Batch
from drift_monitor.config import DataConfig
from drift_monitor.fit import fit
from drift_monitor.reference import rethreshold, score_reference
from tests.animals import CLASSES, make_images, write_batch


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
        fit(classifier_file, data, output, classes=CLASSES, plan=Plan(epochs=1), fpr=fpr, verbose=0)
        return output

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
        detector.threshold = float(np.quantile(first["adversarial_score"], share))
        expected = score_reference(detector, chunks, data)
        assert (expected["prediction"].to_numpy() != expected["corrected_prediction"]).any()
        assert apply_threshold(first, detector.threshold).equals(expected)


def test_the_dependent_columns_of_the_reference_follow_from_the_others(bundle: Path) -> None:
    found = read_bundle(bundle)
    window = found.reference().to_pydict()
    assert list(window) == [
        "prediction",
        "confidence",
        "adversarial_score",
        "flagged",
        "corrected_prediction",
        "reconstruction_prediction",
        "label",
        "site",
    ]
    flagged = [score > found.manifest.threshold for score in window["adversarial_score"]]
    assert window["flagged"] == flagged
    either = zip(flagged, window["reconstruction_prediction"], window["prediction"], strict=True)
    assert window["corrected_prediction"] == [new if flag else own for flag, new, own in either]


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

    monkeypatch.setattr("drift_monitor.reference.pq.write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        rethreshold(copy, 0.2)
    assert content(copy) == before
    assert [p.name for p in copy.parent.iterdir()] == ["detector"]


def test_a_killed_write_leaves_the_old_bundle(copy: Path) -> None:
    before = content(copy)
    code = (
        "import os, pathlib, signal, sys, drift_monitor.reference as r\n"
        "r.pq.write_table = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "r.rethreshold(pathlib.Path(sys.argv[1]), 0.2)"
    )
    done = subprocess.run([sys.executable, "-c", code, copy], check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(copy) == before
    assert read_bundle(copy).manifest.fpr == 0.05


def test_tensorflow_is_not_loaded(copy: Path) -> None:
    code = (
        "import sys; from drift_monitor.cli import app; app(standalone_mode=False); "
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
