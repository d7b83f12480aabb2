"""Bundles on disk cost hours, so those that an earlier version wrote stay readable."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, read_bundle

DIRECTORY = Path(__file__).parents[2] / "data" / "earlier_bundles"

# Both versions compute in float32, and CPUs differ in the order in which they add: the
# probabilities agree to about 3e-7 of themselves, and the divergence of two of them, which is taken
# in float64, to about 1e-6 nats.
RTOL, ATOL = 1e-5, 2e-6


@pytest.mark.parametrize("name", ["single", "ensemble"])
def test_an_earlier_bundle_says_of_every_row_what_it_said_then(name: str) -> None:
    expected = pq.read_table(DIRECTORY / f"{name}.scores.parquet")
    rows = np.array(expected["row"].to_pylist(), np.float32)
    bundle = read_bundle(DIRECTORY / name)
    detector = AdversarialDetector.load(DIRECTORY / name)
    prediction = detector.predict(rows)
    found = prediction.to_table(detector.class_names)
    # What is defended_prediction now stood in score tables as corrected_prediction.
    defended = np.array(detector.class_names)[prediction.defended_prediction]
    found = found.append_column("corrected_prediction", [defended])
    estimator = bundle.accuracy_estimator()
    assert (estimator is not None) == (name == "single")
    if estimator:
        for column, values in zip(
            ("probability_correct", "reconstruction_probability_correct"),
            estimator.predict(found),
            strict=True,
        ):
            found = found.append_column(column, [values])

    assert set(expected.column_names) == {*found.column_names, "row"}
    assert set(expected["flagged"].to_pylist()) == {True, False}
    assert expected["corrected_prediction"] != expected["prediction"]
    for column in found.column_names:
        values = expected[column].to_numpy()
        if np.issubdtype(values.dtype, np.floating):
            np.testing.assert_allclose(found[column].to_numpy(), values, RTOL, ATOL)
        else:
            np.testing.assert_array_equal(found[column].to_numpy(), values)


def test_an_earlier_bundle_keeps_what_else_it_knew() -> None:
    single, ensemble = (read_bundle(DIRECTORY / name) for name in ("single", "ensemble"))
    for bundle, weights in ((single, (1.0,)), (ensemble, (0.5, 0.3))):
        assert bundle.manifest.ensemble_weights == weights
        assert bundle.manifest.fpr == 0.2
        assert bundle.manifest.reference_created is not None
        assert bundle.manifest.training["precision" if bundle is single else "runs"]
        assert bundle.manifest.input.feature_names == ("length", "width")
        quantiles = bundle.feature_quantiles()
        assert quantiles is not None
        assert list(quantiles) == ["length", "width"]
        window = bundle.reference()
        assert len(window) == 80
        flagged = window["adversarial_score"].to_numpy() > bundle.manifest.threshold
        np.testing.assert_array_equal(window["flagged"].to_numpy(), flagged)
        assert flagged.mean() == pytest.approx(0.2)
