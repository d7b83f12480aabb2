from pathlib import Path

import keras
import numpy as np
import pytest

from adversarial.statistics import roc_area
from adversarial.training import mixed_precision as precision
from adversarial.training.mixed_precision import (
    bfloat16_is_fast,
    can_mix,
    find_disagreement,
    mixed_copy,
)

layers = keras.layers


@pytest.fixture
def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Normalization(mean=[20_000.0, 0, 0], variance=[1.0, 1, 1]),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(4),
            layers.Softmax(),
        ]
    )


class Stubborn(keras.layers.Layer):  # type: ignore[misc]  # keras is untyped
    """A layer with weights that takes no `dtype`, as many a custom layer does."""

    def __init__(self, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(name=name, trainable=trainable)

    def build(self, shape: tuple[int, ...]) -> None:
        self.scale = self.add_weight(shape=(shape[-1],))

    def call(self, x: object) -> object:
        return x * self.scale


def test_scaling_and_probabilities_stay_float32(classifier: keras.Model) -> None:
    copy = mixed_copy(classifier)
    assert [layer.compute_dtype for layer in copy.layers] == [
        "float32",
        "bfloat16",
        "bfloat16",
        "float32",
        "float32",
    ]
    assert {variable.dtype for variable in copy.trainable_variables} == {"float32"}
    x = np.random.default_rng(0).normal([20_000, 0, 0], 1, (50, 3)).astype(np.float32)
    p, q = np.asarray(classifier(x)), np.asarray(copy(x))
    assert q.dtype == np.float32
    assert 0 < np.abs(p - q).max() < 0.02


def test_the_copy_shares_nothing_with_the_model(classifier: keras.Model) -> None:
    before = [w.copy() for w in classifier.get_weights()]
    copy = mixed_copy(classifier)
    copy.set_weights([w + 1 for w in copy.get_weights()])
    for a, b in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_a_graph_of_layers_can_be_copied(classifier: keras.Model) -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def call(self, x: object) -> object:
            return x

    assert can_mix(classifier)
    inputs = keras.Input((3,))
    assert can_mix(keras.Model(inputs, layers.Dense(2)(inputs)))
    assert not can_mix(Own())
    assert not can_mix(keras.Sequential([keras.Input((4,)), Stubborn(), layers.Dense(2)]))


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("fpu avx2 avx512f avx512_bf16", True),
        ("fpu amx_bf16 amx_tile", True),
        ("fpu avx2 avx512f avx512_vnni", False),
    ],
)
def test_the_cpu_says_by_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, fast: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    assert bfloat16_is_fast() is fast


def autoencoder(scale: float) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, use_bias=False)])
    model.layers[0].kernel.assign(np.diag([1.0, scale, scale]))
    return model


def test_precisions_that_score_alike_agree(classifier: keras.Model) -> None:
    x = np.random.default_rng(0).normal([20_000, 0, 0], 1, (500, 3)).astype(np.float32)
    assert find_disagreement(classifier, autoencoder(0.5), x) is None


def test_a_threshold_that_bfloat16_cannot_hold_is_found(
    classifier: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal([20_000, 0, 0], 1, (500, 3)).astype(np.float32)

    def spoiled(model: keras.Model) -> keras.Model:
        copy = mixed_copy(model)
        copy.set_weights([weights * np.float32(1.5) for weights in model.get_weights()])
        return copy

    monkeypatch.setattr(precision, "mixed_copy", spoiled)
    found = find_disagreement(classifier, autoencoder(0.5), x)
    assert found is not None
    assert "threshold in bfloat16" in found


def test_the_area_and_its_error_are_the_known_ones() -> None:
    rng = np.random.default_rng(0)
    areas = [roc_area(rng.normal(0, 1, 100), rng.normal(1, 1, 100)) for _ in range(400)]
    assert np.mean(areas) == pytest.approx(0.7602, abs=0.01)  # Φ(1/√2)
    assert precision._area_error(0.7602, 100) == pytest.approx(np.std(areas), rel=0.15)
