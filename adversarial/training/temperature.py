"""The choice of the target's temperature on held-out rows (Eq. 9)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import keras
import numpy as np
from numpy.typing import NDArray

from adversarial.detector.detector import AdversarialDetector
from adversarial.training.fit import fit_autoencoder
from adversarial.training.settings import TrainingSettings

TEMPERATURES = (0.2, 0.5, 1.0)
ATTACK_STANDARD_DEVIATIONS = 0.3
N_ROWS = 2_000


def choose_temperature(
    classifier: keras.Model,
    make_autoencoder: Callable[[], keras.Model],
    x: NDArray[np.float32],
    validation: NDArray[np.float32],
    settings: TrainingSettings,
    *,
    temperatures: Sequence[float] = TEMPERATURES,
    epochs: int = 2,
    verbose: int | str = "auto",
) -> tuple[float, dict[float, float]]:
    """Return the temperature whose autoencoder corrects best.

    For each temperature an autoencoder is trained for a few epochs, from the same weights on the
    same rows. It is judged by the share of the validation rows that, after an FGSM step of 0.3
    standard deviations against the classifier, it brings back to the class they had before. The
    classes are the classifier's own; no labels are needed.

    Parameters
    ----------
    classifier : keras.Model
        M, with probabilities as output.
    make_autoencoder : callable
        Makes an untrained autoencoder.
    x : (n, *input_shape) float32
        Training rows.
    validation : (n, *input_shape) float32
        Held-out rows, of which the first 2,000 are used.
    settings : TrainingSettings
        How the autoencoder is to be trained; the objective's temperature, `epochs`, `patience` and
        `snapshots` are ignored. The seed also gives the weights that it starts from.
    temperatures : sequence of float
        Candidates. Where several correct equally well, the largest wins: it changes the target
        least.
    epochs : int
        Number of epochs of each short training run.
    verbose : int or "auto"
        As in `keras.Model.fit`.

    Returns
    -------
    float
        The temperature.
    dict
        For each temperature, the share that was brought back, 0 to 1.
    """
    from adversarial.attacks import FGSM  # brings TensorFlow, which other training does without

    rows = validation[:N_ROWS]
    classes = classifier.predict(rows, verbose=0).argmax(axis=1)
    axis = 0 if rows.ndim == 2 else None  # every column of a table has a scale of its own
    step = ATTACK_STANDARD_DEVIATIONS * rows.std(axis=axis)
    low = np.minimum(x.min(axis=axis), rows.min(axis=axis))
    high = np.maximum(x.max(axis=axis), rows.max(axis=axis))
    attacked = FGSM(step, bounds=(low, high)).run(classifier, rows, classes).x_adv

    corrected: dict[float, float] = {}
    for temperature in temperatures:
        keras.utils.set_random_seed(settings.seed)
        autoencoder = make_autoencoder()
        short = replace(
            settings,
            objective=replace(settings.objective, temperature=temperature),
            epochs=epochs,
            patience=None,
            snapshots=1,
        )
        fit_autoencoder(classifier, autoencoder, x, short, verbose=verbose)
        result = AdversarialDetector(classifier, autoencoder).predict(attacked)
        corrected[temperature] = float(np.mean(result.reconstruction_prediction == classes))
    return max(corrected, key=lambda t: (corrected[t], t)), corrected
