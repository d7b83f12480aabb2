"""Detectors that must be signed: what is accepted, what is refused, and that copies stay signed."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adversarial import read_bundle
from adversarial.bundle.manifest import MANIFEST, SIGNATURE, BundleError
from drift_monitor.config import load_monitor
from drift_monitor.detectors.evaluate import find_bundles
from drift_monitor.detectors.promote import promote
from drift_monitor.detectors.reference import rethreshold
from drift_monitor.job.run import run_interval
from tests.conftest import MakeMonitor
from tests.support.s3_server import s3_server

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
Sign = Callable[[Path], Path]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with the public key."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path = tmp_path / "team.pub"
    path.write_bytes(public)
    return path


@pytest.fixture
def signed(bundle: Path, tmp_path: Path) -> Path:
    """A signed copy of the bundle."""
    return sign(Path(shutil.copytree(bundle, tmp_path / "detector")))


def sign(bundle: Path) -> Path:
    (bundle / SIGNATURE).write_bytes(KEY.sign((bundle / MANIFEST).read_bytes()))
    return bundle


def test_a_signed_bundle_is_read(signed: Path, key: Path) -> None:
    assert read_bundle(signed, key).fingerprint == read_bundle(signed).fingerprint


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (None, r"is not signed, and the monitor asks for it: sign .*openssl pkeyutl"),
        (KEY.sign(b"another bundle"), "is not signed with the key that belongs to .*team.pub"),
        (b"", "is not signed with the key"),
    ],
)
def test_a_bundle_that_is_not_signed_with_the_key_is_refused(
    signed: Path, key: Path, signature: bytes | None, message: str
) -> None:
    if signature is None:
        (signed / SIGNATURE).unlink()
    else:
        (signed / SIGNATURE).write_bytes(signature)
    with pytest.raises(BundleError, match=message):
        read_bundle(signed, key)


def test_a_bundle_that_was_verified_without_a_key_is_not_taken_for_a_signed_one(
    bundle: Path, key: Path
) -> None:
    with pytest.raises(BundleError, match="is not signed"):
        read_bundle(read_bundle(bundle), key)


def test_what_is_no_key_of_this_kind_is_named(signed: Path, key: Path) -> None:
    missing = key.with_name("none.pub")
    with pytest.raises(BundleError, match=r"none.pub cannot be read: No such file"):
        read_bundle(signed, missing)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    for content, message in (
        (b"ssh-ed25519 AAAA", "is no public key: expected a public key of Ed25519 in PEM"),
        (
            other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "is a key of another kind",
        ),
    ):
        key.write_bytes(content)
        with pytest.raises(BundleError, match=message):
            read_bundle(signed, key)


def test_a_changed_bundle_must_be_signed_again(signed: Path, key: Path, tmp_path: Path) -> None:
    other = rethreshold(signed, 0.3, tmp_path / "other")
    assert not (other / SIGNATURE).exists()
    rethreshold(signed, 0.3, signed)
    with pytest.raises(BundleError, match="is not signed"):
        read_bundle(signed, key)
    read_bundle(sign(signed), key)


def test_a_monitor_runs_and_promotes_only_what_is_signed(
    make_monitor: MakeMonitor, bundle: Path, signed: Path, key: Path, tmp_path: Path
) -> None:
    monitor = load_monitor(make_monitor(detector="detector", detector_key="team.pub"))
    candidate = rethreshold(bundle, 0.3, tmp_path / "candidate")
    with pytest.raises(BundleError, match="candidate is not signed"):
        find_bundles(monitor, candidate)
    before = read_bundle(signed).fingerprint
    done = promote(monitor, find_bundles(monitor, sign(candidate)))
    assert done.previous is not None
    assert read_bundle(done.previous, key).fingerprint == before
    assert read_bundle(signed, key).fingerprint == done.fingerprint != before

    (signed / SIGNATURE).unlink()
    with pytest.raises(BundleError, match="detector is not signed"):
        run_interval(monitor, monitor.interval(date(2026, 11, 20)))


def test_a_signature_goes_with_its_bundle_to_an_object_store(
    make_monitor: MakeMonitor, signed: Path, key: Path
) -> None:
    with s3_server() as bucket:
        monitor = load_monitor(make_monitor(detector=f"{bucket}/detector", detector_key="team.pub"))
        promote(monitor, find_bundles(monitor, signed))
        found = read_bundle(monitor.detector, key)
        assert found.fingerprint == read_bundle(signed).fingerprint
        (signed / SIGNATURE).unlink()
        with pytest.raises(BundleError, match="is not signed"):
            find_bundles(monitor, signed)
