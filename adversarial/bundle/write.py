"""Writing a detector bundle: whole or not at all."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import (
    ACCURACY,
    AUTOENCODER,
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
)
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
from adversarial.locks import exchange_directories
from adversarial.storage.opening import is_collapsed_url


def autoencoder_files(n: int) -> list[str]:
    """Return the names of a bundle's `n` autoencoders: a file, or a directory of them."""
    return [AUTOENCODER] if n == 1 else [f"autoencoders/{j}.keras" for j in range(n)]


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
    signature: bytes | None = None,
) -> None:
    """Write a bundle to the directory `path`, whole or not at all.

    The files are written to a directory beside it, which is renamed once all of it is on the disk.
    A bundle that is already there is replaced once nobody is reading it (`bundle_lock`); anything
    else is not.

    Parameters
    ----------
    path : str or Path
        The directory to make.
    fill : callable
        Given a directory, writes every file but `detector.json`.
    describe : callable
        Given the SHA-256 of those files by name, returns the manifest.
    signature : bytes, optional
        Signature of that manifest.

    Raises
    ------
    BundleError
        If `path` exists and is not a bundle.
    """
    path = Path(path)
    check_replaceable(path)
    make_directory(path.parent)
    scratch = scratch_path(path)
    made, old = scratch / "new", scratch / "old"
    made.mkdir(parents=True)
    try:
        fill(made)
        files = sorted(p for p in made.rglob("*") if p.is_file())
        manifest = describe({p.relative_to(made).as_posix(): sha256(p) for p in files})
        (made / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        if signature is not None:
            (made / SIGNATURE).write_bytes(signature)
        sync_tree(made)
        with bundle_lock(path, exclusive=True):
            if not path.exists():
                made.rename(path)
            elif not exchange_directories(made, path):
                path.rename(old)
                made.rename(path)
            sync(path.parent)
    finally:
        if not path.exists() and old.exists():
            old.rename(path)
        shutil.rmtree(scratch)
    sweep(path.parent, re.compile(SCRATCH.pattern.removesuffix(".+") + re.escape(path.name)))


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
    if path.exists() and not (path / MANIFEST).exists() and (path.is_file() or any(path.iterdir())):
        raise BundleError(
            f"{path} exists and is not a detector bundle; name another directory or remove it"
        )


def rewrite_bundle(
    bundle: Bundle,
    path: str | Path,
    *,
    replaced: frozenset[str] = frozenset(),
    fill: Callable[[Path], None] | None = None,
    **changes: object,
) -> None:
    """Write a bundle again, in place or elsewhere, with some files replaced and fields changed.

    A copy keeps its signature; a bundle that has changed must be signed again.

    Parameters
    ----------
    bundle : Bundle
        The bundle as it was read.
    path : str or Path
        The directory to make. If it is a symbolic link, its target is replaced, not the link.
    replaced : frozenset of str
        Names of files that are not copied.
    fill : callable, optional
        Given a directory, writes the files that take their place.
    **changes
        Fields of the manifest.

    Raises
    ------
    BundleError
        If a copied file has changed since the bundle was read, or `path` is something other than a
        bundle.
    """
    kept = {name: sha for name, sha in bundle.manifest.sha256.items() if name not in replaced}

    def copy_and_fill(directory: Path) -> None:
        for name in kept:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, directory / name)
        if fill:
            fill(directory)

    def describe(digests: dict[str, str]) -> Manifest:
        for name, expected in kept.items():
            if digests[name] != expected:
                raise BundleError(
                    f"{bundle.path / name} was replaced while the bundle was in use: nothing has "
                    "been changed; run the command again"
                )
        return bundle.manifest.model_copy(update=changes | {"sha256": digests})

    is_copy = not (replaced or fill or changes)
    signature = bundle.signature() if is_copy else None
    write_bundle(Path(path).resolve(), copy_and_fill, describe, signature)
