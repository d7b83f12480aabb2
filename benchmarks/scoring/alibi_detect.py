"""Worker of the scoring benchmarks: alibi-detect's detector, with the same two models.

Runs in an environment of its own. The models load as they are: alibi-detect 0.13 takes models of
Keras 3, which is what TensorFlow 2.18 gives where TF_USE_LEGACY_KERAS is not set.
"""

import argparse
from typing import Any

import alibi_detect  # type: ignore[import-not-found]
import numpy as np
import tensorflow as tf
from alibi_detect.ad import AdversarialAE  # type: ignore[import-not-found]

from benchmarks.workers import serve

BATCH_SIZE = 1024


def main() -> None:
    """Load the models and the images, then serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detector", help="directory of the bundle")
    parser.add_argument("images", help=".npy file of the images, (n, *input_shape) float32")
    arguments = parser.parse_args()

    classifier, autoencoder = (
        tf.keras.models.load_model(f"{arguments.detector}/{name}.keras", compile=False)
        for name in ("classifier", "autoencoder")
    )
    detector = AdversarialAE(threshold=0.0, model=classifier, ae=autoencoder)
    x = np.load(arguments.images)

    def about() -> dict[str, Any]:
        return {
            "name": f"alibi-detect {alibi_detect.__version__}",
            "batch_size": BATCH_SIZE,
            "precision": "float32",
            "version": tf.__version__,
        }

    serve({"about": about, "score": lambda: detector.score(x, batch_size=BATCH_SIZE)})


if __name__ == "__main__":
    main()
