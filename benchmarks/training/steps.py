"""One step of training as a compiled function: what it must compute, and nothing else.

As a module, it is the worker of `training.step_profile`, which runs some steps of ResNet-56.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from adversarial.losses import kl_divergence
from adversarial.models.classifiers import load_model
from adversarial.models.folding import fold_batch_normalization
from adversarial.training.matching import with_hidden
from adversarial.training.mixed_precision import mixed_copy

Step = Callable[[tf.Tensor], Any]

MODELS = Path("studies/models/cifar10-resnet56")
STEPS = ("classifier", "autoencoder, not folded", "autoencoder")
PRECISIONS = ("float32", "bfloat16")
BATCH_SIZE = 128
WARM_UP, TIMED = 2, 5
START, END = "-- start", "-- end"
"""Marks around what oneDNN prints of the timed steps; the second is followed by milliseconds."""


def autoencoder_step(
    classifier: keras.Model, autoencoder: keras.Model, precision: str, *, fold: bool = True
) -> Step:
    """Return M(x), M(AE(x)), and the gradient of the autoencoder's weights, as a function of rows.

    Parameters
    ----------
    classifier, autoencoder : keras.Model
        M, which is frozen, and AE.
    precision : str
        What the passes run in: "float32" or "bfloat16".
    fold : bool
        Whether M's batch normalisations are part of its convolutions, as in training.
    """
    monitored = with_hidden(classifier, [])
    models = [autoencoder, fold_batch_normalization(monitored) if fold else monitored]
    if precision == "bfloat16":
        models = [mixed_copy(model) for model in models]
    trained, frozen = models
    weights = [variable.value for variable in trained.trainable_variables]

    @tf.function(jit_compile=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor) -> Any:
        p = frozen(x, training=False)["probabilities"]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            q = frozen(trained(x, training=True), training=False)["probabilities"]
            loss = tf.reduce_mean(kl_divergence(p, q))
        return loss, tape.gradient(loss, weights)

    result: Step = step
    return result


def classifier_step(classifier: keras.Model, precision: str) -> Step:
    """Return the loss of a classifier, and the gradient of its weights, as a function of rows.

    The classes do not change what is computed: all rows are of the first.
    """
    trained = mixed_copy(classifier) if precision == "bfloat16" else classifier
    weights = [variable.value for variable in trained.trainable_variables]

    @tf.function(jit_compile=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            p = trained(x, training=True)
            loss = -tf.reduce_mean(tf.math.log(p[:, 0] + 1e-7)) + tf.add_n(trained.losses)
        return loss, tape.gradient(loss, weights)

    result: Step = step
    return result


def main() -> None:
    """Run some steps; where it is told to, oneDNN prints a line for each of its kernels."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("precision", choices=PRECISIONS)
    arguments = parser.parse_args()
    classifier = load_model(MODELS / "classifier.keras")
    if arguments.step == "classifier":
        step = classifier_step(classifier, arguments.precision)
    else:
        autoencoder = load_model(MODELS / "kl" / "autoencoder.keras")
        folded = arguments.step == "autoencoder"
        step = autoencoder_step(classifier, autoencoder, arguments.precision, fold=folded)
    x = tf.constant(np.random.default_rng(0).random((BATCH_SIZE, 32, 32, 3), np.float32))
    for _ in range(WARM_UP):
        step(x)
    print(START, flush=True)
    started = time.perf_counter()
    for _ in range(TIMED):
        loss, _ = step(x)
    loss.numpy()
    print(END, (time.perf_counter() - started) / TIMED * 1e3, flush=True)


if __name__ == "__main__":
    main()
