"""Bundles that take another's place, on disk and on an object store."""

import json
import os
import shutil
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adversarial import files
from adversarial.bundle import places
from adversarial.bundle.manifest import (
    MANIFEST,
    REFERENCE,
    SIGNATURE,
    BundleError,
    InputSpec,
    Manifest,
)
from adversarial.bundle.read import bundle_lock, read_bundle
from adversarial.bundle.write import rewrite_bundle, write_bundle
from adversarial.errors import DriftMonitorError
from adversarial.storage.folder import ChangedError, Seen
from adversarial.storage.local_folder import LocalFolder
from adversarial.storage.opening import open_folder
from drift_monitor.detectors.reference import rethreshold

NOTHING = Seen(None, None)
_numbers = count()


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
    rewrite_bundle(read_bundle(bundle), url, seen=NOTHING)
    found = read_bundle(url)
    assert found.manifest == read_bundle(bundle).manifest
    assert found.fingerprint == read_bundle(bundle).fingerprint
    assert found.reference().equals(read_bundle(bundle).reference())
    assert (found.place, found.is_in_place()) == (url, True)


def test_one_that_was_copied_by_other_means_is_read_too(bundle: Path, url: str) -> None:
    copy(bundle, url)
    assert read_bundle(url).fingerprint == read_bundle(bundle).fingerprint


def test_a_bundle_is_fetched_once(bundle: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite_bundle(read_bundle(bundle), url, seen=NOTHING)
    first = read_bundle(url)
    monkeypatch.setattr("adversarial.bundle.places._fetch", lambda *_: pytest.fail("fetched"))
    assert read_bundle(url).path == first.path
    assert read_bundle(first) is first


def test_another_bundle_is_put_in_its_place_by_one_write(
    bundle: Path, url: str, tmp_path: Path
) -> None:
    rewrite_bundle(read_bundle(bundle), url, seen=NOTHING)
    before = read_bundle(url)
    other = read_bundle(rethreshold(bundle, 0.3, tmp_path / "other"))
    with pytest.raises(ChangedError):
        rewrite_bundle(other, url, seen=NOTHING)
    assert before.is_in_place()
    rewrite_bundle(other, url, seen=open_folder(url).look(MANIFEST))
    assert not before.is_in_place()
    assert read_bundle(before).fingerprint == other.fingerprint


@pytest.fixture
def detector(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, in a directory that was made for it."""
    return Path(shutil.copytree(bundle, tmp_path / "detector"))


def names_in(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


def identities(directory: Path) -> set[int]:
    return {path.stat().st_ino for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("times", [1, 2])
def test_a_change_in_place_writes_only_the_files_that_change(detector: Path, times: int) -> None:
    for _ in range(times - 1):
        rethreshold(detector, 0.2)
    before = identities(detector)
    rethreshold(detector, 0.3)
    found = read_bundle(detector)
    reference = f"files/{found.manifest.sha256[REFERENCE]}/{REFERENCE}"
    kept = found.manifest.sha256.keys() - {REFERENCE}
    assert names_in(detector) == {*kept, reference, MANIFEST}
    assert found.file(REFERENCE) == detector / reference
    assert len(identities(detector) - before) == 2
    assert not [path for path in detector.rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert found.reference().num_rows > 0


def bundle_of(directory: Path, texts: dict[str, str]) -> Path:
    """Write a bundle of these files, of which none is ever opened as what it is."""

    def fill(made: Path) -> None:
        for name, text in texts.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text)

    def describe(sha256: dict[str, str]) -> Manifest:
        return Manifest(
            class_names=("a", "b"),
            input=InputSpec(shape=(2,)),
            threshold=1,
            fpr=0.1,
            temperature=1,
            ensemble_weights=(1.0,),
            sha256=sha256,
        )

    write_bundle(directory, fill, describe)
    return directory


SAVED_WEIGHTS = "classifier/variables/variables.data-00000-of-00001"
SAVED = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")


def parts(version: str) -> dict[str, str]:
    """Files of which only some differ between two versions, and not in every part."""
    return {
        REFERENCE: version,
        **{f"classifier/{name}": name for name in SAVED[:-1]},
        f"classifier/{SAVED[-1]}": version,
        "autoencoders/0.keras": version,
        "autoencoders/1.keras": "same",
        "scoring_graph.xml": "same",
        "scoring_graph.bin": version,
        "accuracy.json": "same",
    }


def test_what_is_loaded_together_lies_together(tmp_path: Path) -> None:
    """A SavedModel's directory, and a graph with its weights, whichever of them has changed."""
    target = bundle_of(tmp_path / "detector", parts("1"))
    folders = set()
    for version in ("2", "3"):
        bundle_of(target, parts(version))
        found = read_bundle(target)
        for name, text in parts(version).items():
            assert found.file(name).read_text() == text
        graph = found.scoring_graph()
        assert graph is not None
        assert graph.with_suffix(".bin").read_text() == version
        folders.add(found.file("classifier"))
        saved = found.file("classifier")
        assert names_in(saved) == set(SAVED)
        assert (saved / SAVED[-1]).read_text() == version
        assert found.file("autoencoders/0.keras").read_text() == version
        assert found.file("accuracy.json") == target / "accuracy.json"
        assert len(names_in(target)) == len(parts(version)) + 1
    assert len(folders) == 2


def test_a_bundle_that_was_replaced_is_copied_flat_and_put_on_a_store(
    tmp_path: Path, url: str
) -> None:
    target = bundle_of(tmp_path / "detector", parts("1"))
    fingerprint = read_bundle(bundle_of(target, parts("2"))).fingerprint
    rewrite_bundle(read_bundle(target), tmp_path / "copy")
    assert names_in(tmp_path / "copy") == {*parts("2"), MANIFEST}
    rewrite_bundle(read_bundle(target), url)
    shutil.copytree(target, tmp_path / "by hand")
    for place in (tmp_path / "copy", tmp_path / "by hand", url):
        assert read_bundle(place).fingerprint == fingerprint
    # Both kinds of folder are alike.
    for name in open_folder(url).names():
        path = tmp_path / "from store" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(open_folder(url).read(name))
    assert read_bundle(tmp_path / "from store").fingerprint == fingerprint
    rewrite_bundle(read_bundle(url), tmp_path / "fetched")
    assert names_in(tmp_path / "fetched") == {*parts("2"), MANIFEST}


def test_a_store_that_an_earlier_version_has_written_is_read(tmp_path: Path, url: str) -> None:
    found = read_bundle(bundle_of(tmp_path / "detector", parts("1")))
    for name, sha256 in found.manifest.sha256.items():
        content = found.file(name).read_bytes()
        open_folder(url).write(f"files/{sha256}/{name.replace('/', '_')}", content)
    open_folder(url).write(MANIFEST, found.manifest.to_json().encode())
    assert read_bundle(url).fingerprint == found.fingerprint


def test_a_bundle_is_made_in_a_directory_that_is_there_already(tmp_path: Path) -> None:
    """It may be a mount, which cannot be renamed, and a writer may have been killed in it."""
    for name in (".01234567.files", "files/00"):
        (tmp_path / "detector" / name).mkdir(parents=True)
    identity = (tmp_path / "detector").stat().st_ino
    target = bundle_of(tmp_path / "detector", parts("1"))
    assert target.stat().st_ino == identity
    assert read_bundle(target).manifest.sha256.keys() == parts("1").keys()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_is_no_bundle_s_is_named(tmp_path: Path, is_replaced: bool) -> None:
    target = bundle_of(tmp_path / "detector", parts("1"))
    if is_replaced:
        bundle_of(target, parts("2"))
    for name in ("notes.txt", "old/reference.parquet"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("mine")
        with pytest.raises(BundleError, match=f"{name} does not belong to the detector bundle"):
            read_bundle(target)
        (target / name).unlink()
    (target / "novelty.npz").write_text("")
    if is_replaced:  # a killed writer may not have come to remove it
        read_bundle(target)
    else:
        with pytest.raises(BundleError, match=r"novelty.npz does not belong"):
            read_bundle(target)


def test_what_killed_writers_have_left_is_swept_after_a_time(tmp_path: Path) -> None:
    target = bundle_of(tmp_path / "detector", parts("1"))
    bundle_of(target, parts("2"))
    left = [
        "files/00/reference.parquet",
        "novelty.npz",
        "classifier.keras",
        ".01234567.files/a/b",
        ".01234567.detector.json",
    ]
    for name in left:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("left")
    read_bundle(target)
    bundle_of(target, parts("3"))
    assert names_in(target).issuperset(left)
    old = time.time() - files.ABANDONED_AFTER - 60
    for name in [*left, ".01234567.files"]:
        os.utime(target / name, (old, old))
    bundle_of(target, parts("4"))
    assert len(names_in(target)) == len(parts("4")) + 1
    assert read_bundle(target).file(REFERENCE).read_text() == "4"


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_was_altered_in_its_place_is_named_and_mended_by_the_next_writer(
    tmp_path: Path, is_replaced: bool
) -> None:
    target = bundle_of(tmp_path / "detector", parts("1" if is_replaced else "2"))
    if is_replaced:
        bundle_of(target, parts("2"))
    for name in ("scoring_graph.bin", "accuracy.json"):
        file = read_bundle(target).file(name)
        file.write_text("altered")
        with pytest.raises(BundleError, match=f"{file} has been altered"):
            read_bundle(target)
        bundle_of(target, parts("2"))
        assert read_bundle(target).file(name).read_text() == parts("2")[name]
        assert read_bundle(target).file("scoring_graph.xml").read_text() == "same"


def test_readers_of_a_bundle_that_is_replaced_again_and_again_find_one_or_the_other(
    tmp_path: Path,
) -> None:
    target = bundle_of(tmp_path / "detector", parts("1"))
    rewrite_bundle(read_bundle(target), tmp_path / "one")
    bundle_of(tmp_path / "two", parts("2"))
    bundles = [read_bundle(tmp_path / name) for name in ("one", "two")]
    done = threading.Event()
    seen: set[str] = set()
    failed: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                with bundle_lock(target):
                    found = read_bundle(target)
                    texts = {found.file(name).read_text() for name in (REFERENCE, SAVED_WEIGHTS)}
                    assert len(texts) == 1
                seen.add(found.fingerprint)
                time.sleep(0.01)  # so that the writer finds nobody reading
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(30):
        rewrite_bundle(bundles[number % 2], target)
    done.set()
    for reader in readers:
        reader.join(20)
    assert not failed
    assert seen == {found.fingerprint for found in bundles}


def test_of_two_changes_in_place_the_second_is_refused(detector: Path) -> None:
    before = read_bundle(detector)
    rethreshold(detector, 0.2)
    now = read_bundle(detector).fingerprint
    with pytest.raises(DriftMonitorError, match="run the command again"):
        rewrite_bundle(before, detector, threshold=0.5)
    assert read_bundle(detector).fingerprint == now


@pytest.mark.parametrize("on_store", [False, True])
def test_a_signature_takes_the_place_with_its_bundle(
    on_store: bool, tmp_path: Path, url: str
) -> None:
    place = url if on_store else str(tmp_path / "detector")
    for version, signature in (("1", b"one"), ("2", b"two"), ("3", None)):
        made = bundle_of(tmp_path / version, parts(version))
        if signature:
            (made / SIGNATURE).write_bytes(signature)
        rewrite_bundle(read_bundle(made), place)
        assert read_bundle(place).signature() == signature
        assert [n for n in open_folder(place).names() if SIGNATURE in n] == (
            [SIGNATURE] if signature else []
        )


def test_a_signature_is_found_where_its_writer_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after the bundle it belongs to was put in place."""
    target = bundle_of(tmp_path / "detector", parts("1"))
    made = bundle_of(tmp_path / "made", parts("2"))
    for bundle, signature in ((target, b"one"), (made, b"two")):
        (bundle / SIGNATURE).write_bytes(signature)
    replace = LocalFolder.replace

    def replace_and_stop(*arguments: Any) -> None:
        replace(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalFolder, "replace", replace_and_stop)
    with pytest.raises(KeyboardInterrupt):
        rewrite_bundle(read_bundle(made), target)
    assert (target / SIGNATURE).read_bytes() == b"one"
    assert read_bundle(target).signature() == b"two"
    assert read_bundle(target).fingerprint == read_bundle(made).fingerprint


def test_a_bundle_that_is_replaced_while_it_is_fetched_is_fetched_anew(
    bundle: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_bundle(read_bundle(bundle), url)
    other = read_bundle(rethreshold(bundle, 0.3, tmp_path / "other"))
    fetch = places._fetch

    def replace_first(*arguments: Any) -> bytes:
        monkeypatch.setattr(places, "_fetch", fetch)
        open_folder(url).remove_all()
        rewrite_bundle(other, url)
        return fetch(*arguments)

    monkeypatch.setattr(places, "_fetch", replace_first)
    assert read_bundle(url).fingerprint == other.fingerprint


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
    rewrite_bundle(read_bundle(bundle), url, seen=NOTHING)
    path = read_bundle(url).path
    (path / "reference.parquet").write_bytes(b"")
    with pytest.raises(BundleError, match=r"reference.parquet has been altered"):
        read_bundle(url)
    shutil.rmtree(path)
    assert read_bundle(url).is_in_place()
