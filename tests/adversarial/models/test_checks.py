"""What counts as probabilities."""

import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.models.checks import check_probabilities


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_a_softmax_of_any_precision_gives_probabilities(kind: type[np.floating]) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (5_000, 10)).astype(kind)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    check_probabilities((p / p.sum(axis=1, keepdims=True, dtype=kind)).astype(np.float32))


def test_what_does_not_sum_to_one_is_no_distribution() -> None:
    with pytest.raises(ModelError, match="whose rows do not sum to 1"):
        check_probabilities(np.full((3, 2), 0.49, np.float32))
