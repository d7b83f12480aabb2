"""The rows with the highest scores as a reader sees them: pictures or fields, and probabilities."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from adversarial.bundle.manifest import InputSpec
from drift_monitor.results.report_findings import (
    ClassProbability,
    Example,
    FeatureValue,
    RenderedExample,
)
from drift_monitor.results.score_columns import FILE_AND_ROW, ScoreColumn
from drift_monitor.scoring.diverse_examples import ScoredExample
from drift_monitor.scoring.normal_rows import nearest_normal_row

if TYPE_CHECKING:
    from adversarial.detector.scorer import Scorer

THUMBNAIL_PIXELS = 128
FEATURES_SHOWN = 8
CLASSES_SHOWN = 3
"""How many of the likeliest classes of M(x), and of M(AE(x)), are shown."""


def render_examples(detector: "Scorer", examples: Sequence[ScoredExample]) -> list[RenderedExample]:
    """Return position, pictures or fields, and probabilities of rows, highest score first.

    Parameters
    ----------
    detector : Scorer
        Reconstructs them; its calibration says what is normal.
    examples : sequence of ScoredExample
        The rows.
    """
    if not examples:
        return []
    worst = sorted(examples, reverse=True)
    x = np.stack([example.x for example in worst])
    reconstructions = detector.reconstruct(x)
    own, rebuilt = detector.probabilities(x)
    spec = detector.input_spec
    # Fields have units of their own, so a change is measured by its field's spread.
    spread = np.sqrt((x.var(axis=0) + reconstructions.var(axis=0)) / 2)
    moves = np.abs(reconstructions - x) / np.where(spread > 0, spread, 1)
    is_image = x[0].ndim == 3 and x[0].shape[2] in (1, 3, 4)
    calibration = detector.calibration
    normal = [
        nearest_normal_row(row, int(probabilities.argmax()), calibration.runtime_sample)
        for row, probabilities in zip(x, own, strict=True)
    ]
    return [
        RenderedExample(
            position=-example.position,
            image=_data_url(x[i], spec) if is_image else None,
            reconstruction=_data_url(reconstructions[i], spec) if is_image else None,
            normal=_data_url(beside, spec) if is_image and beside is not None else None,
            probabilities=_likeliest(own[i], rebuilt[i], detector.class_names),
            values=(
                _fields(
                    x[i], reconstructions[i], moves[i], beside, spec, calibration.feature_quantiles
                )
                if x[i].ndim == 1
                else []
            ),
        )
        for i, (example, beside) in enumerate(zip(worst, normal, strict=True))
    ]


def join_scores(rendered: Sequence[RenderedExample], scores: pa.Table) -> list[Example]:
    """Join rendered rows with their scores.

    Parameters
    ----------
    rendered : sequence of RenderedExample
        From `render_examples`, or from an earlier report.
    scores : pyarrow.Table
        The content of `scores.parquet`.
    """
    return [_example(shown, scores) for shown in rendered]


def _example(shown: RenderedExample, scores: pa.Table) -> Example:
    row = scores.slice(shown.position, 1).to_pylist()[0]
    identity = (ScoreColumn.ROW_ID,) if ScoreColumn.ROW_ID in row else FILE_AND_ROW
    return Example(
        position=shown.position,
        image=shown.image,
        reconstruction=shown.reconstruction,
        normal=shown.normal,
        probabilities=shown.probabilities,
        values=shown.values,
        row={name.value: "(missing)" if row[name] is None else row[name] for name in identity},
        prediction=row[ScoreColumn.PREDICTION],
        reconstruction_prediction=row[ScoreColumn.RECONSTRUCTION_PREDICTION],
        corrected_prediction=row[ScoreColumn.CORRECTED_PREDICTION],
        confidence=row[ScoreColumn.CONFIDENCE],
        adversarial_score=row[ScoreColumn.SCORE],
        flagged=row[ScoreColumn.FLAGGED],
        probability_correct=row.get(ScoreColumn.PROBABILITY_CORRECT),
        outcome=row[ScoreColumn.OUTCOME],
        label=row.get(ScoreColumn.LABEL),
    )


def _likeliest(
    own: NDArray[np.float32], rebuilt: NDArray[np.float32], names: Sequence[str]
) -> list[ClassProbability]:
    shown = dict.fromkeys(
        int(i) for side in (own, rebuilt) for i in np.argsort(-side, kind="stable")[:CLASSES_SHOWN]
    )
    return [
        ClassProbability(name=names[i], probability=float(own[i]), reconstruction=float(rebuilt[i]))
        for i in sorted(shown, key=lambda i: (-max(own[i], rebuilt[i]), i))
    ]


def _fields(
    row: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    moves: NDArray[np.float32],
    normal: NDArray[np.float32] | None,
    spec: InputSpec,
    feature_quantiles: Mapping[str, Sequence[float]] | None,
) -> list[FeatureValue]:
    """Return the fields farthest from the reference's median, or moved most by AE."""
    names = spec.feature_names or tuple(map(str, range(len(row))))
    quantile = np.full(len(row), np.nan)
    median = np.full(len(row), np.nan)
    distance = moves.astype(np.float64)
    if feature_quantiles:
        for i, name in enumerate(names):
            known = np.asarray(feature_quantiles[name])
            quantile[i] = _share_at_or_below(known, float(row[i]))
            median[i] = np.interp(0.5, np.linspace(0, 1, len(known)), known)
            # Beyond all rows of the reference, the quantile no longer changes, so add the distance.
            scale = (known[-1] - known[0]) or 1.0
            beyond = max(0.0, known[0] - row[i], row[i] - known[-1]) / scale
            distance[i] = abs(quantile[i] - 0.5) + beyond
    farthest = np.argsort(-distance, kind="stable")[:FEATURES_SHOWN]
    return [
        FeatureValue(
            name=names[i],
            value=float(row[i]),
            reconstruction=float(reconstruction[i]),
            normal=None if normal is None else float(normal[i]),
            reference_median=float(median[i]) if feature_quantiles else None,
            reference_quantile=float(quantile[i]) if feature_quantiles else None,
        )
        for i in farthest
    ]


def _share_at_or_below(quantiles: NDArray[np.float64], value: float) -> float:
    """Read a distribution function from evenly spaced quantiles; where they tie, the middle."""
    first = np.searchsorted(quantiles, value, side="left")
    last = np.searchsorted(quantiles, value, side="right")
    if first < last:  # equal to one or more of them
        return float((first + last - 1) / 2 / (len(quantiles) - 1))
    return float(np.interp(value, quantiles, np.linspace(0, 1, len(quantiles))))


def _data_url(image: NDArray[np.float32], spec: InputSpec) -> str:
    low, high = spec.value_range
    pixels = np.clip((image - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
