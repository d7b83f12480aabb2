import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import entropy

from adversarial.losses import kl_divergence, scale_temperature
from adversarial.statistics import PROBABILITY_FLOOR

logits = arrays(np.float64, (4, 5), elements=st.floats(-30, 30))


def softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


@given(logits, logits)
def test_kl_is_scipys_on_clipped_probabilities_and_never_negative(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> None:
    p, q = softmax(a), softmax(b)
    found = np.asarray(kl_divergence(p, q))
    # SciPy normalises, which the clipped rows (sum up to 1 + 4e-7) are not.
    expected = entropy(np.clip(p, 1e-7, 1), np.clip(q, 1e-7, 1), axis=1)
    assert (found >= 0).all()
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_kl_is_bounded_where_the_second_distribution_has_no_mass() -> None:
    found = float(np.asarray(kl_divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])))[0])
    assert math.isclose(found, -math.log(PROBABILITY_FLOOR), rel_tol=1e-5)


@given(logits, st.floats(0.1, 10))
def test_temperature_divides_the_logits(z: NDArray[np.float64], temperature: float) -> None:
    z = z / 10
    found = np.asarray(scale_temperature(softmax(z), temperature))
    np.testing.assert_allclose(found, softmax(z / temperature), atol=1e-6)
