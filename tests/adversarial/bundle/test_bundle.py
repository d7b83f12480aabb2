"""Replacing a bundle while others read it."""

import errno
import fcntl
import json
import os
import shutil
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adversarial import AdversarialDetector, BundleError, InputSpec, read_bundle
from adversarial.bundle.manifest import ACCURACY, FEATURE_QUANTILES, MANIFEST, REFERENCE
from adversarial.bundle.read import bundle_lock
from adversarial.bundle.write import write_bundle
from drift_monitor.detectors.reference import feature_quantiles, rethreshold


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "detector"))


def test_a_bundle_that_is_being_read_is_replaced_afterwards(copy: Path) -> None:
    before = read_bundle(copy).fingerprint
    writer = threading.Thread(target=rethreshold, args=(copy, 0.3))
    with bundle_lock(copy):
        writer.start()
        writer.join(0.5)
        assert writer.is_alive()
        assert read_bundle(copy).fingerprint == before
    writer.join(20)
    assert not writer.is_alive()
    assert read_bundle(copy).fingerprint != before


def test_who_waited_for_a_replacement_holds_the_new_bundle(copy: Path, bundle: Path) -> None:
    new = rethreshold(bundle, 0.3, copy.with_name("new"))
    holding, done = threading.Event(), threading.Event()

    def read() -> None:
        with bundle_lock(copy):
            holding.set()
            done.wait(20)

    reader = threading.Thread(target=read)
    with bundle_lock(copy, exclusive=True):
        reader.start()
        assert not holding.wait(0.5)
        copy.rename(copy.with_name("old"))
        new.rename(copy)
    assert holding.wait(20)
    descriptor = os.open(copy, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    done.set()
    reader.join(20)
    os.close(descriptor)


def test_a_loaded_detector_says_which_bundle_it_is(copy: Path) -> None:
    assert AdversarialDetector.load(copy).fingerprint == read_bundle(copy).fingerprint


def test_a_bundle_is_not_verified_while_it_is_replaced(copy: Path) -> None:
    """Else its files could be compared with the hashes of another."""
    reader = threading.Thread(target=read_bundle, args=(copy,))
    with bundle_lock(copy, exclusive=True):
        reader.start()
        reader.join(0.5)
        assert reader.is_alive()
    reader.join(20)
    assert not reader.is_alive()


def test_a_verified_bundle_is_verified_again_only_where_it_was_replaced(
    copy: Path, hashed: Counter[str]
) -> None:
    before = read_bundle(copy)
    hashed.clear()
    assert read_bundle(before) is before
    assert not hashed
    rethreshold(copy, 0.3)
    hashed.clear()
    now = read_bundle(before)
    assert now.fingerprint == read_bundle(copy).fingerprint != before.fingerprint
    assert set(hashed) == set(now.manifest.sha256)
    shutil.rmtree(copy)
    with pytest.raises(BundleError, match="not found"):
        read_bundle(now)


def test_a_detector_is_loaded_from_a_verified_bundle(copy: Path, hashed: Counter[str]) -> None:
    verified = read_bundle(copy)
    hashed.clear()
    assert AdversarialDetector.load(verified).fingerprint == verified.fingerprint
    assert not hashed


def test_what_is_read_of_a_bundle_is_read_once(copy: Path) -> None:
    found = read_bundle(copy)
    window, estimator = found.reference(), found.accuracy_estimator()
    assert estimator is not None
    for name in (REFERENCE, ACCURACY):
        (copy / name).unlink()
    assert found.reference() is window
    assert found.accuracy_estimator() is estimator


def test_a_file_system_without_locks_can_be_read(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert read_bundle(copy).fingerprint


def test_where_there_is_no_bundle_nothing_is_waited_for(tmp_path: Path) -> None:
    with bundle_lock(tmp_path / "nothing"), bundle_lock(tmp_path / "nothing", exclusive=True):
        pass


def rewrite(path: Path, *, without: str = "", **texts: str) -> None:
    """Write a bundle again without a file, or with others' content."""
    found = read_bundle(path)

    def fill(directory: Path) -> None:
        for name in found.manifest.sha256.keys() - {without}:
            shutil.copyfile(found.file(name), directory / name)
        for name, text in texts.items():
            (directory / f"{name}.json").write_text(text)

    changes = {"reference_created": None}
    write_bundle(
        path, fill, lambda sha256: found.manifest.model_copy(update=changes | {"sha256": sha256})
    )


def test_a_bundle_from_before_accuracy_estimators_loads(copy: Path) -> None:
    rewrite(copy, without=ACCURACY)
    manifest = json.loads((copy / "detector.json").read_text())
    assert "reference_created" not in manifest
    found = read_bundle(copy)
    assert found.accuracy_estimator() is None
    assert found.feature_quantiles() is None
    detector = AdversarialDetector.load(copy)
    kept = detector.calibration
    assert (kept.accuracy_estimator, kept.feature_quantiles, kept.created) == (None, None, None)


def test_loading_and_saving_keeps_what_is_known_of_the_reference(
    copy: Path, tmp_path: Path
) -> None:
    rewrite(copy, feature_quantiles=json.dumps({"age": [0.5] * 101}))
    detector = AdversarialDetector.load(copy)
    created = datetime(2026, 11, 20, 6, tzinfo=UTC)
    dated = replace(detector.calibration, created=created)
    detector.replace(calibration=dated).save(tmp_path / "again")
    again = read_bundle(tmp_path / "again")
    assert again.accuracy_estimator() == read_bundle(copy).accuracy_estimator() is not None
    assert again.feature_quantiles() == {"age": [0.5] * 101}
    assert again.manifest.reference_created == created


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (ACCURACY, '{"schema_version": "2"}'),
        (FEATURE_QUANTILES, '{"age": [1, 2]}'),
        (FEATURE_QUANTILES, "no JSON"),
    ],
)
def test_a_file_of_another_version_is_named_with_the_remedy(
    copy: Path, name: str, text: str
) -> None:
    rewrite(copy, **{name.removesuffix(".json"): text})
    found = read_bundle(copy)
    with pytest.raises(BundleError, match=rf"{name} cannot be read.*'drift-monitor reference'"):
        (found.accuracy_estimator if name == ACCURACY else found.feature_quantiles)()


def test_an_altered_map_is_refused(copy: Path) -> None:
    (copy / ACCURACY).write_text((copy / ACCURACY).read_text() + " ")
    with pytest.raises(BundleError, match=r"accuracy\.json has been altered"):
        read_bundle(copy)


def test_quantiles_are_those_of_each_feature() -> None:
    x = np.stack([np.arange(101), 1000 - np.arange(101)], axis=1).astype(np.float32)
    found = feature_quantiles(x, InputSpec(shape=(2,), feature_names=("age", "height")))
    assert found is not None
    np.testing.assert_allclose(found["age"], np.arange(101), atol=1e-9)
    np.testing.assert_allclose(found["height"], 900 + np.arange(101), atol=1e-9)
    assert feature_quantiles(np.zeros((5, 2, 2, 1), np.float32), InputSpec(shape=(2, 2, 1))) is None


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"sha256":' * 100_000, "{}"])
def test_a_manifest_that_is_none_is_named(copy: Path, text: str) -> None:
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match=r"detector\.json cannot be read"):
        read_bundle(copy)
