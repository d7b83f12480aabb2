"""Writing a detector bundle: whole or not at all."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle.manifest import (
    ACCURACY,
    AUTOENCODER,
    FEATURE_QUANTILES,
    MANIFEST,
    REFERENCE,
    BundleError,
    Manifest,
    _dumps,
)

if TYPE_CHECKING:
    from adversarial.bundle.accuracy_map import AccuracyMap
from adversarial.bundle.read import _exchange, _sha256, hold


def autoencoder_files(n: int) -> list[str]:
    """Return the names of a bundle's `n` autoencoders: a file, or a directory of them."""
    return [AUTOENCODER] if n == 1 else [f"autoencoders/{j}.keras" for j in range(n)]


def write_reference(
    directory: Path,
    window: pa.Table,
    accuracy_map: "AccuracyMap | None",
    feature_quantiles: dict[str, list[float]] | None,
) -> None:
    """Write the files of a bundle that describe its reference window, but for what is None."""
    pq.write_table(window, directory / REFERENCE, compression="zstd")
    if accuracy_map is not None:
        text = _dumps(accuracy_map.model_dump(mode="json"))
        (directory / ACCURACY).write_text(text, encoding="utf-8")
    if feature_quantiles is not None:
        (directory / FEATURE_QUANTILES).write_text(_dumps(feature_quantiles), encoding="utf-8")


def write_bundle(
    path: str | Path, fill: Callable[[Path], None], describe: Callable[[dict[str, str]], Manifest]
) -> None:
    """Write a bundle to the directory `path`, whole or not at all.

    The files are written to a directory beside it, which is then renamed. A bundle that is already
    there is replaced, once nobody reads it (`hold`); anything else is not.

    Parameters
    ----------
    path : str or Path
        The directory to make.
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
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        made = scratch / "new"
        made.mkdir()
        fill(made)
        files = sorted(p for p in made.rglob("*") if p.is_file())
        manifest = describe({p.relative_to(made).as_posix(): _sha256(p) for p in files})
        (made / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        with hold(path, exclusive=True):
            if not path.exists():
                made.rename(path)
            elif not _exchange(made, path):
                path.rename(scratch / "old")
                made.rename(path)
    finally:
        if not path.exists() and (scratch / "old").exists():
            (scratch / "old").rename(path)
        shutil.rmtree(scratch)


def check_replaceable(path: Path) -> None:
    """Raise BundleError if `path` holds something that is not a bundle, or lies inside a bundle."""
    for parent in path.resolve().parents:
        if (parent / MANIFEST).exists():
            raise BundleError(
                f"{path} lies inside the detector bundle {parent}, which may hold its own files "
                "only; name another directory"
            )
    if path.exists() and not (path / MANIFEST).exists() and (path.is_file() or any(path.iterdir())):
        raise BundleError(
            f"{path} exists and is not a detector bundle; name another directory or remove it"
        )
