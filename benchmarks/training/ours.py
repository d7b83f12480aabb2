"""Worker of `training.speed`: this project's `fit_autoencoder`, and its bare compiled step."""

from typing import Any

import keras
import tensorflow as tf

from adversarial.detector.detector import AdversarialDetector
from adversarial.models.classifiers import load_model
from adversarial.training.fit import fit_autoencoder
from adversarial.training.settings import TrainingSettings
from benchmarks.training.steps import Step, autoencoder_step
from benchmarks.training.task import Task, serve_trainer


class Trainer:
    """Trains one epoch whenever told to, from the same initial weights, with another seed."""

    classifier: keras.Model
    autoencoder: keras.Model
    step: Step

    def __init__(self, task: Task) -> None:
        self.task = task
        self.round = 0

    def about(self) -> dict[str, Any]:
        """Say what trains."""
        return {"name": "drift-monitor", "tensorflow": tf.__version__}

    def reset(self) -> None:
        """Load both models again: nothing compiled in one round serves in the next."""
        self.round += 1
        self.classifier = load_model(self.task.classifier)
        self.autoencoder = load_model(self.task.autoencoder)

    def train(self) -> str:
        """Train one epoch and return the precision it ran in."""
        settings = TrainingSettings(
            epochs=1,
            batch_size=self.task.batch_size,
            validation_split=0,
            precision=self.task.precision,
            seed=self.round,
        )
        trained = fit_autoencoder(
            self.classifier, self.autoencoder, self.task.x, settings, verbose=0
        )
        return trained.precision

    def prepare_bare(self) -> None:
        """Compile what a step must compute: M(x), M(AE(x)), and the gradient of AE's weights."""
        self.step = autoencoder_step(self.classifier, self.autoencoder, self.task.precision)
        self.step(tf.constant(self.task.x[: self.task.batch_size]))

    def bare(self) -> int:
        """Run these steps over one epoch, without a loop of Keras or an optimiser."""
        x, size = self.task.x, self.task.batch_size
        starts = range(0, len(x) - size + 1, size)
        for start in starts:
            loss, gradients = self.step(tf.constant(x[start : start + size]))
        for computed in (loss, *gradients):
            computed.numpy()
        return len(starts)

    def divergence(self) -> float:
        """Return the mean D_KL(M(x) ‖ M(AE(x))) of the held-out images, in nats."""
        detector = AdversarialDetector(self.classifier, self.autoencoder)
        return float(detector.score(self.task.held_out).mean())


def main() -> None:
    """Load the images, then serve."""
    trainer = Trainer(Task.from_command_line(__doc__))
    serve_trainer(trainer, prepare_bare=trainer.prepare_bare, bare=trainer.bare)


if __name__ == "__main__":
    main()
