"""`detector.json`, the manifest of a bundle, and the names of its files."""

import hashlib
import json
from typing import Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
)

from adversarial.errors import DriftMonitorError
from adversarial.files import to_json

MANIFEST = "detector.json"
SIGNATURE = "detector.json.sig"
CLASSIFIER = "classifier.keras"

SAVED_CLASSIFIER = "classifier"
"""Directory of a classifier that is a SavedModel, in place of `classifier.keras`."""

AUTOENCODER = "autoencoder.keras"
AUTOENCODERS = "autoencoders"
"""Directory of the autoencoders of an ensemble, in place of `autoencoder.keras`."""

REFERENCE = "reference.parquet"

ACCURACY = "accuracy.json"
"""The estimator of the probability that a prediction is right; not in every bundle."""

FEATURE_QUANTILES = "feature_quantiles.json"
"""Quantiles of each feature over the reference rows; flat rows only, and not in every bundle."""

REFERENCE_INPUTS = "reference_inputs.parquet"
"""Columns, or descriptors of images, of the reference rows; not in every bundle."""

NOVELTY = "novelty.npz"
"""The index of novelty, plain arrays; not in every bundle."""

SAMPLE = "calibration.parquet"
"""Normal and damaged rows that batches are likened to; not in every bundle."""

SCORING_GRAPH = "scoring_graph.xml"
SCORING_GRAPH_WEIGHTS = "scoring_graph.bin"
"""Both models as one OpenVINO graph, from which rows are scored; not in every bundle."""

RUNTIME_SAMPLE = "runtime_sample.npz"
"""Reference rows with the models' outputs, by which runtimes are judged; not in every bundle."""

SCORE_TEMPERATURES = (0.05, 20.0)
"""Lowest and highest T of the score: beyond, it says no more than which classes are the largest, or
next to nothing."""

QUANTILE_PROBABILITIES = tuple(i / 100 for i in range(101))

OutputKind = Literal["softmax", "logits", "sigmoid"]
"""A classifier's output: probabilities, unnormalised log-probabilities, or a single unit's p."""


class BundleError(DriftMonitorError):
    """A detector bundle is missing, incomplete or altered."""


class InputSpec(BaseModel):
    """What the classifier takes as one row.

    Attributes
    ----------
    shape : tuple of int
        Shape of one row: (height, width, channels) of an image, or (features,).
    value_range : (float, float)
        The values that the bytes 0 and 255 of an image file or of an unsigned 8-bit tensor stand
        for; those in between are interpolated linearly. Floating-point rows are taken as they are.
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
        What the SavedModel in `classifier/` outputs; absent where the classifier is a `.keras`
        file, which outputs probabilities.
    ensemble_weights : tuple of float
        w_j of Eq. 10 and 11, one per autoencoder; the rest up to 1 is the classifier's own vote.
    score_temperature : float
        T at which the score compares M(x) and M(AE(x)), 0.05 to 20; 1, the paper's, is not in the
        file.
    training : dict
        Summary of the training run: rows, epochs, seed, losses.
    reference_created : datetime, optional
        When the reference window was scored, UTC; unknown for older bundles.
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
    # Left out of the file when None: older bundles, written without it, keep their SHA-256.
    classifier_output: OutputKind | None = Field(default=None, exclude_if=lambda kind: kind is None)
    ensemble_weights: tuple[float, ...] = Field((1.0,), min_length=1)
    score_temperature: float = Field(
        default=1.0,
        ge=SCORE_TEMPERATURES[0],
        le=SCORE_TEMPERATURES[1],
        exclude_if=lambda temperature: temperature == 1,
    )
    training: dict[str, Any] = {}
    reference_created: AwareDatetime | None = Field(
        default=None, exclude_if=lambda created: created is None
    )
    sha256: dict[str, str]

    def to_json(self) -> str:
        """Return the text of `detector.json`, its own SHA-256 in the last field."""
        body = self.model_dump(mode="json")
        digest = hashlib.sha256(to_json(body).encode()).hexdigest()
        return to_json(body | {"manifest_sha256": digest})


def parse_manifest(text: bytes | str) -> Manifest:
    """Return the content of `detector.json`.

    Raises
    ------
    ValueError, TypeError, AttributeError
        If it is no manifest.
    """
    fields = json.loads(text)
    fields.pop("manifest_sha256", None)
    return Manifest.model_validate(fields)
