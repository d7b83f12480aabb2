"""Mixed precision: bfloat16 where the hardware is fast at it, and the check that it does no harm.

Only the passes of a training run in bfloat16; weights, optimiser and the scores of a detector are
always float32.
"""

from pathlib import Path

import keras
import numpy as np
import scipy
from keras import ops
from numpy.typing import NDArray

from adversarial.losses import kl_divergence
from adversarial.statistics import roc_area

CPUINFO = Path("/proc/cpuinfo")
CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
CHECKED_FPR = 0.05
CONFIDENCE = 0.95


def bfloat16_is_fast() -> bool:
    """Say whether the device that Keras computes on has units for bfloat16.

    A GPU has tensor cores for it from compute capability 8.0 on; a CPU has the flag AVX512-BF16 or
    AMX-BF16, which Linux lists in /proc/cpuinfo.
    """
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            if gpus:
                details = tf.config.experimental.get_device_details(gpus[0])
                return bool(details.get("compute_capability", (0, 0)) >= (8, 0))
        case "jax":
            import jax

            device = jax.devices()[0]
            if device.platform != "cpu":
                return float(getattr(device, "compute_capability", "8.0")) >= 8.0
    return CPUINFO.exists() and bool(CPU_FLAGS & set(CPUINFO.read_text(encoding="utf-8").split()))


def can_mix(model: keras.Model) -> bool:
    """Say whether `mixed_copy` can copy the model.

    It must be a graph of layers, each of which can be made from its configuration and takes a
    `dtype`. A SavedModel is none, nor is a custom layer that does not pass its arguments on.
    """
    if not isinstance(model, keras.Sequential) and not getattr(model, "operations", None):
        return False
    try:
        mixed_copy(model)
    except (NotImplementedError, TypeError, ValueError):
        return False
    return True


def mixed_copy(model: keras.Model) -> keras.Model:
    """Return a copy that computes in bfloat16 on float32 weights.

    Whatever comes before the first layer with trainable weights stays float32, because a feature of
    20,000 ± 1 has no digits left in bfloat16 before it is scaled; so does the last layer with
    weights and what follows it, because probabilities need more than three digits.

    Parameters
    ----------
    model : keras.Model
        A graph of layers. Not changed.
    """
    weighted = [n for n, layer in enumerate(model.layers) if layer.trainable_variables]
    mixed = (
        {layer.name for layer in model.layers[weighted[0] : weighted[-1]]} if weighted else set()
    )

    def copy_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in mixed:
            config["dtype"] = "mixed_bfloat16"
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(model, clone_function=copy_layer)
    copy.set_weights(model.get_weights())
    for layer in copy._flatten_layers():
        # A Normalization layer that was adapted computes with values derived from its weights.
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            layer.finalize_state()
    return copy


def find_disagreement(
    classifier: keras.Model, autoencoder: keras.Model, x: NDArray[np.float32], seed: int = 0
) -> str | None:
    """Compare what mixed precision and float32 make of the same weights and rows.

    A training run in bfloat16 is sound if the model it trained behaves like the one that will
    score. Two things must agree within sampling error: the threshold at ε_FPR 5 % (its 95 %
    interval by order statistics), and the area under the ROC curve that tells the rows from the
    same rows under Gaussian noise of half their standard deviation (Hanley & McNeil 1982).

    Parameters
    ----------
    classifier, autoencoder : keras.Model
        M, and AE as it was trained.
    x : (n, *input_shape) float32
        Normal rows, some hundreds.
    seed : int
        Seed of the noise.

    Returns
    -------
    str or None
        What does not agree, in words; None if everything does.
    """
    noise = np.random.default_rng(seed).normal(0, 0.5, x.shape) * x.std(axis=0)
    pair = np.concatenate([x, x + noise.astype(np.float32)])
    exact = _scores(classifier, autoencoder, pair)
    mixed = _scores(mixed_copy(classifier), mixed_copy(autoencoder), pair)
    n = len(x)

    normal = np.sort(exact[:n])
    rank = scipy.stats.binom(n, 1 - CHECKED_FPR).interval(CONFIDENCE)
    low, high = normal[int(rank[0])], normal[min(int(rank[1]), n - 1)]
    threshold = float(np.quantile(mixed[:n], 1 - CHECKED_FPR))
    if not low <= threshold <= high:
        return (
            f"the threshold in bfloat16, {threshold:.3g} nats, lies outside {low:.3g} to "
            f"{high:.3g}, the {CONFIDENCE:.0%} interval in float32"
        )
    areas = [roc_area(scores[:n], scores[n:]) for scores in (exact, mixed)]
    margin = scipy.stats.norm.ppf((1 + CONFIDENCE) / 2) * _area_error(areas[0], n)
    if not abs(areas[0] - areas[1]) <= margin:
        return (
            f"the area under the ROC curve is {areas[1]:.3f} in bfloat16 and {areas[0]:.3f} in "
            f"float32, further apart than {margin:.3f}"
        )
    return None


def _scores(
    classifier: keras.Model, autoencoder: keras.Model, x: NDArray[np.float32]
) -> NDArray[np.float64]:
    parts = []
    for start in range(0, len(x), 512):
        rows = x[start : start + 512]
        p = classifier(rows, training=False)
        q = classifier(autoencoder(rows, training=False), training=False)
        divergence = kl_divergence(
            *(ops.cast(probabilities, "float32") for probabilities in (p, q))
        )
        parts.append(ops.convert_to_numpy(divergence).astype(np.float64))
    return np.concatenate(parts)


def _area_error(area: float, n: int) -> float:
    """Return the standard error of the area, for n rows of each kind (Hanley & McNeil 1982)."""
    both = area / (2 - area) + 2 * area**2 / (1 + area) - 2 * area**2
    return float(np.sqrt((area * (1 - area) + (n - 1) * both) / n**2))
