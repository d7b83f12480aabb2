"""Writing a detector bundle: whole or not at all."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import (
    ACCURACY,
    AUTOENCODER,
    AUTOENCODERS,
    FEATURE_QUANTILES,
    MANIFEST,
    NOVELTY,
    REFERENCE,
    REFERENCE_INPUTS,
    RUNTIME_SAMPLE,
    SAMPLE,
    SIGNATURE,
    BundleError,
    Manifest,
    parse_manifest,
)
from adversarial.bundle.places import FILES, find_same, put_files, remove_earlier
from adversarial.bundle.read import Bundle, bundle_lock
from adversarial.files import (
    SCRATCH,
    make_directory,
    scratch_path,
    sha256,
    sweep,
    sync,
    sync_tree,
    write_json,
)
from adversarial.storage.folder import ChangedError, Seen
from adversarial.storage.local_folder import LocalFolder
from adversarial.storage.opening import Location, is_collapsed_url, is_url, open_folder


def autoencoder_files(n: int) -> list[str]:
    """Return the names of a bundle's `n` autoencoders: a file, or a directory of them."""
    return [AUTOENCODER] if n == 1 else [f"{AUTOENCODERS}/{j}.keras" for j in range(n)]


def write_calibration(directory: Path, calibration: Calibration) -> None:
    """Write the files of a bundle's calibration, leaving out what is None."""
    if calibration.reference is not None:
        pq.write_table(calibration.reference, directory / REFERENCE, compression="zstd")
    if calibration.accuracy_estimator is not None:
        estimator = calibration.accuracy_estimator.model_dump(mode="json")
        write_json(directory / ACCURACY, estimator)
    if calibration.feature_quantiles is not None:
        write_json(directory / FEATURE_QUANTILES, calibration.feature_quantiles)
    if calibration.reference_inputs is not None:
        inputs = calibration.reference_inputs
        pq.write_table(inputs, directory / REFERENCE_INPUTS, compression="zstd")
    if calibration.novelty is not None:
        calibration.novelty.save(directory / NOVELTY)
    if calibration.runtime_sample is not None:
        calibration.runtime_sample.save(directory / RUNTIME_SAMPLE)
    if calibration.sample is not None:
        names = [f.name for f in calibration.sample.schema if pa.types.is_string(f.type)]
        numbers = [
            f"{f.name}.list.element"
            for f in calibration.sample.schema
            if pa.types.is_fixed_size_list(f.type)
        ]
        pq.write_table(
            calibration.sample,
            directory / SAMPLE,
            compression="zstd",
            use_dictionary=names,
            use_byte_stream_split=numbers,
        )


def write_bundle(
    path: str | Path,
    fill: Callable[[Path], None],
    describe: Callable[[dict[str, str]], Manifest],
) -> None:
    """Write a bundle to the directory `path`, whole or not at all.

    A new directory is given its name once all of it is on the disk. A bundle that is already there
    is replaced once nobody is reading it (`bundle_lock`); anything else is not.

    Parameters
    ----------
    path : str or Path
        The directory.
    fill : callable
        Given a directory, writes every file but `detector.json`.
    describe : callable
        Given the SHA-256 of those files by name, returns the manifest.

    Raises
    ------
    BundleError
        If `path` exists and is not a bundle.
    """
    path = Path(path)
    check_replaceable(path)
    with _scratch(path) as made:
        fill(made)
        _put_in_place(made, path, describe(_digests(made)))


def check_replaceable(path: Path) -> None:
    """Raise BundleError if `path` is a URL, something that is no bundle, or inside a bundle."""
    if is_collapsed_url(path):
        raise BundleError(
            f"{path} is a URL, but detectors are made on disk: name a directory, and put the "
            "detector in its place with 'drift-monitor promote'"
        )
    for parent in path.resolve().parents:
        if (parent / MANIFEST).exists():
            raise BundleError(
                f"{path} lies inside the detector bundle {parent}, which may hold only its own "
                "files; name another directory"
            )
    is_bundle = (path / MANIFEST).exists()
    if path.exists() and not is_bundle and (path.is_file() or not _is_empty(path)):
        raise BundleError(
            f"{path} exists and is not a detector bundle; name another directory or remove it"
        )


def _is_empty(directory: Path) -> bool:
    """Whether there is nothing in a directory but what a killed writer of a bundle has left."""
    return all(p.name == FILES or SCRATCH.fullmatch(p.name) for p in directory.iterdir())


def rewrite_bundle(
    bundle: Bundle,
    place: Location,
    *,
    replaced: frozenset[str] = frozenset(),
    fill: Callable[[Path], None] | None = None,
    seen: Seen | None = None,
    **changes: object,
) -> None:
    """Write a bundle again, in place or elsewhere, with some files replaced and fields changed.

    A copy keeps its signature; a bundle that has changed must be signed again.

    Parameters
    ----------
    bundle : Bundle
        The bundle as it was read.
    place : str or path
        The directory or URL. If it is a symbolic link, what it leads to is replaced, not the link.
    replaced : frozenset of str
        Names of files that are not copied.
    fill : callable, optional
        Given a directory, writes the files that take their place.
    seen : Seen, optional
        What `detector.json` was there, if nothing else is to be replaced.
    **changes
        Fields of the manifest.

    Raises
    ------
    BundleError
        If a file has changed since the bundle was read, or `place` is something other than a
        bundle.
    ChangedError
        If something else is there than was `seen`, or the bundle that is to be changed in place
        has been replaced. Nothing has been changed.
    """
    signature = None if replaced or fill or changes else bundle.signature()
    kept = bundle.manifest.sha256.keys() - replaced
    path = None if is_url(place) else Path(place).resolve()
    if path == bundle.path.resolve() and seen is None:
        seen = Seen(bundle.manifest.to_json().encode(), bundle.fingerprint)
    if path is not None:
        check_replaceable(path)
    with _scratch(path) as made:
        for name in kept:
            _copy(bundle, name, made / name)
        if fill:
            fill(made)
        manifest = bundle.manifest.model_copy(update=changes | {"sha256": _digests(made)})
        if path is None:
            folder = open_folder(place)
            put_files(folder, made, manifest, signature, seen or folder.look(MANIFEST))
            remove_earlier(folder, manifest)
        else:
            _put_in_place(made, path, manifest, signature, seen)


@contextmanager
def _scratch(path: Path | None) -> Iterator[Path]:
    """Give a directory for the files of a bundle: on the file system where they are to be."""
    if path is None:
        with TemporaryDirectory(prefix="drift-monitor-") as directory:
            yield Path(directory)
        return
    make_directory(path.parent)
    scratch = scratch_path(path / FILES if path.exists() else path)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put_in_place(
    made: Path,
    path: Path,
    manifest: Manifest,
    signature: bytes | None = None,
    seen: Seen | None = None,
) -> None:
    """Make a new directory of the files, or replace the bundle in the one that is there."""
    folder = LocalFolder(path)
    if not path.exists():
        if seen is not None and seen.version is not None:
            raise ChangedError(f"{path} has been removed meanwhile: nothing has been changed")
        (made / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        if signature is not None:
            (made / SIGNATURE).write_bytes(signature)
        sync_tree(made)
        made.rename(path)
        sync(path.parent)
    else:
        with bundle_lock(path, exclusive=True):
            now = folder.look(MANIFEST)
            earlier = _parse(now.content)
            for name in find_same(path, manifest, earlier) if earlier else ():
                (made / name).unlink()
            put_files(folder, made, manifest, signature, seen or now)
            remove_earlier(folder, manifest, earlier)
    sweep(path.parent, re.compile(SCRATCH.pattern.removesuffix(".+") + re.escape(path.name)))


def _copy(bundle: Bundle, name: str, target: Path) -> None:
    source = bundle.file(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.copyfile(source, target)
    if not target.exists() or sha256(target) != bundle.manifest.sha256[name]:
        raise BundleError(
            f"{source} was replaced while the bundle was in use: nothing has been changed; run the "
            "command again"
        )


def _digests(directory: Path) -> dict[str, str]:
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): sha256(path) for path in found}


def _parse(text: bytes | None) -> Manifest | None:
    """Return the manifest of a bundle that was replaced; None if it was damaged."""
    try:
        return None if text is None else parse_manifest(text)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
