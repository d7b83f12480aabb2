import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adversarial.bundle.calibration import Calibration
from adversarial.bundle.threshold import threshold_from_scores
from adversarial.errors import ModelError


def window(n: int = 200) -> pa.Table:
    scores = np.random.default_rng(0).gamma(1, 1, n)
    return pa.table({"adversarial_score": scores, "flagged": np.zeros(n, bool)})


@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.5])
def test_the_window_gives_the_threshold_and_what_depends_on_it(fpr: float) -> None:
    given = window()
    found = Calibration.from_window(given, fpr)
    scores = given["adversarial_score"].to_numpy()
    assert found.threshold == threshold_from_scores(scores, fpr)
    assert found.fpr == fpr
    assert found.reference is not None
    np.testing.assert_array_equal(found.reference["flagged"].to_numpy(), scores > found.threshold)
    assert np.mean(found.reference["flagged"].to_numpy()) == fpr
    assert given.equals(window())  # it is not changed


@pytest.mark.parametrize("fpr", [0.0, 1.0, 0.001])
def test_a_rate_that_the_rows_cannot_give_is_refused(fpr: float) -> None:
    with pytest.raises(ModelError, match=f"{fpr:g}"):
        Calibration.from_window(window(), fpr)


def test_without_rows_nothing_is_flagged_and_nothing_can_be_changed() -> None:
    found: Any = Calibration()
    assert found.threshold == math.inf
    with pytest.raises(FrozenInstanceError):
        found.threshold = 1.0
