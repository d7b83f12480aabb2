"""The detector bundle on disk: a directory of plain files, named and hashed in `detector.json`.

Reading a bundle's description and its reference window needs no TensorFlow; loading the models is
`adversarial.detector.detector`'s work.
"""

import ctypes
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import (
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)

from adversarial.bundle.manifest import (
    ACCURACY,
    FEATURE_QUANTILES,
    MANIFEST,
    REFERENCE,
    BundleError,
    Manifest,
    _reasons,
)
from adversarial.bundle.threshold import describe_threshold

if TYPE_CHECKING:
    from adversarial.bundle.accuracy_map import AccuracyMap


_QUANTILES = TypeAdapter(
    dict[str, Annotated[list[FiniteFloat], Field(min_length=101, max_length=101)]]
)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all present and unaltered; its models are not loaded.

    Attributes
    ----------
    path : Path
        The directory.
    manifest : Manifest
        The content of `detector.json`.
    fingerprint : str
        SHA-256 of `detector.json`, which holds those of the other files: names the detector.
    """

    path: Path
    manifest: Manifest
    fingerprint: str

    def reference(self) -> pa.Table:
        """Return the reference window: scores and outputs of rows known to be good."""
        return pq.read_table(self.path / REFERENCE)

    def accuracy_map(self) -> "AccuracyMap | None":
        """Return the map to the probability that a prediction is right; None where there is none.

        Raises
        ------
        BundleError
            If it is of a version that this one cannot read.
        """
        if ACCURACY not in self.manifest.sha256:
            return None
        from adversarial.bundle.accuracy_map import AccuracyMap  # needs SciPy; DAG files are parsed

        try:
            return AccuracyMap.model_validate_json((self.path / ACCURACY).read_bytes())
        except ValidationError as error:
            raise BundleError(
                f"{self.path / ACCURACY} cannot be read ({_reasons(error)}): it was written by "
                "another version; make it again with 'drift-monitor reference'"
            ) from None

    def feature_quantiles(self) -> dict[str, list[float]] | None:
        """Return each feature's quantiles over the reference rows, by name; None if not kept.

        Those at `QUANTILE_PROBABILITIES`, in the units the classifier takes.

        Raises
        ------
        BundleError
            If the file holds anything else.
        """
        if FEATURE_QUANTILES not in self.manifest.sha256:
            return None
        try:
            return _QUANTILES.validate_json((self.path / FEATURE_QUANTILES).read_bytes())
        except ValidationError as error:
            raise BundleError(
                f"{self.path / FEATURE_QUANTILES} cannot be read ({_reasons(error)}): it was "
                "written by another version; make it again with 'drift-monitor reference'"
            ) from None

    def describe_threshold(self) -> str:
        """Return threshold, ε_FPR and the false positive rate to expect, as one line of text."""
        scores = self.reference()["adversarial_score"].to_numpy()
        return describe_threshold(self.manifest.threshold, self.manifest.fpr, scores)


def read_bundle(path: str | Path) -> Bundle:
    """Read and verify the bundle in the directory `path`, while nobody replaces it.

    Raises
    ------
    BundleError
        If the directory is not a bundle, or a file in it is missing, extra or altered. The message
        names the file.
    """
    with hold(path):
        return _read_bundle(Path(path))


def _read_bundle(path: Path) -> Bundle:
    remedy = (
        "restore the bundle from where it was saved, or train it again with 'drift-monitor fit'"
    )
    try:
        text = (path / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        what = "is not a detector bundle: it has no detector.json" if path.is_dir() else "not found"
        raise BundleError(f"detector bundle {path} {what}; {remedy}") from None
    except UnicodeDecodeError:
        raise BundleError(f"{path / MANIFEST} has been altered (not UTF-8); {remedy}") from None
    try:
        fields = json.loads(text)
        fields.pop("manifest_sha256", None)
        manifest = Manifest.model_validate(fields)
    except (json.JSONDecodeError, AttributeError, TypeError, ValidationError) as error:
        reason = _reasons(error) if isinstance(error, ValidationError) else str(error)
        raise BundleError(f"{path / MANIFEST} cannot be read ({reason}); {remedy}") from None
    if manifest.to_json() != text:
        raise BundleError(
            f"{path / MANIFEST} has been altered since it was saved: its content does not match "
            f"the SHA-256 it carries; {remedy}"
        )

    present = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - {MANIFEST}
    for name in sorted(manifest.sha256.keys() - present):
        raise BundleError(f"{path / name} is missing from the detector bundle; {remedy}")
    for name in sorted(present - manifest.sha256.keys()):
        raise BundleError(
            f"{path / name} does not belong to the detector bundle (detector.json does not list "
            "it); remove it"
        )
    for name, expected in sorted(manifest.sha256.items()):
        if _sha256(path / name) != expected:
            raise BundleError(
                f"{path / name} has been altered since the bundle was saved (SHA-256 differs from "
                f"the one in detector.json); {remedy}"
            )
    return Bundle(path, manifest, hashlib.sha256(text.encode()).hexdigest())


@contextmanager
def hold(path: str | Path, *, exclusive: bool = False) -> Iterator[None]:
    """Keep the bundle at `path` from being replaced while several of its files are read.

    Parameters
    ----------
    path : str or Path
        The directory. Where there is none, there is nothing to wait for.
    exclusive : bool
        Wait until nobody reads the bundle, and let nobody begin to: for `write_bundle`.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield
            return
        try:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            # Whoever had to wait may by now hold what the path no longer leads to.
            if Path(path).exists() and os.path.samestat(os.fstat(descriptor), Path(path).stat()):
                yield
                return
        finally:
            os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Let two directories change places in one step, so that no kill leaves neither in its place.

    Returns False where the system or its file system cannot.
    """
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    return renameat2 is not None and not renameat2(
        here, os.fsencode(one), here, os.fsencode(other), exchange
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
