"""The fast gradient sign method, in one full step."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

BATCH = 256


@dataclass(frozen=True)
class FGSM:
    """Fast gradient sign method (Goodfellow et al. 2015; Eq. 4 of the paper).

    x_adv = clip(x + ε · sign(∇ₓ L(M(x), y))), with the cross-entropy L.

    Parameters
    ----------
    epsilon : float or (n_features,) array
        ε, the L∞ norm of the step, in the units of x; for flat rows one per feature if need be.
    bounds : (float, float) or pair of (n_features,) arrays
        Smallest and largest value of x.
    """

    epsilon: float | NDArray[np.float32]
    bounds: tuple[float | NDArray[np.float32], float | NDArray[np.float32]] = (0.0, 1.0)

    def run(
        self, model: keras.Model, x: NDArray[np.float32], y: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the attacked rows.

        Parameters
        ----------
        model : keras.Model
            Classifier with probabilities as output; not changed.
        x : (n, *input_shape) float32
            Rows within the bounds.
        y : (n,) int64
            Their classes.

        Returns
        -------
        (n, *input_shape) float32
            Within the bounds and within ε of x in every coordinate.
        """

        @tf.function(jit_compile=False)  # type: ignore[untyped-decorator]
        def gradient_sign(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = keras.losses.sparse_categorical_crossentropy(y, model(x, training=False))
            return tf.sign(tape.gradient(loss, x))

        low, high = self.bounds
        attacked = np.empty_like(x)
        for start in range(0, len(x), BATCH):
            rows = slice(start, start + BATCH)
            sign = gradient_sign(tf.constant(x[rows]), tf.constant(y[rows])).numpy()
            attacked[rows] = np.clip(
                x[rows] + np.asarray(self.epsilon, np.float32) * sign, low, high
            )
        return attacked
