import keras
import numpy as np
import pytest

from adversarial.errors import ModelError
from adversarial.models.autoencoders import image_standardization
from adversarial.training.fit import fit_autoencoder
from adversarial.training.objective import HiddenLayer, Objective
from tests.support.animals import make_inputs
from tests.support.models.autoencoders import NO_STEP, float32, small_autoencoder


def test_the_terms_of_an_objective_add_up_by_their_weights(classifier: keras.Model) -> None:
    x = make_inputs(64, seed=5)
    training = fit_autoencoder(
        classifier,
        small_autoencoder(),
        x,
        float32(
            objective=Objective(
                kl=2.0, mse=3.0, hidden=[HiddenLayer("hidden", 4, 0.5)], projection="fixed"
            ),
            epochs=2,
        ),
        verbose=0,
    )
    history = training.history
    for split in ("", "val_"):
        kl, mse, hidden, loss = (
            np.array(history[f"{split}{name}"]) for name in ("kl", "mse", "hidden", "loss")
        )
        np.testing.assert_allclose(2 * kl + 3 * mse + 0.5 * hidden, loss, rtol=1e-4)
        assert (hidden > 0).all()


def test_the_baseline_learns_to_reconstruct(classifier: keras.Model) -> None:
    x = make_inputs(256, seed=5)

    def error(objective: Objective) -> float:
        autoencoder = small_autoencoder()
        fit_autoencoder(
            classifier, autoencoder, x, float32(objective=objective, epochs=20), verbose=0
        )
        return float(np.mean((np.asarray(autoencoder(x)) - x) ** 2))

    assert error(Objective(kl=0, mse=1)) < 0.7 * error(Objective())


@pytest.mark.parametrize("standardizes", [False, True])
def test_an_autoencoder_that_standardises_is_compared_with_standardised_images(
    classifier: keras.Model, standardizes: bool
) -> None:
    x = make_inputs(64, seed=5)
    autoencoder = small_autoencoder()
    if standardizes:
        autoencoder = keras.Sequential(
            [keras.Input((8, 8, 1)), image_standardization(), *autoencoder.layers]
        )
    training = fit_autoencoder(
        classifier,
        autoencoder,
        x,
        float32(
            objective=Objective(kl=0, mse=1), epochs=1, learning_rate=NO_STEP, validation_split=0.5
        ),
        verbose=0,
    )
    target = held_out = x[np.random.default_rng(0).permutation(64)[:32]]
    if standardizes:
        mean = held_out.mean(axis=(1, 2, 3), keepdims=True)
        target = (held_out - mean) / held_out.std(axis=(1, 2, 3), keepdims=True)
    expected = np.mean((np.asarray(autoencoder(held_out)) - target) ** 2)
    assert training.history["val_loss"][0] == pytest.approx(expected, rel=1e-3)


def test_a_hidden_target_is_the_softmax_of_the_projected_features(classifier: keras.Model) -> None:
    """An autoencoder that changes nothing has no divergence in any hidden layer."""
    x = make_inputs(32, seed=5)
    identity = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Dense(1, use_bias=False)])
    identity.layers[0].kernel.assign([[1.0]])
    for projection in ("fixed", "trained"):
        objective = Objective(hidden=[HiddenLayer("hidden", 5)], projection=projection)
        history = fit_autoencoder(
            classifier,
            identity,
            x,
            float32(objective=objective, epochs=1, learning_rate=NO_STEP),
            verbose=0,
        ).history
        assert history["hidden"][0] == pytest.approx(0, abs=1e-5)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_trained_projection_moves_and_a_fixed_one_does_not(classifier: keras.Model) -> None:
    x = make_inputs(128, seed=5)

    def hidden_loss(projection: str) -> list[float]:
        objective = Objective(kl=0, hidden=[HiddenLayer("hidden", 5)], projection=projection)  # type: ignore[arg-type]
        frozen = small_autoencoder()
        frozen.trainable = False
        return fit_autoencoder(
            classifier, frozen, x, float32(objective=objective, epochs=3), verbose=0
        ).history["val_loss"]

    fixed, trained = hidden_loss("fixed"), hidden_loss("trained")
    assert fixed == pytest.approx([fixed[0]] * 3, rel=1e-5)
    assert trained[2] < trained[0]  # it goes where x and AE(x) look alike: the collapse


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"kl": 0.0}, "one above 0"),
        ({"kl": -1.0, "mse": 1.0}, "none below"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_an_objective_without_a_sense_is_refused(objective: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Objective(**objective)  # type: ignore[arg-type]


def test_a_hidden_layer_that_is_not_there_is_named(classifier: keras.Model) -> None:
    x = make_inputs(16, seed=5)
    with pytest.raises(ModelError, match=r"no layer 'conv9'.*hidden"):
        fit_autoencoder(
            classifier,
            small_autoencoder(),
            x,
            float32(objective=Objective(hidden=[HiddenLayer("conv9")])),
            verbose=0,
        )


def test_temperature_changes_what_is_learned(classifier: keras.Model) -> None:
    x = make_inputs(128, seed=5)

    def loss(temperature: float) -> float:
        history = fit_autoencoder(
            classifier,
            small_autoencoder(),
            x,
            float32(objective=Objective(temperature=temperature), epochs=1),
            verbose=0,
        ).history
        return history["loss"][0]

    assert loss(1.0) != pytest.approx(loss(4.0), rel=1e-3)
