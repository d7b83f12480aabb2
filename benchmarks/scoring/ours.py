"""Worker of the scoring benchmarks: this project's detector."""

import argparse
from typing import Any

import numpy as np
import tensorflow as tf

from adversarial.detector.detector import AdversarialDetector
from adversarial.runtimes.runtime import rows_per_pass
from benchmarks.workers import serve


def main() -> None:
    """Load the detector and the images, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detector", help="directory of the bundle")
    parser.add_argument("images", help=".npy file of the images, (n, 28, 28, 1) float32")
    arguments = parser.parse_args()

    detector = AdversarialDetector.load(arguments.detector)
    x = np.load(arguments.images)

    def about() -> dict[str, Any]:
        return {
            "name": "drift-monitor",
            "batch_size": rows_per_pass(x.shape[1:]),
            "tensorflow": tf.__version__,
        }

    serve({"about": about, "score": lambda: detector.score(x)})


if __name__ == "__main__":
    main()
