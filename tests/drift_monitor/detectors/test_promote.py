"""Promotion: what is put in the detector's place, what is kept, and when nothing is changed."""

import re
import shutil
import threading
from pathlib import Path

import pytest

from adversarial import AdversarialDetector, read_bundle
from adversarial.bundle.manifest import MANIFEST, BundleError
from adversarial.bundle.read import bundle_lock
from adversarial.errors import DriftMonitorError
from drift_monitor.config import Monitor, load_monitor
from drift_monitor.detectors import promote as promotion
from drift_monitor.detectors.candidate import Comparison, Verdict
from drift_monitor.detectors.evaluate import find_bundles
from drift_monitor.detectors.promote import check_verdict, promote
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.errors import PromotionError
from tests.conftest import MakeMonitor
from tests.support.s3_server import s3_server


@pytest.fixture
def monitor(make_monitor: MakeMonitor, bundle: Path, tmp_path: Path) -> Monitor:
    """A monitor with a copy of the bundle of its own."""
    shutil.copytree(bundle, tmp_path / "detector")
    return load_monitor(make_monitor(detector="detector"))


@pytest.fixture
def candidate(bundle: Path, tmp_path: Path) -> Path:
    return rethreshold(bundle, 0.3, tmp_path / "candidate")


def content(directory: str | Path) -> dict[str, bytes]:
    found = read_bundle(directory)
    files = {name: found.file(name).read_bytes() for name in found.manifest.sha256}
    return files | {MANIFEST: (found.path / MANIFEST).read_bytes()}


def bundles_beside(monitor: Monitor) -> list[str]:
    return sorted(p.name for p in Path(monitor.detector).parent.iterdir() if "detector" in p.name)


def test_the_candidate_takes_the_place_and_the_previous_bundle_is_kept(
    monitor: Monitor, candidate: Path
) -> None:
    target = Path(monitor.detector)
    before, new = content(target), content(candidate)
    first = read_bundle(target).fingerprint
    done = promote(monitor, find_bundles(monitor, candidate))
    assert content(target) == new == content(candidate)
    assert done.fingerprint == read_bundle(candidate).fingerprint
    assert done.previous == f"{target}.{first[:12]}"
    assert content(done.previous) == before

    back = promote(monitor, find_bundles(monitor, done.previous))
    assert content(target) == before
    assert back.previous == f"{target}.{done.fingerprint[:12]}"
    # And once more: what is kept already is left as it is.
    assert promote(monitor, find_bundles(monitor, candidate)).previous == done.previous
    assert len(bundles_beside(monitor)) == 3


def test_where_there_is_no_detector_yet_the_candidate_becomes_it(
    monitor: Monitor, candidate: Path
) -> None:
    shutil.rmtree(monitor.detector)
    done = promote(monitor, find_bundles(monitor, candidate))
    assert done.previous is None
    assert content(Path(monitor.detector)) == content(candidate)
    assert bundles_beside(monitor) == ["detector"]


def test_a_link_to_the_detector_stays_a_link(monitor: Monitor, candidate: Path) -> None:
    link = Path(monitor.detector).with_name("link")
    link.symlink_to("detector")
    linked = monitor.model_copy(update={"detector": str(link)})
    promote(linked, find_bundles(linked, candidate))
    assert link.is_symlink()
    assert read_bundle(link).fingerprint == read_bundle(candidate).fingerprint


def test_a_job_that_is_loading_the_detector_is_waited_for(
    monitor: Monitor, candidate: Path
) -> None:
    bundles = find_bundles(monitor, candidate)
    writer = threading.Thread(target=promote, args=(monitor, bundles))
    with bundle_lock(monitor.detector):
        writer.start()
        writer.join(0.5)
        assert writer.is_alive()
        found = AdversarialDetector.load(monitor.detector).fingerprint
    writer.join(20)
    assert found == bundles["current"].fingerprint
    assert read_bundle(monitor.detector).fingerprint == bundles["candidate"].fingerprint


def test_a_detector_that_was_replaced_meanwhile_is_not_overwritten(
    monitor: Monitor, candidate: Path
) -> None:
    bundles = find_bundles(monitor, candidate)
    rethreshold(Path(monitor.detector), 0.2)
    before = content(Path(monitor.detector))
    with pytest.raises(PromotionError, match="has been replaced meanwhile"):
        promote(monitor, bundles)
    assert content(Path(monitor.detector)) == before
    assert bundles_beside(monitor) == ["detector"]


def test_a_candidate_that_is_changed_while_it_is_copied_is_not_promoted(
    monitor: Monitor, candidate: Path
) -> None:
    bundles = find_bundles(monitor, candidate)
    rethreshold(candidate, 0.1)
    before = content(Path(monitor.detector))
    with pytest.raises(BundleError, match="was replaced while the bundle was in use"):
        promote(monitor, bundles)
    assert content(Path(monitor.detector)) == before


def test_a_candidate_that_the_monitor_does_not_trust_is_refused(
    monitor: Monitor, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "missing_from_bundle", lambda *_: ["SavedModel"])
    with pytest.raises(DriftMonitorError, match=re.escape("trust: [SavedModel]")):
        promote(monitor, find_bundles(monitor, candidate))
    assert bundles_beside(monitor) == ["detector"]


def test_a_kept_bundle_that_is_damaged_is_not_counted_on(monitor: Monitor, candidate: Path) -> None:
    kept = Path(f"{monitor.detector}.{read_bundle(monitor.detector).fingerprint[:12]}")
    shutil.copytree(monitor.detector, kept)
    (kept / "autoencoder.keras").unlink()
    before = content(Path(monitor.detector))
    with pytest.raises(DriftMonitorError, match=r"autoencoder.keras is missing"):
        promote(monitor, find_bundles(monitor, candidate))
    assert content(Path(monitor.detector)) == before


@pytest.mark.parametrize(
    ("verdict", "allowed", "refused"),
    [
        ("better", False, None),
        ("equal", False, None),
        ("worse", False, "why it is; nothing has been changed"),
        ("worse", True, "why it is; nothing has been changed"),
        ("undecided", False, "why it is. Raise evaluation.limit"),
        ("undecided", True, None),
    ],
)
def test_a_verdict_allows_or_refuses(verdict: Verdict, allowed: bool, refused: str | None) -> None:
    comparison = Comparison(verdict, "why it is", [], 100)
    if refused is None:
        check_verdict(comparison, allow_undecided=allowed)
    else:
        with pytest.raises(PromotionError, match=refused):
            check_verdict(comparison, allow_undecided=allowed)


def test_a_detector_on_an_object_store_is_replaced_by_one_write_and_the_previous_one_kept(
    make_monitor: MakeMonitor,
    bundle: Path,
    candidate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with s3_server() as bucket:
        monitor = load_monitor(make_monitor(detector=f"{bucket}/detector"))
        first = promote(monitor, find_bundles(monitor, bundle))
        assert first.previous is None
        bundles = find_bundles(monitor, candidate)
        done = promote(monitor, bundles)
        assert read_bundle(monitor.detector).fingerprint == read_bundle(candidate).fingerprint
        assert done.previous == f"{bucket}/detector.{first.fingerprint[:12]}"
        assert read_bundle(done.previous).fingerprint == first.fingerprint
        with pytest.raises(PromotionError, match="has been replaced meanwhile"):
            promote(monitor, bundles)
        promote(monitor, find_bundles(monitor, done.previous))
        assert read_bundle(monitor.detector).fingerprint == first.fingerprint
