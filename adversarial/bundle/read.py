"""The detector bundle on disk: a directory of plain files, named and hashed in `detector.json`.

Reading a bundle's description and its reference window needs no TensorFlow; loading the models is
`adversarial.detector.detector`'s work.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import (
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.manifest import (
    ACCURACY,
    FEATURE_QUANTILES,
    MANIFEST,
    NOVELTY,
    REFERENCE,
    REFERENCE_INPUTS,
    RUNTIME_SAMPLE,
    SAMPLE,
    SCORING_GRAPH,
    BundleError,
    Manifest,
    parse_manifest,
)
from adversarial.bundle.places import (
    fetch_bundle,
    find_file,
    find_signature,
    find_strangers,
    is_outside,
)
from adversarial.bundle.runtime_sample import RuntimeSample
from adversarial.bundle.signature import require_signature
from adversarial.bundle.threshold import describe_threshold
from adversarial.errors import validation_reasons
from adversarial.files import digest, sha256
from adversarial.locks import lock_path
from adversarial.storage.opening import is_url, open_folder

if TYPE_CHECKING:
    from adversarial.bundle.accuracy_estimator import AccuracyEstimator
    from adversarial.support.novelty import NoveltyIndex


T = TypeVar("T")

_QUANTILES = TypeAdapter(
    dict[str, Annotated[list[FiniteFloat], Field(min_length=101, max_length=101)]]
)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were all present and unaltered when it was read; no model is loaded.

    What is read from it is kept, so that nothing is parsed twice.

    Attributes
    ----------
    path : Path
        The directory.
    manifest : Manifest
        The content of `detector.json`.
    fingerprint : str
        SHA-256 of `detector.json`, which holds those of the other files: identifies the detector.
    url : str, optional
        Where it was fetched from, if it is kept on an object store.
    """

    path: Path
    manifest: Manifest
    fingerprint: str
    url: str | None = None

    @property
    def place(self) -> str:
        """Where it is kept: its URL, or its directory."""
        return self.url or str(self.path)

    def is_in_place(self) -> bool:
        """Say whether its place still holds this detector, by its `detector.json` alone."""
        text = open_folder(self.place).look(MANIFEST).content
        return text is not None and digest(text) == self.fingerprint

    def file(self, name: str) -> Path:
        """Return where one of its files, or directories of files, is on this machine."""
        return find_file(self.path, self.manifest, name)

    def signature(self) -> bytes | None:
        """Return the signature beside its `detector.json`; None where there is none."""
        return find_signature(open_folder(self.place), self.fingerprint)

    def reference(self) -> pa.Table:
        """Return the reference window: scores and outputs of rows known to be good."""
        return self._reference

    def accuracy_estimator(self) -> "AccuracyEstimator | None":
        """Return the estimator of accuracy; None where there is none.

        Raises
        ------
        BundleError
            If it was written by a version whose files this one cannot read.
        """
        return self._accuracy_estimator

    def feature_quantiles(self) -> dict[str, list[float]] | None:
        """Return each feature's quantiles over the reference rows, by name; None if not kept.

        They are taken at `QUANTILE_PROBABILITIES`, in the units that the classifier takes.

        Raises
        ------
        BundleError
            If the file holds anything else.
        """
        return self._feature_quantiles

    def reference_inputs(self) -> pa.Table | None:
        """Return the reference rows' columns, or descriptors of images; None if not kept."""
        return self._reference_inputs

    def novelty(self) -> "NoveltyIndex | None":
        """Return the index of novelty; None if not kept.

        Raises
        ------
        BundleError
            If the file holds anything else.
        """
        return self._novelty

    def sample(self) -> pa.Table | None:
        """Return the normal and damaged rows that batches are likened to; None if not kept."""
        return self._sample

    def runtime_sample(self) -> RuntimeSample | None:
        """Return some of the reference rows with the models' outputs; None if not kept.

        Raises
        ------
        BundleError
            If the file holds anything else.
        """
        return self._runtime_sample

    def scoring_graph(self) -> Path | None:
        """Return the file of the graph from which rows can be scored; None if there is none."""
        return self.file(SCORING_GRAPH) if SCORING_GRAPH in self.manifest.sha256 else None

    def calibration(self) -> Calibration:
        """Return the threshold, the reference window and what is derived from that window.

        Errors as in `accuracy_estimator`, `feature_quantiles` and `novelty`.
        """
        return Calibration(
            threshold=self.manifest.threshold,
            fpr=self.manifest.fpr,
            reference=self.reference(),
            accuracy_estimator=self.accuracy_estimator(),
            feature_quantiles=self.feature_quantiles(),
            reference_inputs=self.reference_inputs(),
            novelty=self.novelty(),
            sample=self.sample(),
            runtime_sample=self.runtime_sample(),
            created=self.manifest.reference_created,
        )

    def describe_threshold(self) -> str:
        """Return threshold, ε_FPR and the false positive rate to expect, as one line of text."""
        scores = self.reference()["adversarial_score"].to_numpy()
        return describe_threshold(self.manifest.threshold, self.manifest.fpr, scores)

    @cached_property
    def _reference(self) -> pa.Table:
        return pq.read_table(self.file(REFERENCE))

    @cached_property
    def _accuracy_estimator(self) -> "AccuracyEstimator | None":
        if ACCURACY not in self.manifest.sha256:
            return None
        from adversarial.bundle.accuracy_estimator import (
            AccuracyEstimator,  # needs SciPy, too slow where DAG files are parsed
        )

        return self._read_json(ACCURACY, AccuracyEstimator.model_validate_json)

    @cached_property
    def _feature_quantiles(self) -> dict[str, list[float]] | None:
        if FEATURE_QUANTILES not in self.manifest.sha256:
            return None
        return self._read_json(FEATURE_QUANTILES, _QUANTILES.validate_json)

    @cached_property
    def _reference_inputs(self) -> pa.Table | None:
        if REFERENCE_INPUTS not in self.manifest.sha256:
            return None
        return pq.read_table(self.file(REFERENCE_INPUTS))

    @cached_property
    def _novelty(self) -> "NoveltyIndex | None":
        if NOVELTY not in self.manifest.sha256:
            return None
        from adversarial.support.novelty import NoveltyIndex

        return self._read_arrays(NOVELTY, NoveltyIndex.load)

    @cached_property
    def _sample(self) -> pa.Table | None:
        if SAMPLE not in self.manifest.sha256:
            return None
        return pq.read_table(self.file(SAMPLE))

    @cached_property
    def _runtime_sample(self) -> RuntimeSample | None:
        if RUNTIME_SAMPLE not in self.manifest.sha256:
            return None
        return self._read_arrays(RUNTIME_SAMPLE, RuntimeSample.load)

    def _read_arrays(self, name: str, load: Callable[[Path], T]) -> T:
        try:
            return load(self.file(name))
        except (KeyError, TypeError, ValueError, EOFError, OSError) as error:
            raise BundleError(
                f"{self.file(name)} cannot be read ({error}): it was written by another version; "
                "make it again with 'drift-monitor reference'"
            ) from None

    def _read_json(self, name: str, validate: Callable[[bytes], T]) -> T:
        try:
            return validate(self.file(name).read_bytes())
        except ValidationError as error:
            raise BundleError(
                f"{self.file(name)} cannot be read ({validation_reasons(error)}): it was written "
                "by another version; make it again with 'drift-monitor reference'"
            ) from None


def read_bundle(source: str | Path | Bundle, key: str | Path | None = None) -> Bundle:
    """Read and verify the bundle in a directory, while nobody replaces it.

    Parameters
    ----------
    source : str, Path or Bundle
        The directory or URL. A bundle that was verified before is returned as it is, unless its
        place now holds another, which is then read and verified.
    key : str or Path, optional
        File with the public key that it must be signed with (`adversarial.bundle.signature`).

    Raises
    ------
    BundleError
        If the directory is not a bundle, a file in it is missing, extra or altered, or it is not
        signed as it must be. The message names the file.
    """
    with bundle_lock(source):
        bundle = _find_bundle(source)
        if key is not None:
            require_signature(bundle, key)
        return bundle


def _find_bundle(source: str | Path | Bundle) -> Bundle:
    if isinstance(source, Bundle) and source.is_in_place():
        return source
    place = source.place if isinstance(source, Bundle) else str(source)
    if is_url(place):
        return replace(_read_bundle(fetch_bundle(place)), url=place)
    return _read_bundle(_directory(source))


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
        manifest = parse_manifest(text)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        reason = validation_reasons(error) if isinstance(error, ValidationError) else str(error)
        raise BundleError(f"{path / MANIFEST} cannot be read ({reason}); {remedy}") from None
    if manifest.to_json() != text:
        raise BundleError(
            f"{path / MANIFEST} has been altered since it was saved: its content does not match "
            f"the SHA-256 it carries; {remedy}"
        )

    files = {name: find_file(path, manifest, name) for name in sorted(manifest.sha256)}
    for name, file in files.items():
        if is_outside(name) or not file.is_file():
            raise BundleError(f"{path / name} is missing from the detector bundle; {remedy}")
    for name in find_strangers(path, manifest):
        raise BundleError(
            f"{path / name} does not belong to the detector bundle (detector.json does not list "
            "it); remove it"
        )
    for name, file in files.items():
        if sha256(file) != manifest.sha256[name]:
            raise BundleError(
                f"{file} has been altered since the bundle was saved (SHA-256 differs from "
                f"the one in detector.json); {remedy}"
            )
    return Bundle(path, manifest, digest(text.encode()))


def bundle_lock(
    source: str | Path | Bundle, *, exclusive: bool = False
) -> AbstractContextManager[None]:
    """Keep a bundle from being replaced while several of its files are read.

    Parameters
    ----------
    source : str, Path or Bundle
        The directory. Where there is none, there is nothing to wait for.
    exclusive : bool
        Wait until nobody is reading the bundle, and keep others from starting to: for
        `write_bundle`.
    """
    return lock_path(_directory(source), shared=not exclusive)


def _directory(source: str | Path | Bundle) -> Path:
    return source.path if isinstance(source, Bundle) else Path(source)
