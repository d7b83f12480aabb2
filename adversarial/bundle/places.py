"""Where a bundle's files are, and how a bundle takes another's place, on disk or on a store.

In a directory that was made for it, a bundle's files lie beside `detector.json`. What is put where
something has been before is kept in `files/<SHA-256>/<name>`, which never changes, and
`detector.json`, which names every file with its SHA-256, is replaced last, by one write: a reader,
a kill or a power loss finds the earlier bundle whole or the new one whole.
"""

import hashlib
import re
import shutil
from pathlib import Path, PurePosixPath

from adversarial import files
from adversarial.bundle.manifest import (
    ACCURACY,
    AUTOENCODER,
    AUTOENCODERS,
    CLASSIFIER,
    FEATURE_QUANTILES,
    MANIFEST,
    NOVELTY,
    REFERENCE,
    REFERENCE_INPUTS,
    RUNTIME_SAMPLE,
    SAMPLE,
    SCORING_GRAPH,
    SIGNATURE,
    BundleError,
    Manifest,
    parse_manifest,
)
from adversarial.storage.folder import Folder, Seen
from adversarial.storage.opening import open_folder

FILES = "files"
"""Folder of what was put where a bundle, or an empty directory, has been before."""


def _part_of(name: str) -> str:
    """Return what names the part of a bundle that a file belongs to."""
    return re.split("[./]", name, maxsplit=1)[0]


_PARTS = frozenset(
    _part_of(name)
    for name in (
        *(CLASSIFIER, AUTOENCODER, AUTOENCODERS, SCORING_GRAPH, RUNTIME_SAMPLE, NOVELTY, SAMPLE),
        *(REFERENCE, REFERENCE_INPUTS, FEATURE_QUANTILES, ACCURACY),
    )
)
"""What bundles consist of, by which files of an earlier one are told from those of users."""


def find_file(directory: Path, manifest: Manifest, name: str) -> Path:
    """Return where a file, or a directory of files, of a bundle on this machine is."""
    parts = _parts(manifest, name)
    folder = directory / _folder(parts)
    is_put = bool(parts) and all((folder / part).is_file() for part in parts)
    return (folder if is_put else directory) / name


def is_outside(name: str) -> bool:
    """Whether a name in a manifest leads out of the bundle."""
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts


def find_strangers(directory: Path, manifest: Manifest) -> list[str]:
    """Return the names of files in a directory that can be of no bundle that it has held."""
    found = set()
    for path in directory.iterdir():
        if path.name == FILES or files.SCRATCH.fullmatch(path.name):
            continue
        below = path.rglob("*") if path.is_dir() else [path]
        found |= {p.relative_to(directory).as_posix() for p in below if p.is_file()}
    found -= {MANIFEST, SIGNATURE, *manifest.sha256}
    # Where a writer was killed, files of the bundle before may still be there.
    was_replaced = (directory / FILES).is_dir()
    return sorted(name for name in found if not (was_replaced and _part_of(name) in _PARTS))


def find_same(directory: Path, manifest: Manifest, earlier: Manifest) -> set[str]:
    """Return which files of a bundle are in a directory already, by the bundle that is there.

    A file is only if it is unaltered, and all that lies together with it is there too.
    """
    sound = set()
    for name, sha256 in manifest.sha256.items():
        file = find_file(directory, earlier, name)
        if file.is_file() and files.sha256(file) == sha256:
            sound.add(name)
    return {
        name
        for name in sound
        if _parts(manifest, name) == _parts(earlier, name)
        and sound.issuperset(_parts(manifest, name))
    }


def put_files(
    folder: Folder, made: Path, manifest: Manifest, signature: bytes | None, seen: Seen
) -> None:
    """Replace the bundle in a folder, if it is still what it was when it was `seen`.

    Parameters
    ----------
    folder : Folder
        Where it is to be. What the manifest names may be there already.
    made : Path
        Local directory with the other files, which are moved.
    manifest : Manifest
        Names all of them.
    signature : bytes, optional
        Signature of that manifest.
    seen : Seen
        What `detector.json` was there.

    Raises
    ------
    ChangedError
        If another bundle has been put there meanwhile, which is then left in place.
    """
    (folder / FILES).make()
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        name = path.relative_to(made).as_posix()
        folder.put(path, place_of(manifest, name))
    text = manifest.to_json().encode()
    signed = _signature_place(files.digest(text))
    if signature is not None:
        folder.write(signed, signature)
    folder.replace(MANIFEST, text, seen)
    # Readers look for the signature there first, so that they find one at every moment.
    if signature is not None:
        folder.write(SIGNATURE, signature)
    else:
        folder.remove(SIGNATURE)
    folder.remove(signed)


def remove_earlier(folder: Folder, manifest: Manifest, earlier: Manifest | None = None) -> None:
    """Remove what is left in a folder of bundles that were replaced, or that killed writers left.

    Parameters
    ----------
    folder : Folder
        Where the bundle is. Nothing that users have put there on their own is removed.
    manifest : Manifest
        Of the bundle that is there now.
    earlier : Manifest, optional
        Of the one before, if nobody is reading it. What is of another goes after a time.
    """
    present = set(folder.names())
    left = {n for n in present if n.split("/")[0] == FILES or _part_of(n) in _PARTS}
    for name in manifest.sha256:
        parts = _parts(manifest, name)
        is_put = present.issuperset(f"{_folder(parts)}/{part}" for part in parts)
        left.discard(place_of(manifest, name) if is_put else name)
    unread = left & _places(earlier) if earlier else set()
    for name in unread:
        folder.remove(name)
    folder.sweep(left - unread)
    folder.sweep_unfinished()
    folders = {str(path) for name in left for path in PurePosixPath(name).parents} - {"."}
    for name in sorted(folders, key=len, reverse=True):
        (folder / name).remove_empty()


def place_of(manifest: Manifest, name: str) -> str:
    """Return the name of a file that is put where something has been before.

    What is loaded together, a directory or a graph with its weights, lies together: files whose
    names are the same up to the first dot or slash share the folder that is named by the SHA-256 of
    their list, as `sha256sum` prints it. A file of its own is in one named by its own SHA-256.
    """
    return f"{_folder(_parts(manifest, name))}/{name}"


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
        if is_outside(name):
            raise BundleError(f"{url}/{MANIFEST} names {name!r}, which is no file of the bundle")
    if target.is_dir():
        return target
    files.make_directory(target.parent)
    files.sweep(target.parent)
    scratch = files.scratch_path(target)
    try:
        for name in manifest.sha256:
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_fetch(folder, manifest, name))
        (scratch / MANIFEST).write_bytes(text)
        files.sync_tree(scratch)
        scratch.rename(target)
    except BundleError:
        if folder.look(MANIFEST).content == text:
            raise
        return fetch_bundle(url)  # it has been replaced meanwhile
    except OSError:
        if not target.is_dir():  # else another process has been faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def find_signature(folder: Folder, fingerprint: str) -> bytes | None:
    """Return the signature of the bundle with this fingerprint; None if there is none."""
    put = folder.look(_signature_place(fingerprint)).content
    return folder.look(SIGNATURE).content if put is None else put


def _fetch(folder: Folder, manifest: Manifest, name: str) -> bytes:
    sha256 = manifest.sha256[name]
    # Earlier versions kept every file in a folder of its own.
    earlier = f"{FILES}/{sha256}/{name.replace('/', '_')}"
    for where in dict.fromkeys((place_of(manifest, name), earlier, name)):
        try:
            content = folder.read(where)
        except FileNotFoundError:
            continue
        if files.digest(content) == sha256:
            return content
        raise BundleError(
            f"{folder}/{where} has been altered since the bundle was saved (SHA-256 differs from "
            f"the one in {MANIFEST}): put the bundle there again"
        )
    raise BundleError(f"{folder}/{name} is missing from the detector bundle: put it there again")


def _places(manifest: Manifest) -> set[str]:
    """Return all names under which a bundle's files can be in a folder."""
    return {*manifest.sha256, *(place_of(manifest, name) for name in manifest.sha256)}


def _signature_place(fingerprint: str) -> str:
    return f"{FILES}/{fingerprint}/{SIGNATURE}"


def _folder(parts: dict[str, str]) -> str:
    if len(parts) == 1:
        return f"{FILES}/{next(iter(parts.values()))}"
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(parts.items()))
    return f"{FILES}/{hashlib.sha256(lines.encode()).hexdigest()}"


def _parts(manifest: Manifest, name: str) -> dict[str, str]:
    """Return what lies together with a file, itself included, with its SHA-256."""
    part = _part_of(name)
    return {other: sha for other, sha in manifest.sha256.items() if _part_of(other) == part}
