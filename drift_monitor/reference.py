"""The reference window in a detector bundle: scored once, thresholded as often as wanted."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from adversarial.bundle import REFERENCE, BundleError, Manifest, read_bundle, write_bundle
from adversarial.threshold import apply_threshold, threshold_from_scores
from drift_monitor.batches import Chunk
from drift_monitor.config import DataConfig
from drift_monitor.scoring import score_chunk

if TYPE_CHECKING:
    from adversarial.detector import AdversarialDetector

IDENTITY = ("file", "row", "row_id", "timestamp")
"""Columns of a score table that say which row it is; nothing asks that of a reference row."""


def score_reference(
    detector: "AdversarialDetector", chunks: Sequence[Chunk], data: DataConfig
) -> pa.Table:
    """Return the reference window: the score table of its rows without their identity.

    Parameters
    ----------
    detector : AdversarialDetector
        Its threshold decides `flagged` and `corrected_prediction`.
    chunks : sequence of Chunk
        The rows, known to be good.
    data : DataConfig
        What their columns mean.
    """
    table = pa.concat_tables([score_chunk(detector, chunk, data) for chunk in chunks])
    return table.drop_columns([name for name in IDENTITY if name in table.column_names])


def rethreshold(path: Path, fpr: float, output: Path | None = None) -> Path:
    """Give a detector bundle the threshold of another ε_FPR. The models are copied, not loaded.

    Parameters
    ----------
    path : Path
        The bundle.
    fpr : float
        ε_FPR: the share of the bundle's reference window to flag.
    output : Path, optional
        Directory of the new bundle; `path` itself, which is replaced whole or not at all, when not
        given.

    Returns
    -------
    Path
        The new bundle.

    Raises
    ------
    BundleError
        If the bundle is missing, altered or from before reference windows could be given another
        threshold, or `output` is something else than a bundle.
    ModelError
        If the reference window has too few rows for `fpr`.
    """
    bundle = read_bundle(path)
    window = bundle.reference()
    if "reconstruction_prediction" not in window.column_names:
        raise BundleError(
            f"{path / REFERENCE} has no column 'reconstruction_prediction', without which rows "
            "that were not flagged cannot be now: the bundle is of an older version; make it again "
            "with 'drift-monitor fit'"
        )
    threshold = threshold_from_scores(window["adversarial_score"].to_numpy(), fpr)
    window = apply_threshold(window, threshold)

    def fill(directory: Path) -> None:
        for name in bundle.manifest.sha256.keys() - {REFERENCE}:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, directory / name)
        pq.write_table(window, directory / REFERENCE, compression="zstd")

    def describe(sha256: dict[str, str]) -> Manifest:
        changes = {"threshold": threshold, "fpr": fpr, "sha256": sha256}
        return bundle.manifest.model_copy(update=changes)

    # Resolved, so that what a symbolic link points to is replaced, and not the link.
    target = (output or path).resolve()
    write_bundle(target, fill, describe)
    return output or path
