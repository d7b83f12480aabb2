"""Worker of `training.speed`: alibi-detect's `AdversarialAE.fit`, with the same two models.

Runs in an environment of its own (see `scoring.alibi_detect`). `fit` goes by batches throughout:
it recomputes M(x) for each. `score` takes all rows as one batch unless told otherwise, and of
10,000 images one layer's output alone is 2 GB, so it is told otherwise.
"""

from typing import Any

import alibi_detect  # type: ignore[import-not-found]
import tensorflow as tf
from alibi_detect.ad import AdversarialAE  # type: ignore[import-not-found]

from benchmarks.training.task import Task, serve_trainer

SCORING_BATCH_SIZE = 1024


class Trainer:
    """Trains one epoch whenever told to, from the same initial weights, with another seed."""

    detector: AdversarialAE

    def __init__(self, task: Task) -> None:
        self.task = task
        self.round = 0

    def about(self) -> dict[str, Any]:
        """Say what trains."""
        return {"name": f"alibi-detect {alibi_detect.__version__}", "tensorflow": tf.__version__}

    def reset(self) -> None:
        """Load both models again."""
        self.round += 1
        tf.keras.utils.set_random_seed(self.round)
        classifier, autoencoder = (
            tf.keras.models.load_model(path, compile=False)
            for path in (self.task.classifier, self.task.autoencoder)
        )
        self.detector = AdversarialAE(threshold=0.0, model=classifier, ae=autoencoder)

    def train(self) -> str:
        """Train one epoch and return the precision it ran in."""
        self.detector.fit(self.task.x, epochs=1, batch_size=self.task.batch_size, verbose=False)
        return "float32"

    def divergence(self) -> float:
        """Return the mean D_KL(M(x) ‖ M(AE(x))) of the held-out images, in nats."""
        scores = self.detector.score(self.task.held_out, batch_size=SCORING_BATCH_SIZE)
        return float(scores.mean())


def main() -> None:
    """Load the images, then serve."""
    serve_trainer(Trainer(Task.from_command_line(__doc__)))


if __name__ == "__main__":
    main()
