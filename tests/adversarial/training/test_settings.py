import doctest
from typing import Any

import pytest

from adversarial.errors import ModelError
from adversarial.training import settings as module
from adversarial.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"snapshots": 0}, "0 snapshots of 10 epochs: ask for at least one"),
        ({"snapshots": 3, "epochs": 2}, "3 snapshots of 2 epochs"),
        ({"learning_rate": 0.0}, "learning rate is 0: expected a number above 0"),
        ({"learning_rate": float("nan")}, "learning rate is nan"),
        ({"validation_split": 1.0}, r"validation_split is 1\.0: expected a share below 1"),
        ({"validation_split": -0.1}, r"validation_split is -0\.1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TrainingSettings(**settings)


def test_the_examples_in_the_documentation_are_true() -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert found.failed == 0
