"""Bundles on an object store: put there whole, and read as on disk."""

import json
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from adversarial.bundle.manifest import MANIFEST, BundleError
from adversarial.bundle.read import read_bundle
from adversarial.bundle.remote import put_bundle
from adversarial.storage.folder import ChangedError, Seen
from adversarial.storage.opening import open_folder
from drift_monitor.detectors.reference import rethreshold
from tests.support.s3_server import s3_server

NOTHING = Seen(None, None)
_numbers = count()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def url(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"{bucket}/detector{next(_numbers)}"


def copy(bundle: Path, url: str) -> None:
    """Copy the files as they are, as other programs do."""
    for path in bundle.rglob("*"):
        if path.is_file():
            open_folder(url).write(path.relative_to(bundle).as_posix(), path.read_bytes())


def test_a_bundle_is_read_as_it_was_put(bundle: Path, url: str) -> None:
    put_bundle(read_bundle(bundle), url, NOTHING)
    found = read_bundle(url)
    assert found.manifest == read_bundle(bundle).manifest
    assert found.fingerprint == read_bundle(bundle).fingerprint
    assert found.reference().equals(read_bundle(bundle).reference())
    assert (found.place, found.is_in_place()) == (url, True)


def test_one_that_was_copied_by_other_means_is_read_too(bundle: Path, url: str) -> None:
    copy(bundle, url)
    assert read_bundle(url).fingerprint == read_bundle(bundle).fingerprint


def test_a_bundle_is_fetched_once(bundle: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_bundle(read_bundle(bundle), url, NOTHING)
    first = read_bundle(url)
    monkeypatch.setattr("adversarial.bundle.remote._fetch", lambda *_: pytest.fail("fetched"))
    assert read_bundle(url).path == first.path
    assert read_bundle(first) is first


def test_another_bundle_is_put_in_its_place_by_one_write(
    bundle: Path, url: str, tmp_path: Path
) -> None:
    put_bundle(read_bundle(bundle), url, NOTHING)
    before = read_bundle(url)
    other = read_bundle(rethreshold(bundle, 0.3, tmp_path / "other"))
    with pytest.raises(ChangedError):
        put_bundle(other, url, NOTHING)
    assert before.is_in_place()
    put_bundle(other, url, open_folder(url).look(MANIFEST))
    assert not before.is_in_place()
    assert read_bundle(before).fingerprint == other.fingerprint


def test_what_is_wrong_is_named(bundle: Path, url: str) -> None:
    with pytest.raises(BundleError, match=f"detector bundle {url} not found"):
        read_bundle(url)
    copy(bundle, url)
    folder = open_folder(url)
    kept = folder.read("reference.parquet")
    folder.write("reference.parquet", kept[:-1])
    with pytest.raises(BundleError, match=f"{url}/reference.parquet has been altered"):
        read_bundle(url)
    folder.remove("reference.parquet")
    with pytest.raises(BundleError, match=f"{url}/reference.parquet is missing"):
        read_bundle(url)
    folder.write(MANIFEST, b"{")
    with pytest.raises(BundleError, match=f"{url}/detector.json cannot be read"):
        read_bundle(url)


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_no_file_is_written_outside_the_bundle(
    name: str, bundle: Path, url: str, tmp_path: Path
) -> None:
    copy(bundle, url)
    fields = json.loads((bundle / MANIFEST).read_text())
    fields["sha256"][name] = "00"
    open_folder(url).write(MANIFEST, json.dumps(fields).encode())
    with pytest.raises(BundleError, match="which is no file of the bundle"):
        read_bundle(url)
    assert not list(tmp_path.rglob("outside"))


def test_a_copy_on_this_machine_that_has_been_altered_is_refused(bundle: Path, url: str) -> None:
    put_bundle(read_bundle(bundle), url, NOTHING)
    path = read_bundle(url).path
    (path / "reference.parquet").write_bytes(b"")
    with pytest.raises(BundleError, match=r"reference.parquet has been altered"):
        read_bundle(url)
    shutil.rmtree(path)
    assert read_bundle(url).is_in_place()
