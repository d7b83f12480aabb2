"""What a change of runtime does to a detector: measured on a sample of reference rows, and bounded.

Reference windows were scored by TensorFlow in float32. A batch is scored by whatever is fastest
where the job runs; this says by how much its scores may differ for that reason alone.
"""

from __future__ import annotations

import numpy as np

from adversarial.bundle.read import Bundle
from adversarial.bundle.runtime_sample import RuntimeSample, draw_rows
from adversarial.detector.scorer import Prediction, Scorer, interpret
from adversarial.runtimes.guard_figures import GuardFigures, rounded
from adversarial.runtimes.runtime import Outputs, Runtime
from adversarial.statistics import ks_distance


def take_sample(scorer: Scorer, x: np.ndarray) -> RuntimeSample:
    """Return a sample of reference rows, (n, *input_shape), with the outputs of a scorer for it."""
    rows = draw_rows(x)
    return RuntimeSample(rows, *scorer.outputs(rows))


def measure(runtime: Runtime, sample: RuntimeSample, bundle: Bundle) -> GuardFigures:
    """Return by how much a runtime's results differ from those kept with a bundle.

    Parameters
    ----------
    runtime : Runtime
        Scores the sample's rows.
    sample : RuntimeSample
        Rows, and the outputs that are right by definition.
    bundle : Bundle
        Gives weights, threshold, the score's temperature and the index of novelty.
    """
    manifest = bundle.manifest
    expected_outputs = Outputs(
        sample.probabilities, sample.reconstruction_probabilities, sample.features
    )
    found, expected = (
        interpret(
            outputs,
            manifest.ensemble_weights,
            manifest.threshold,
            manifest.score_temperature,
        )
        for outputs in (runtime(sample.x), expected_outputs)
    )
    change = np.abs(found.score - expected.score)
    return GuardFigures(
        rows=len(sample.x),
        largest_score_change=rounded(change.max()),
        mean_score_change=rounded(change.mean()),
        score_distance=rounded(ks_distance(found.score, expected.score)),
        changed_predictions=_share(found.prediction != expected.prediction),
        changed_flags=_share(found.flagged != expected.flagged),
        changed_reconstruction_predictions=_share(
            found.reconstruction_prediction != expected.reconstruction_prediction
        ),
        changed_novel=_share(_novel(found, sample, bundle) != _novel(expected, sample, bundle)),
    )


def _novel(prediction: Prediction, sample: RuntimeSample, bundle: Bundle) -> np.ndarray:
    """Return which rows are novel; none where the bundle has no index."""
    index = bundle.novelty()
    if index is None:
        return np.zeros(len(sample.x), bool)
    return np.asarray(index.novelty(index.description(sample.x, prediction.features)) > 1)


def _share(changed: np.ndarray) -> float:
    return rounded(np.mean(changed))
