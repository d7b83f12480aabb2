"""Hidden layers: whether matching them corrects better, by a fixed or a trained projection.

    python -m benchmarks.training.hidden_layer

Eq. 8 of the paper minimises over the projection ψ as well as over the autoencoder. A projection
that is trained along with it can make its own task easy instead of the autoencoder good. So
Fashion-MNIST autoencoders are trained three ways, each from the same weights on the same rows:
without hidden layers, with a fixed random projection of the classifier's last hidden layer, and
with a trained one. Held-out images are attacked by FGSM against the classifier; what counts is the
share that the autoencoder brings back to the class they had before.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from adversarial.attacks import FGSM
from adversarial.detector.detector import AdversarialDetector
from adversarial.models.autoencoders import make_autoencoder
from adversarial.models.classifiers import load_model
from adversarial.paper.datasets import load_dataset, scale
from adversarial.training.fit import fit_autoencoder
from adversarial.training.objective import HiddenLayer, Objective
from adversarial.training.settings import TrainingSettings
from benchmarks.record import write_record

N_VALIDATION = 2_000
EPSILON = 0.1
BATCH_SIZE = 128


def last_hidden_layer(classifier: keras.Model) -> str:
    """Return the name of the last dense layer before the output."""
    dense = [layer for layer in classifier.layers if isinstance(layer, keras.layers.Dense)]
    return str(dense[-2].name)


def table(ways: dict[str, list[dict[str, float]]], about: str, undefended: float) -> str:
    """Return the text of the result."""
    shares = {way: [run["corrected"] for run in runs] for way, runs in ways.items()}
    lines = [
        f"{way:12}{statistics.mean(values):10.1%}   {', '.join(f'{v:.1%}' for v in values):28}"
        f"{statistics.mean(run.get('hidden', float('nan')) for run in ways[way]):12.4f}"
        for way, values in shares.items()
    ]
    differences = [f - t for f, t in zip(shares["fixed"], shares["trained"], strict=True)]
    margin = 1.96 * statistics.stdev(differences) / len(differences) ** 0.5
    return "\n".join(
        [
            about,
            "",
            f"{'projection':12}{'corrected':>10}   {'by seed':28}{'hidden, nats':>12}",
            *lines,
            "",
            f"Not corrected at all: {undefended:.1%} keep their class.",
            f"Fixed minus trained: {statistics.mean(differences) * 100:+.1f} points, ± "
            f"{margin * 100:.1f} (normal 95 % interval over {len(differences)} seeds).",
        ]
    )


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--classifier",
        type=Path,
        default=Path("examples/fashion_mnist/detector/classifier.keras"),
    )
    parser.add_argument("--data-dir", type=Path, help="directory of Fashion-MNIST's files")
    parser.add_argument("--autoencoder", default="dense", help="architecture, as in fit")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weight", type=float, default=1.0, help="λ")
    arguments = parser.parse_args()

    classifier = load_model(arguments.classifier)
    dataset = load_dataset("fashion_mnist", arguments.data_dir)
    x = scale(dataset.x_train[: arguments.rows])
    held_out = scale(dataset.x_train[-N_VALIDATION:])
    classes = classifier.predict(held_out, verbose=0).argmax(axis=1)
    attacked = FGSM(EPSILON).run(classifier, held_out, classes).x_adv
    undefended = float(np.mean(classifier.predict(attacked, verbose=0).argmax(axis=1) == classes))

    hidden = [HiddenLayer(last_hidden_layer(classifier), weight=arguments.weight)]
    objectives = {
        "none": Objective(),
        "fixed": Objective(hidden=hidden, projection="fixed"),
        "trained": Objective(hidden=hidden, projection="trained"),
    }
    ways: dict[str, list[dict[str, float]]] = {way: [] for way in objectives}
    for seed in range(arguments.seeds):
        for way, objective in objectives.items():
            keras.utils.set_random_seed(seed)
            autoencoder = make_autoencoder(arguments.autoencoder, x)
            settings = TrainingSettings(
                objective=objective, epochs=arguments.epochs, batch_size=BATCH_SIZE, seed=seed
            )
            history = fit_autoencoder(classifier, autoencoder, x, settings, verbose=0).history
            result = AdversarialDetector(classifier, autoencoder).predict(attacked)
            run = {"corrected": float(np.mean(result.reconstruction_prediction == classes))}
            if objective.hidden:
                run["hidden"] = history[f"val_{hidden[0].name}"][-1]
            ways[way].append(run)
            print(f"seed {seed}, {way}: {run}", file=sys.stderr)

    about = (
        f"Autoencoder {arguments.autoencoder!r}, {arguments.rows:,} Fashion-MNIST images, "
        f"{arguments.epochs} epochs, layer {hidden[0].name!r} projected to {hidden[0].dimension}, "
        f"λ = {hidden[0].weight:g}; {N_VALIDATION:,} held-out images under FGSM, ε = {EPSILON:g}"
    )
    figures: dict[str, Any] = {
        "rows": arguments.rows,
        "epochs": arguments.epochs,
        "autoencoder": arguments.autoencoder,
        "weight": arguments.weight,
        "undefended": undefended,
        "ways": ways,
    }
    write_record("hidden_layer", table(ways, about, undefended), figures)


if __name__ == "__main__":
    main()
