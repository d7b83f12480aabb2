"""Bundles on object stores: fetched to this machine to be read, and replaced by one write.

`detector.json` is what a bundle is: it names the other files by their SHA-256. A bundle that is put
here keeps them in `files/<SHA-256>/<name>`, which never change, and `detector.json` is replaced
last. One that was copied here by other means, with the files beside `detector.json`, is read too.
"""

import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from adversarial import files
from adversarial.bundle.manifest import MANIFEST, SIGNATURE, BundleError, parse_manifest
from adversarial.storage.folder import Folder, Seen
from adversarial.storage.opening import open_folder

if TYPE_CHECKING:
    from adversarial.bundle.read import Bundle


def fetch_bundle(url: str) -> Path:
    """Return a directory on this machine with the bundle that is at a URL.

    It is kept in `~/.cache/drift-monitor` under its fingerprint, and fetched once.

    Raises
    ------
    BundleError
        If there is no bundle, or a file is missing or altered; names it.
    TransientError
        If the storage does not answer.
    """
    folder = open_folder(url)
    text = folder.look(MANIFEST).content
    if text is None:
        raise BundleError(
            f"detector bundle {url} not found: it has no {MANIFEST}; put one there with "
            "'drift-monitor promote', or copy one that 'drift-monitor fit' has made"
        )
    try:
        manifest = parse_manifest(text)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BundleError(f"{url}/{MANIFEST} cannot be read: put the bundle there again") from None
    target = files.cache_directory() / "detectors" / files.digest(text)
    for name in manifest.sha256:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise BundleError(f"{url}/{MANIFEST} names {name!r}, which is no file of the bundle")
    if target.is_dir():
        return target
    files.make_directory(target.parent)
    files.sweep(target.parent)
    scratch = files.scratch_path(target)
    try:
        for name, sha256 in manifest.sha256.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_fetch(folder, name, sha256))
        (scratch / MANIFEST).write_bytes(text)
        files.sync_tree(scratch)
        scratch.rename(target)
    except OSError:
        if not target.is_dir():  # else another process has been faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def put_bundle(bundle: "Bundle", url: str, seen: Seen) -> None:
    """Put a bundle at a URL, if what is there is still what it was when it was `seen`.

    Parameters
    ----------
    bundle : Bundle
        The bundle.
    url : str
        Where to put it.
    seen : Seen
        What `detector.json` was there.

    Raises
    ------
    ChangedError
        If another bundle has been put there meanwhile, which is then left in place.
    BundleError
        If a file has changed since the bundle was read.
    """
    folder = open_folder(url)
    kept = set()
    for name, sha256 in bundle.manifest.sha256.items():
        content = (bundle.path / name).read_bytes()
        if files.digest(content) != sha256:
            raise BundleError(
                f"{bundle.path / name} was replaced while the bundle was in use: nothing has been "
                "changed; run the command again"
            )
        folder.write(_place(name, sha256), content)
        kept.add(sha256)
    if (signature := bundle.signature()) is not None:
        folder.write(_place(SIGNATURE, bundle.fingerprint), signature)
        kept.add(bundle.fingerprint)
    folder.replace(MANIFEST, bundle.manifest.to_json().encode(), seen)
    for path in folder.find("files/*/*"):
        _, sha256, _ = path.split("/")
        if sha256 not in kept:  # of a bundle that was here before
            (folder / "files" / sha256).sweep(set())


def find_signature(url: str, fingerprint: str) -> bytes | None:
    """Return the signature of the bundle with this fingerprint at a URL; None if there is none."""
    folder = open_folder(url)
    kept = folder.look(_place(SIGNATURE, fingerprint)).content
    return folder.look(SIGNATURE).content if kept is None else kept


def _fetch(folder: Folder, name: str, sha256: str) -> bytes:
    for place in (_place(name, sha256), name):
        try:
            content = folder.read(place)
        except FileNotFoundError:
            continue
        if files.digest(content) == sha256:
            return content
        raise BundleError(
            f"{folder}/{place} has been altered since the bundle was saved (SHA-256 differs from "
            f"the one in {MANIFEST}): put the bundle there again"
        )
    raise BundleError(f"{folder}/{name} is missing from the detector bundle: put it there again")


def _place(name: str, sha256: str) -> str:
    return f"files/{sha256}/{name.replace('/', '_')}"
