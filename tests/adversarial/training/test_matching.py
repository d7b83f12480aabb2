"""What an autoencoder is to match."""

import keras
import numpy as np
import pytest

from adversarial.training.matching import Targets, with_hidden
from adversarial.training.objective import HiddenLayer, Objective
from tests.support.animals import make_inputs


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(temperature=0.5, hidden=[HiddenLayer("hidden", 4)]),
        Objective(hidden=[HiddenLayer("hidden", 4)], projection="trained"),
        Objective(kl=0.0, mse=1.0),
    ],
)
def test_targets_found_in_the_training_step_are_those_computed_before_it(
    classifier: keras.Model, objective: Objective
) -> None:
    x = make_inputs(50, seed=5)
    monitored = with_hidden(classifier, [layer.name for layer in objective.hidden])
    targets = Targets(monitored, x, objective, seed=0)
    before, within = targets(x), targets.in_graph(keras.ops.convert_to_tensor(x))
    assert before.keys() == within.keys()
    for name, values in before.items():
        np.testing.assert_allclose(keras.ops.convert_to_numpy(within[name]), values, rtol=1e-4)
