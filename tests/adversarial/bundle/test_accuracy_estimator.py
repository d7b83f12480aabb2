"""The accuracy estimator on rows whose true probabilities are known."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from adversarial.bundle.accuracy_estimator import ATTACKS, MIN_ROWS, AccuracyEstimator
from adversarial.errors import ModelError

CLASSES = ("cat", "dog", "owl")


def scored(
    n: int, seed: int, *, harder: float = 0.0, family: str | None = None, severity: float = 1.0
) -> tuple[pa.Table, NDArray[np.float64], NDArray[np.float64]]:
    """Return n rows with labels, drawn by the probabilities that are returned beside them.

    The prediction's log-odds of being right follow the confidence, less so for owls and where M(x)
    and M(AE(x)) differ; `harder` lowers the confidences and raises the scores.
    """
    rng = np.random.default_rng(seed)
    confidence = expit(rng.normal(2.5 - harder, 1.5, n))
    score = np.exp(rng.normal(-3 + harder, 1, n))
    prediction = rng.integers(0, 3, n)
    differ = rng.random(n) < 0.1 + 0.1 * harder
    reconstruction = np.where(differ, (prediction + 1) % 3, prediction)
    other = expit(rng.normal(2, 1, n))
    odds = 0.5 + 0.8 * logit(confidence) - 0.6 * (prediction == 2)
    right = expit(np.where(differ, odds - 2, odds))
    corrected = np.where(differ, (1 - right) * 0.8, right)
    drawn = rng.random(n)
    third = (reconstruction + 1) % 3
    other_class = np.where(differ, third, (prediction + 1) % 3)
    label = np.where(
        drawn < right,
        prediction,
        np.where(differ & (drawn < right + corrected), reconstruction, other_class),
    )
    names = pa.array(CLASSES)
    table = pa.table(
        {
            "adversarial_score": score,
            "confidence": confidence.astype(np.float32),
            "entropy": rng.random(n),
            "prediction": names.take(pa.array(prediction)),
            "reconstruction_prediction": names.take(pa.array(reconstruction)),
            "reconstruction_confidence": other.astype(np.float32),
            "label": names.take(pa.array(label)),
        }
    )
    if family is not None:
        table = table.append_column("family", pa.repeat(family, n))
        table = table.append_column("severity", pa.repeat(severity, n))
    return table, right, corrected


def accuracy(table: pa.Table) -> float:
    return float(np.mean(np.asarray(table["prediction"]) == np.asarray(table["label"])))


def changed(n: int) -> pa.Table:
    return pa.concat_tables(
        [
            scored(n, 10 + number, harder=harder, family=family, severity=harder)[0]
            for number, (family, harder) in enumerate(
                [("blur", 1.0), ("blur", 2.0), ("noise", 1.0), ("noise", 2.0), (ATTACKS[0], 2.0)]
            )
        ]
    )


@pytest.fixture(scope="module")
def fitted() -> AccuracyEstimator:
    return AccuracyEstimator.fit(scored(4000, 0)[0], changed(3000), CLASSES)


def test_known_probabilities_are_recovered(fitted: AccuracyEstimator) -> None:
    for harder in (0.0, 1.5):
        table, right, corrected = scored(4000, 77, harder=harder)
        p, q = fitted.predict(table)
        assert np.abs(p - right).mean() < 0.02
        assert np.abs(q - corrected).mean() < 0.03
        assert abs(p.mean() - right.mean()) < 0.01


def test_the_mean_estimate_of_the_normal_rows_is_their_accuracy() -> None:
    clean = scored(2000, 3)[0]
    # Changed rows on which everything is wrong would pull the estimate down.
    wrong = changed(500)
    label = pa.array(
        ["owl" if name != "owl" else "cat" for name in wrong["prediction"].to_pylist()]
    )
    wrong = wrong.set_column(wrong.column_names.index("label"), "label", label)
    fitted = AccuracyEstimator.fit(clean, wrong, CLASSES)
    assert fitted.predict(clean)[0].mean() == pytest.approx(accuracy(clean), abs=0.5 / 2000)


def test_one_class_has_one_probability_and_two_at_most_one_together(
    fitted: AccuracyEstimator,
) -> None:
    table = scored(3000, 5, harder=3.0)[0]
    extremes = table.slice(0, 8)
    extremes = extremes.set_column(0, "adversarial_score", pa.array([0.0, 16.2] * 4))
    extremes = extremes.set_column(1, "confidence", pa.array([1, 1, 0, 0] * 2, pa.float32()))
    for rows in (table, extremes):
        p, q = fitted.predict(rows)
        agree = np.asarray(rows["prediction"]) == np.asarray(rows["reconstruction_prediction"])
        np.testing.assert_array_equal(p[agree], q[agree])
        assert (p[~agree] + q[~agree] <= 1 + 1e-12).all()
        assert ((p >= 0) & (p <= 1) & (q >= 0) & (q <= 1)).all()
    assert p.dtype == q.dtype == np.float64


def test_a_row_s_probability_does_not_depend_on_the_others(fitted: AccuracyEstimator) -> None:
    table = scored(100, 6)[0]
    parts = [fitted.predict(table.slice(start, 10)) for start in range(0, 100, 10)]
    for whole, part in zip(fitted.predict(table), zip(*parts, strict=True), strict=True):
        np.testing.assert_allclose(np.concatenate(part), whole, rtol=1e-12)


def test_no_rows_have_no_probabilities(fitted: AccuracyEstimator) -> None:
    p, q = fitted.predict(scored(5, 6)[0].slice(0, 0))
    assert p.shape == q.shape == (0,)


def test_its_json_holds_all_of_it(fitted: AccuracyEstimator) -> None:
    again = AccuracyEstimator.model_validate_json(fitted.model_dump_json())
    assert again == fitted
    table = scored(50, 8)[0]
    np.testing.assert_array_equal(again.predict(table), fitted.predict(table))


def test_no_drop_has_no_error_and_a_larger_one_more(fitted: AccuracyEstimator) -> None:
    assert fitted.drop_error(0.0) == 0
    assert fitted.drop_error(0.2) == fitted.drop_error(-0.2) >= fitted.drop_error(0.1)


def test_a_corruption_unlike_the_others_widens_the_error() -> None:
    clean = scored(3000, 1)[0]
    alike = changed(2000)
    strange = scored(2000, 99, harder=1.0, family="inverted")[0]
    # Sure of itself as ever, and always wrong.
    label = pa.array(["owl" if n != "owl" else "cat" for n in strange["prediction"].to_pylist()])
    strange = strange.set_column(strange.column_names.index("label"), "label", label)
    narrow = AccuracyEstimator.fit(clean, alike, CLASSES)
    wide = AccuracyEstimator.fit(clean, pa.concat_tables([alike, strange]), CLASSES)
    assert wide.drop_error_ratio > narrow.drop_error_ratio + 0.5


@pytest.mark.parametrize("n", [MIN_ROWS, 400])
def test_a_reference_without_a_wrong_row_still_has_a_map(n: int) -> None:
    clean = scored(n, 4)[0]
    clean = clean.set_column(clean.column_names.index("label"), "label", clean["prediction"])
    fitted = AccuracyEstimator.fit(clean, changed(50), CLASSES)
    assert fitted.predict(clean)[0].mean() == pytest.approx(1, abs=1 / n)
    harder = scored(400, 4, harder=3.0)[0]
    assert fitted.predict(harder)[0].mean() < fitted.predict(clean)[0].mean()


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ModelError, match=f"49 labelled normal rows are too few.*{MIN_ROWS}"):
        AccuracyEstimator.fit(scored(MIN_ROWS - 1, 4)[0], changed(50), CLASSES)


def test_an_unknown_class_is_named(fitted: AccuracyEstimator) -> None:
    table = scored(3, 4)[0]
    names = pa.array(["cat", "emu", "cat"])
    table = table.set_column(table.column_names.index("prediction"), "prediction", names)
    with pytest.raises(ModelError, match="row 1: prediction is 'emu'"):
        fitted.predict(table)
