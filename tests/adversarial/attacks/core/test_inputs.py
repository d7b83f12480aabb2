from typing import Any

import keras
import numpy as np
import pytest

from adversarial.attacks import FGSM
from adversarial.errors import ModelError
from tests.support.attack_cases import make_rows


def test_rows_that_no_attack_can_take_are_refused(classifier: keras.Model) -> None:
    x, y = make_rows(5)
    x[3, 0, 0] = 1.5
    with pytest.raises(ModelError, match=r"row 3 .*bounds \(0.0, 1.0\)"):
        FGSM(0.1).run(classifier, x, y)
    x[3, 0, 0] = np.nan
    with pytest.raises(ModelError, match="row 3"):
        FGSM(0.1).run(classifier, x, y)
    x, y = make_rows(5)
    cases: list[tuple[np.ndarray, Any, str]] = [
        (x, y[:4], r"5 rows and classes of shape \(4,\)"),
        (x, y[:, None], r"classes of shape \(5, 1\)"),
        (x, y + 0.5, "classes are float64"),
        (x, np.array([0, 1, 2, 3, 0]), "row 3 has class 3: the model has 3"),
        (x, np.array([0, 1, -1, 0, 0]), "row 2 has class -1"),
        (x[:, :7], y, r"rows have shape \(7, 8, 1\): the model takes \(8, 8, 1\)"),
        (x.reshape(5, -1), y, r"rows have shape \(64,\)"),
    ]
    for rows, classes, message in cases:
        with pytest.raises(ModelError, match=message):
            FGSM(0.1).run(classifier, rows, classes)
    with pytest.raises(ModelError, match=r"object cannot be attacked.*threat_models"):
        FGSM(0.1).run(object(), x, y)


def test_a_model_that_is_no_classifier_is_refused() -> None:
    x, y = make_rows(5)
    inputs = keras.Input(x.shape[1:])
    flat = keras.layers.Flatten()(inputs)
    columns = keras.layers.Dense(3, activation="sigmoid", bias_initializer="ones")(flat)
    one = keras.layers.Dense(1, activation="sigmoid")(flat)
    cases = [
        (keras.Model(inputs, columns), r"outputs for a row sum to .* give Misclassified\(f\)"),
        (keras.Model(inputs, one), "the model has one output: expected one per class"),
        (keras.Model(inputs, [columns, one]), "has several outputs"),
        (keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)]), "has not been built"),
    ]
    for model, message in cases:
        with pytest.raises(ModelError, match=message):
            FGSM(0.1).run(model, x, np.zeros_like(y))


def test_a_classifier_with_weights_that_are_not_finite_is_refused() -> None:
    x, y = make_rows(5)
    inputs = keras.Input(x.shape[1:])
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    assert np.isfinite(FGSM(0.1).run(model, x, y).x_adv).all()
    dense.bias.assign([0.0, np.nan, 0.0])
    with pytest.raises(ModelError, match="outputs for a row sum to nan"):
        FGSM(0.1).run(model, x, y)
