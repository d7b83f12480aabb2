"""Training of the autoencoder: match the classifier's predictions on x and AE(x) (Eq. 5)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from adversarial.errors import ModelError
from adversarial.losses import kl_divergence, scale_temperature


class PredictionMatcher(keras.Model):  # type: ignore[misc]  # keras is untyped
    """The composition M(AE(x)), of which only AE is trained.

    The classifier sits in a closure, out of sight of Keras's attribute tracking: its variables are
    not among this model's, so neither its weights nor its `trainable` need touching.

    Parameters
    ----------
    autoencoder : keras.Model
        AE, trained in place.
    classifier : keras.Model
        M, with probabilities as output; called in inference mode.
    """

    def __init__(self, autoencoder: keras.Model, classifier: keras.Model) -> None:
        super().__init__(name="prediction_matcher")
        self.autoencoder = autoencoder
        self._classify: Callable[[Any], Any] = lambda x: classifier(x, training=False)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Return M(AE(x)), (n, n_classes)."""
        return self._classify(self.autoencoder(x, training=training))

    def compute_loss(  # the signature is Keras's
        self,
        x: Any,  # noqa: ARG002
        y: Any,
        y_pred: Any,
        sample_weight: Any = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Any:
        """Return the mean of D_KL(M(x)_T ‖ M(AE(x))) over the batch (Eq. 5 and 9).

        `y` holds M(x)_T, computed once before training and not once per epoch.
        """
        return ops.mean(kl_divergence(y, y_pred))


def fit_autoencoder(
    classifier: keras.Model,
    autoencoder: keras.Model,
    x: NDArray[np.float32],
    *,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    temperature: float = 1.0,
    validation_split: float = 0.05,
    seed: int = 0,
    verbose: int | str = "auto",
) -> dict[str, list[float]]:
    """Train `autoencoder` in place so that M(AE(x)) matches M(x).

    Parameters
    ----------
    classifier : keras.Model
        M; its output must be probabilities, (n, n_classes). It is not changed.
    autoencoder : keras.Model
        AE, from the input space of M to itself.
    x : (n, *input_shape) float32 array
        Normal rows; no labels are needed.
    epochs, batch_size, learning_rate
        Of the Adam optimiser.
    temperature : float
        T of the target M(x)_T (Eq. 9); below 1 sharpens it.
    validation_split : float
        Share of the rows, drawn at random by `seed`, held out for the validation loss.
    seed : int
        Seeds the split and the shuffling. The weights an autoencoder starts from are its maker's.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    dict of str to list of float
        `loss` and `val_loss`, one value per epoch, in nats.

    Raises
    ------
    ModelError
        If the classifier's output is not a probability distribution, or the shapes of classifier,
        autoencoder and rows do not agree.
    """
    if not autoencoder.input_shape[1:] == autoencoder.output_shape[1:] == x.shape[1:]:
        raise ModelError(
            f"the autoencoder maps {autoencoder.input_shape[1:]} to "
            f"{autoencoder.output_shape[1:]}, but the rows are {x.shape[1:]}"
        )
    target = classifier.predict(x, batch_size=1024, verbose=0)
    check_probabilities(target)
    if temperature != 1.0:
        target = ops.convert_to_numpy(scale_temperature(target, temperature))

    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    n_validation = int(len(x) * validation_split)
    validation, training = order[:n_validation], order[n_validation:]

    matcher = PredictionMatcher(autoencoder, classifier)
    matcher.compile(optimizer=keras.optimizers.Adam(learning_rate), jit_compile=False)
    history = matcher.fit(
        x[training],
        target[training],
        batch_size=batch_size,
        epochs=epochs,
        validation_data=(x[validation], target[validation]) if n_validation else None,
        verbose=verbose,
    )
    return {name: [float(v) for v in values] for name, values in history.history.items()}


def check_probabilities(output: NDArray[np.float32]) -> None:
    """Raise ModelError unless every row of `output` is a probability distribution."""
    found = None
    if output.ndim != 2 or output.shape[1] < 2:
        found = f"shape {output.shape}"
    elif not np.isfinite(output).all():
        found = "values that are not finite"
    elif output.min() < 0 or np.abs(output.sum(axis=1) - 1).max() > 1e-3:
        found = f"values from {output.min():.3g} to {output.max():.3g} whose rows do not sum to 1"
    if found:
        raise ModelError(
            f"the classifier's output has {found}: expected (rows, classes) probabilities; "
            "end the model in a softmax layer, one unit per class"
        )
