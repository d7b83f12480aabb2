"""The detector bundle on disk: a directory of plain files, named and hashed in `detector.json`.

Reading a bundle's description and its reference window needs no TensorFlow; loading the models is
`adversarial.detector`'s work.
"""

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)

from adversarial.errors import DriftMonitorError
from adversarial.threshold import describe_threshold

if TYPE_CHECKING:
    from adversarial.accuracy_map import AccuracyMap

MANIFEST = "detector.json"
CLASSIFIER = "classifier.keras"
SAVED_CLASSIFIER = "classifier"
"""Directory of a classifier that is a SavedModel, in place of `classifier.keras`."""
AUTOENCODER = "autoencoder.keras"
REFERENCE = "reference.parquet"
ACCURACY = "accuracy.json"
"""The map from outputs to the probability that a prediction is right; not in every bundle."""
FEATURE_QUANTILES = "feature_quantiles.json"
"""Quantiles of each feature over the reference rows; only of flat rows, not in every bundle."""
QUANTILE_PROBABILITIES = tuple(i / 100 for i in range(101))

OutputKind = Literal["softmax", "logits", "sigmoid"]
"""What a classifier gives: probabilities, unnormalised log-probabilities, or a single unit's p."""


_QUANTILES = TypeAdapter(
    dict[str, Annotated[list[FiniteFloat], Field(min_length=101, max_length=101)]]
)


class BundleError(DriftMonitorError):
    """A detector bundle is missing, incomplete or altered."""


class InputSpec(BaseModel):
    """What one row is to the classifier.

    Attributes
    ----------
    shape : tuple of int
        Shape of one row: (height, width, channels) of an image, or (features,).
    value_range : (float, float)
        The values that the bytes 0 and 255 of an image file or of an unsigned 8-bit tensor stand
        for; those between are linear. Floating-point rows are taken as they are.
    feature_names : tuple of str, optional
        Names of the columns of a flat row, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, ...] = Field(min_length=1)
    value_range: tuple[float, float] = (0.0, 1.0)
    feature_names: tuple[str, ...] | None = None


class Manifest(BaseModel):
    """The content of `detector.json`.

    Attributes
    ----------
    threshold : float
        t: a row is flagged where its score is above it. In nats.
    fpr : float
        ε_FPR, the share of normal rows that the threshold was chosen to flag.
    temperature : float
        T of the training target (Eq. 9).
    classifier_output : {"softmax", "logits", "sigmoid"}, optional
        What the SavedModel in `classifier/` gives; not there where the classifier is a `.keras`
        file, which ends in probabilities.
    ensemble_weights : tuple of float
        w_j of Eq. 10 and 11, one per autoencoder; the classifier's own vote has the rest to 1.
    training : dict
        Summary of the training run: rows, epochs, seed, losses.
    reference_created : datetime, optional
        When the reference window was scored, UTC; not known of older bundles.
    sha256 : dict of str to str
        SHA-256 of every other file of the bundle, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1"] = "1"
    class_names: tuple[str, ...] = Field(min_length=2)
    input: InputSpec
    threshold: float = Field(ge=0, allow_inf_nan=False)
    fpr: float = Field(gt=0, lt=1)
    temperature: float = Field(gt=0)
    # Left out of the file where there is none: older bundles' own SHA-256 holds without it.
    classifier_output: OutputKind | None = Field(default=None, exclude_if=lambda kind: kind is None)
    ensemble_weights: tuple[float, ...] = Field((1.0,), min_length=1)
    training: dict[str, Any] = {}
    reference_created: AwareDatetime | None = Field(
        default=None, exclude_if=lambda created: created is None
    )
    sha256: dict[str, str]

    def to_json(self) -> str:
        """Return the text of `detector.json`, its own SHA-256 in the last field."""
        body = self.model_dump(mode="json")
        digest = hashlib.sha256(_dumps(body).encode()).hexdigest()
        return _dumps(body | {"manifest_sha256": digest})


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
        from adversarial.accuracy_map import AccuracyMap  # needs SciPy; DAG files are parsed

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


def _exchange(one: Path, other: Path) -> bool:
    """Let two directories change places in one step, so that no kill leaves neither in its place.

    Returns False where the system or its file system cannot.
    """
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    return renameat2 is not None and not renameat2(
        here, os.fsencode(one), here, os.fsencode(other), exchange
    )


def _reasons(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


def _dumps(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
